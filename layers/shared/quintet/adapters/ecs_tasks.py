"""Tasks on ECS: one container, started with a command and an environment of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import Misconfigured, Overloaded, Unavailable

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
        ecs = client("ecs")
        try:
            with translated(_PART):
                answer = ecs.run_task(
                    cluster=self.cluster,
                    taskDefinition=self.task_definition,
                    group=self.group,
                    clientToken=hashlib.sha256(once.encode()).hexdigest(),
                    overrides={"containerOverrides": [override]},
                    **self._where(),
                )
        except ecs.exceptions.ClientError as error:
            return _started_before(error.response)
        if not answer["tasks"]:
            raise _not_started(answer.get("failures", []))
        return str(answer["tasks"][0]["taskArn"])

    def state(self, task: str) -> Literal["waiting", "running", "gone"]:
        """It waits where its capacity provider has no machine for it yet."""
        with translated(_PART):
            known = client("ecs").describe_tasks(cluster=self.cluster, tasks=[task])["tasks"]
        if not known or known[0]["lastStatus"] == "STOPPED":
            return "gone"
        return "waiting" if known[0]["lastStatus"] == "PROVISIONING" else "running"

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


def _started_before(refusal: Mapping[str, Any]) -> str:
    """The task of this start, where it was asked for before a deployment changed what is asked for.

    Raises Misconfigured for any other refusal.
    """
    named = refusal.get("resourceIds") or []
    if refusal["Error"]["Code"] != "ConflictException" or not named:
        raise Misconfigured("the task is refused", code=refusal["Error"]["Code"], reason=refusal["Error"]["Message"])
    return str(named[0])


def _not_started(failures: Sequence[Mapping[str, Any]]) -> Overloaded | Unavailable:
    reasons = "; ".join(str(failure.get("reason", "?")) for failure in failures) or "no reason was given"
    if any(sign in reasons for sign in _NO_CAPACITY):
        return Overloaded("no capacity for another task now", reason=reasons)
    return Unavailable("the task could not be started", reason=reasons)
