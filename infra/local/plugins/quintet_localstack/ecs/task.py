"""The life of a task: PROVISIONING, RUNNING, STOPPED, and what it tells of itself on the way."""

import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quintet_localstack.ecs.container import Container, Order, Recipe, recipe
from quintet_localstack.ecs.errors import CannotStart

Told = Callable[["Task"], None]
EXITED = ("EssentialContainerExited", "Essential container in task exited")


@dataclass(frozen=True)
class Wish:
    """What was asked for: a resolved task definition and RunTask's arguments, in ECS's own words."""

    cluster_arn: str
    definition: dict[str, Any]
    region: str
    group: str
    launch_type: str
    overrides: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


class Task:
    """Its own thread alone changes it; `told` hears of every change of status, in that thread."""

    def __init__(self, wish: Wish, clients: Any, told: Told) -> None:
        self.wish, self.clients, self.told = wish, clients, told
        self.id = uuid.uuid4().hex
        self.arn = f"{wish.cluster_arn.replace(':cluster/', ':task/')}/{self.id}"
        self.containers = [
            Container(definition, f"{self.arn.replace(':task/', ':container/')}/{uuid.uuid4()}")
            for definition in wish.definition["containerDefinitions"]
        ]
        self.last_status, self.desired_status = "PROVISIONING", "RUNNING"
        self.times = {"createdAt": now()}
        self.version = 1
        self.stop: tuple[str, str] | None = None
        self.inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.over = threading.Event()

    def begin(self) -> None:
        threading.Thread(target=self.live, daemon=True, name=f"task-{self.id[:8]}").start()

    def ask_to_stop(self, code: str, reason: str) -> None:
        """Returns at once; a task that is stopping already keeps its first reason."""
        if self.stop is None and self.last_status != "STOPPED":
            self.stop = (code, reason)
            self.desired_status = "STOPPED"
            self.times["stoppingAt"] = now()
            self.inbox.put(None)

    def live(self) -> None:
        self.told(self)
        try:
            recipes = [recipe(self.order(container)) for container in self.containers]
        except CannotStart as failure:
            self.fail(str(failure))
        else:
            self.run(recipes)
        self.over.set()

    def order(self, container: Container) -> Order:
        name = container.definition["name"]
        chosen = [one for one in self.wish.overrides.get("containerOverrides", []) if one.get("name") == name]
        override = chosen[0] if chosen else {}
        return Order(container.definition, override, self.arn, self.wish.region, self.wish.launch_type, self.clients)

    def fail(self, reason: str) -> None:
        for container in self.containers:
            container.reason = reason
        self.stop = ("TaskFailedToStart", reason)
        self.ended()

    def run(self, recipes: list[Recipe]) -> None:
        if self.stop is None:
            self.start(recipes)
        while self.stop is None and not any(one.essential and one.status == "STOPPED" for one in self.containers):
            self.inbox.get()
        self.stopped_all()
        self.stop = self.stop or EXITED
        self.ended()

    def start(self, recipes: list[Recipe]) -> None:
        try:
            for container, made in zip(self.containers, recipes, strict=True):
                container.start(made, lambda: self.inbox.put(None))
        except OSError as error:  # no memory, no space, no more processes
            self.stop = ("TaskFailedToStart", f"CannotStartContainerError: {error}")
        else:
            self.times["startedAt"] = now()
            self.become("RUNNING")

    def stopped_all(self) -> None:
        """SIGTERM, then SIGKILL after each container's stopTimeout; what ended by itself is left as it is."""
        left = {one.process: one.stop_timeout for one in self.containers if one.process is not None}
        for process in left:
            process.terminate()
        start = time.monotonic()
        if self.stop is not None:
            self.become(self.last_status)
        for process, patience in sorted(left.items(), key=lambda item: item[1]):
            if not process.over.wait(max(start + patience - time.monotonic(), 0)):
                process.kill()
                process.over.wait()

    def ended(self) -> None:
        for container in self.containers:
            container.status = "STOPPED"
        self.desired_status = "STOPPED"
        self.times.setdefault("stoppingAt", now())
        self.times["executionStoppedAt"] = self.times["stoppedAt"] = now()
        self.become("STOPPED")

    def become(self, status: str) -> None:
        self.last_status = status
        self.version += 1
        self.told(self)

    def described(self) -> dict[str, Any]:
        """The task as DescribeTasks shows it."""
        code, reason = self.stop or (None, None)
        definition = self.wish.definition
        shown = {
            "attachments": [],
            "clusterArn": self.wish.cluster_arn,
            "connectivity": "CONNECTED",
            "containers": [self.container(one) for one in self.containers],
            "cpu": definition.get("cpu"),
            "memory": definition.get("memory"),
            "desiredStatus": self.desired_status,
            "group": self.wish.group,
            "lastStatus": self.last_status,
            "launchType": self.wish.launch_type,
            "overrides": self.overrides(),
            "stopCode": code,
            "stoppedReason": reason,
            "taskArn": self.arn,
            "taskDefinitionArn": definition["taskDefinitionArn"],
            "version": self.version,
            **self.wish.more,
            **self.times,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def container(self, one: Container) -> dict[str, Any]:
        shown = {
            "containerArn": one.arn,
            "taskArn": self.arn,
            "name": one.definition["name"],
            "image": one.definition["image"],
            "lastStatus": one.status,
            "exitCode": one.exit_code,
            "reason": one.reason or None,
            "runtimeId": one.runtime_id or None,
            "networkInterfaces": [],
            "cpu": str(one.definition.get("cpu", 0)),
        }
        return {key: value for key, value in shown.items() if value is not None}

    def overrides(self) -> dict[str, Any]:
        """Every container is named here, overridden or not."""
        given = {one.get("name"): one for one in self.wish.overrides.get("containerOverrides", [])}
        names = [one.definition["name"] for one in self.containers]
        return {
            **self.wish.overrides,
            "containerOverrides": [given.get(name, {"name": name}) for name in names],
        }


def now() -> datetime:
    return datetime.now(UTC)
