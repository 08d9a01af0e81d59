"""Word between the room's functions that a job wants looking after. The sweep makes up for one that is lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from quintet.training.jobs import JobKey
from quintet.training.ports import Queue


class Nudge(BaseModel):
    """`sweep`: look after everything. `stopped`: `task`, which had this attempt of the job, is gone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: Literal["job", "stopped", "sweep"] = "job"
    job: str = ""
    attempt: int = 0
    task: str = ""
    reason: str = ""

    @model_validator(mode="before")
    @classmethod
    def from_ecs(cls, value: Any) -> Any:
        """EventBridge's event of a task that has stopped is a nudge, too."""
        if isinstance(value, Mapping) and value.get("detail-type") == "ECS Task State Change":
            return stopped(value.get("detail", {}))
        return value


@dataclass(frozen=True)
class Nudges:
    to_tend: Queue
    to_publish: Queue

    def tend(self, key: JobKey) -> None:
        self.to_tend.send(Nudge(job=str(key)).model_dump_json())

    def publish(self, key: JobKey) -> None:
        self.to_publish.send(Nudge(job=str(key)).model_dump_json())


def stopped(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What ECS says of a stopped task, as the fields of a nudge; a task that is none of ours is a mere sweep."""
    overrides = detail.get("overrides", {}).get("containerOverrides", [])
    environment = {one["name"]: one["value"] for override in overrides for one in override.get("environment", [])}
    if "QUINTET_JOB_KEY" not in environment:
        return {"about": "sweep"}
    return {
        "about": "stopped",
        "job": environment["QUINTET_JOB_KEY"],
        "attempt": int(environment.get("QUINTET_JOB_ATTEMPT", 0)),
        "task": detail.get("taskArn", ""),
        "reason": why(detail),
    }


def why(detail: Mapping[str, Any]) -> str:
    """
    >>> why({"stoppedReason": "Essential container in task exited", "containers": [{"exitCode": 137}]})
    'Essential container in task exited (exit code 137)'
    """
    codes = [str(one["exitCode"]) for one in detail.get("containers", []) if one.get("exitCode") is not None]
    reasons = [one["reason"] for one in detail.get("containers", []) if one.get("reason")]
    said = "; ".join([detail.get("stoppedReason", "") or "the task stopped", *reasons])
    return f"{said} (exit code {', '.join(codes)})" if codes else said
