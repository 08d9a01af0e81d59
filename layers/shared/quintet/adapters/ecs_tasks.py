"""Tasks on ECS: one container, started with a command and an environment of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import Overloaded, Unavailable

_PART = "the cluster of containers"
_NO_CAPACITY = ("RESOURCE", "capacity", "Capacity", "AGENT")


@dataclass(frozen=True)
class EcsTasks:
    """`container` is the container's name in the task definition; without a capacity provider tasks run on Fargate."""

    cluster: str
    task_definition: str
    container: str
    group: str
    capacity_provider: str = ""
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()

    def start(self, command: Sequence[str], environment: Mapping[str, str], *, once: str) -> str:
        """The ARN of the task; `once` names the start, so that asking again starts no second one.

        Raises Overloaded where there is no capacity now, Unavailable, and Misconfigured.
        """
        override: Any = {
            "name": self.container,
            "command": list(command),
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
        }
        with translated(_PART):
            answer = client("ecs").run_task(
                cluster=self.cluster,
                taskDefinition=self.task_definition,
                group=self.group,
                clientToken=hashlib.sha256(once.encode()).hexdigest(),
                overrides={"containerOverrides": [override]},
                **self._where(),
            )
        if not answer["tasks"]:
            raise _not_started(answer.get("failures", []))
        return str(answer["tasks"][0]["taskArn"])

    def state(self, task: str) -> Literal["running", "gone"]:
        with translated(_PART):
            known = client("ecs").describe_tasks(cluster=self.cluster, tasks=[task])["tasks"]
        return "running" if known and known[0]["lastStatus"] != "STOPPED" else "gone"

    def stop(self, task: str, reason: str) -> None:
        ecs = client("ecs")
        try:
            with translated(_PART):
                ecs.stop_task(cluster=self.cluster, task=task, reason=reason)
        except ecs.exceptions.InvalidParameterException:
            return  # it is long gone

    def _where(self) -> dict[str, Any]:
        network = {"subnets": list(self.subnets), "securityGroups": list(self.security_groups)}
        placed: dict[str, Any] = {"networkConfiguration": {"awsvpcConfiguration": network}} if self.subnets else {}
        if self.capacity_provider:
            return placed | {"capacityProviderStrategy": [{"capacityProvider": self.capacity_provider, "weight": 1}]}
        return placed | {"launchType": "FARGATE"}


def _not_started(failures: Sequence[Mapping[str, Any]]) -> Overloaded | Unavailable:
    reasons = "; ".join(str(failure.get("reason", "?")) for failure in failures) or "no reason was given"
    if any(sign in reasons for sign in _NO_CAPACITY):
        return Overloaded("no capacity for another task now", reason=reasons)
    return Unavailable("the task could not be started", reason=reasons)
