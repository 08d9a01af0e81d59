"""A service keeps as many tasks alive as it was told to, of the task definition that it was told last."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quintet_localstack.ecs.task import Task, now

PAUSE = 1.0  # seconds between looks, where nothing has happened
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds before a task that ended by itself is replaced
LONG_LIFE = 60.0  # seconds after which an end counts as the first again
SCHEDULER = "ServiceSchedulerInitiated"
EVENTS_KEPT = 100

Start = Callable[["Service", "Deployment"], Task]


@dataclass
class Deployment:
    """The tasks of one version of a service; the newest is the primary one."""

    definition: dict[str, Any]
    tasks: list[Task] = field(default_factory=list)
    id: str = field(default_factory=lambda: f"ecs-svc/{uuid.uuid4().int % 10**19}")
    created: datetime = field(default_factory=now)
    failures: int = 0
    in_a_row: int = 0
    due: float = 0.0

    @property
    def alive(self) -> list[Task]:
        return [task for task in self.tasks if task.last_status != "STOPPED"]

    @property
    def serving(self) -> list[Task]:
        return [task for task in self.alive if task.desired_status == "RUNNING"]

    @property
    def running(self) -> list[Task]:
        return [task for task in self.serving if task.last_status == "RUNNING"]

    @property
    def maps_ports(self) -> bool:
        return any(one.get("portMappings") for one in self.definition["containerDefinitions"])

    def bury(self) -> None:
        """Forget what has ended; what ended by itself puts the next start off, longer each time."""
        for task in [task for task in self.tasks if task.last_status == "STOPPED"]:
            self.tasks.remove(task)
            if task.stop is not None and task.stop[0] == SCHEDULER:
                continue
            lived = (task.times["stoppedAt"] - task.times["createdAt"]).total_seconds()
            self.failures += 1
            self.in_a_row = 1 if lived > LONG_LIFE else self.in_a_row + 1
            self.due = time.monotonic() + min(FIRST_PAUSE * 2 ** min(self.in_a_row - 1, 10), LONGEST_PAUSE)


class Service:
    """Its own thread alone starts and stops its tasks."""

    def __init__(self, arn: str, request: dict[str, Any], definition: dict[str, Any], start: Start) -> None:
        self.arn, self.request, self.start_task = arn, request, start
        self.name = request["serviceName"]
        self.desired = int(request.get("desiredCount") or 0)
        self.deployments = [Deployment(definition)]
        self.status = "ACTIVE"
        self.created = now()
        self.events: list[dict[str, Any]] = []
        self.woken = threading.Event()
        self.lock = threading.Lock()

    def begin(self) -> None:
        threading.Thread(target=self.live, daemon=True, name=f"service-{self.name}").start()

    def live(self) -> None:
        while self.status != "INACTIVE":
            with self.lock:
                self.look()
            self.woken.wait(PAUSE)
            self.woken.clear()

    def wake(self) -> None:
        self.woken.set()

    def change(self, definition: dict[str, Any] | None, desired: int | None) -> None:
        """A definition, given, makes a deployment that replaces the tasks of those before."""
        with self.lock:
            self.desired = self.desired if desired is None else desired
            if definition is not None:
                self.deployments.insert(0, Deployment(definition))
        self.wake()

    def drain(self) -> None:
        with self.lock:
            if self.status == "ACTIVE":
                self.desired, self.status = 0, "DRAINING"
        self.wake()

    def look(self) -> None:
        primary, *older = self.deployments
        for deployment in self.deployments:
            deployment.bury()
        in_the_way = [task for deployment in older for task in deployment.alive] if primary.maps_ports else []
        if not in_the_way:
            self.scale(primary)
        if in_the_way or len(primary.running) >= self.desired:
            for deployment in older:
                self.end(deployment.serving, deployment)
        self.deployments = [primary, *(one for one in older if one.alive)]
        if self.status == "DRAINING" and not primary.alive and len(self.deployments) == 1:
            self.status = "INACTIVE"

    def scale(self, primary: Deployment) -> None:
        serving = primary.serving
        self.end(serving[self.desired :], primary)
        for _ in range(self.desired - len(serving)):
            if time.monotonic() >= primary.due:
                task = self.start_task(self, primary)
                primary.tasks.append(task)
                self.say(f"(service {self.name}) has started 1 tasks: (task {task.id}).")
                task.begin()

    def end(self, tasks: list[Task], deployment: Deployment) -> None:
        for task in tasks:
            task.ask_to_stop(SCHEDULER, f"Scaling activity initiated by (deployment {deployment.id})")
            self.say(f"(service {self.name}) has stopped 1 running tasks: (task {task.id}).")

    def say(self, message: str) -> None:
        self.events = [{"id": str(uuid.uuid4()), "createdAt": now(), "message": message}, *self.events][:EVENTS_KEPT]

    def described(self) -> dict[str, Any]:
        """The service as DescribeServices shows it."""
        kept = ("loadBalancers", "serviceRegistries", "launchType", "capacityProviderStrategy", "networkConfiguration",
                "deploymentConfiguration", "propagateTags", "tags")  # fmt: skip
        shown = [self.deployment(one, "ACTIVE" if place else "PRIMARY") for place, one in enumerate(self.deployments)]
        return {
            **{key: self.request[key] for key in kept if self.request.get(key) is not None},
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.request["cluster"],
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": sum(one["runningCount"] for one in shown),
            "pendingCount": sum(one["pendingCount"] for one in shown),
            "taskDefinition": self.deployments[0].definition["taskDefinitionArn"],
            "schedulingStrategy": "REPLICA",
            "deployments": shown,
            "events": self.events,
            "createdAt": self.created,
        }

    def deployment(self, one: Deployment, status: str) -> dict[str, Any]:
        settled = len(one.running) == self.desired and len(self.deployments) == 1
        return {
            "id": one.id,
            "status": status,
            "taskDefinition": one.definition["taskDefinitionArn"],
            "desiredCount": self.desired if status == "PRIMARY" else 0,
            "runningCount": len(one.running),
            "pendingCount": len(one.alive) - len(one.running),
            "failedTasks": one.failures,
            "createdAt": one.created,
            "updatedAt": one.created,
            "rolloutState": "COMPLETED" if settled else "IN_PROGRESS",
        }
