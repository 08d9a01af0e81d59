"""All tasks and services of one account and region."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from localstack.aws.connect import connect_to
from localstack.runtime import hooks

from quintet_localstack.ecs.container import end_all
from quintet_localstack.ecs.events import put_state_change
from quintet_localstack.ecs.service import Deployment, Service
from quintet_localstack.ecs.task import Task, Wish, now

REMEMBERED = timedelta(hours=1)  # as long as ECS shows a stopped task
GRACE = 2.0  # seconds for the workers when LocalStack is asked to end


@dataclass
class Fleet:
    account: str
    region: str
    tasks: dict[str, Task] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    tokens: dict[str, tuple[dict[str, Any], list[Task]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def task(self, wish: Wish) -> Task:
        """A new task, not begun."""
        clients = connect_to(aws_access_key_id=self.account, region_name=self.region)
        made = Task(wish, clients, self.heard)
        self.forget()
        self.tasks[made.arn] = made
        return made

    def heard(self, task: Task) -> None:
        put_state_change(task)
        if service := self.services.get(service_arn(task.wish.cluster_arn, task.wish.group.removeprefix("service:"))):
            service.wake()

    def forget(self) -> None:
        for arn, task in list(self.tasks.items()):
            if "stoppedAt" in task.times and now() - task.times["stoppedAt"] > REMEMBERED:
                self.tasks.pop(arn, None)

    def task_of_service(self, service: Service, deployment: Deployment) -> Task:
        asked = service.request
        more = {"startedBy": deployment.id, "tags": asked.get("tags", []), **provider(asked)}
        return self.task(
            Wish(
                cluster_arn=asked["cluster"],
                definition=deployment.definition,
                region=self.region,
                group=f"service:{service.name}",
                launch_type=launch_type(asked),
                more=more,
            )
        )

    def alive(self, cluster_arn: str) -> Iterator[Task]:
        yield from (
            task
            for task in list(self.tasks.values())
            if task.wish.cluster_arn == cluster_arn and task.last_status != "STOPPED"
        )

    def close(self, cluster_arn: str) -> None:
        """End what runs in a cluster that is being deleted."""
        for service in list(self.services.values()):
            if service.request["cluster"] == cluster_arn:
                service.drain()
        for task in self.alive(cluster_arn):
            task.ask_to_stop("UserInitiated", "The cluster is deleted")


FLEETS: dict[tuple[str, str], Fleet] = {}


def fleet(account: str, region: str) -> Fleet:
    return FLEETS.setdefault((account, region), Fleet(account, region))


def service_arn(cluster: str, name: str) -> str:
    """Of a service's name, or of its ARN."""
    return f"{cluster.replace(':cluster/', ':service/')}/{name.rpartition('/')[2]}"


def launch_type(request: dict[str, Any]) -> str:
    named = provider(request).get("capacityProviderName")
    if named:
        return "FARGATE" if named.startswith("FARGATE") else "EC2"
    return str(request.get("launchType") or "EC2")


def provider(request: dict[str, Any]) -> dict[str, str]:
    strategy = request.get("capacityProviderStrategy") or []
    return {"capacityProviderName": strategy[0]["capacityProvider"]} if strategy else {}


@hooks.on_infra_shutdown(priority=100)
def end_workers() -> None:
    """Ask every worker to end while LocalStack still answers; the kernel ends what is left."""
    for one in FLEETS.values():
        for service in one.services.values():
            service.status = "INACTIVE"
    end_all(GRACE)
