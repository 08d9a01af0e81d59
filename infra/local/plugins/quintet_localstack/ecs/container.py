"""One container of a task: a process, its folder, and how it ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quintet_localstack import bootstrap
from quintet_localstack.ecs.images import command_of
from quintet_localstack.ecs.output import Follower, Stream, shared_file, stream
from quintet_localstack.ecs.variables import aws, declared, machine
from quintet_localstack.environment import FORK, spawn

STOP_TIMEOUT = 30.0  # seconds
LIVING: "set[Process]" = set()


@dataclass(frozen=True)
class Order:
    """What a container is started from: its definition and RunTask's override of it."""

    definition: dict[str, Any]
    override: dict[str, Any]
    task_arn: str
    region: str
    launch_type: str
    clients: Any

    @property
    def task_id(self) -> str:
        return self.task_arn.rpartition("/")[2]


@dataclass(frozen=True)
class Recipe:
    command: list[str]
    variables: dict[str, str]
    stream: Stream | None


def recipe(order: Order) -> Recipe:
    """Everything that can fail before the process starts; raises CannotStart."""
    found = command_of(order.definition["image"])
    given = order.override.get("command") or order.definition.get("command") or []
    output = stream(order.definition, order.task_id, order.clients.logs)
    variables = {
        **aws(order.region, order.launch_type),
        **declared(order.definition, order.override, order.clients),
        "QUINTET_TASK_ARN": order.task_arn,  # ECS tells it through its metadata endpoint
    }
    if output is not None:
        output.open()
    return Recipe([*found, *given], variables, output)


@dataclass
class Container:
    """`status` is PENDING, RUNNING or STOPPED; `exit_code` is the shell's: 137 for SIGKILL."""

    definition: dict[str, Any]
    arn: str
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    runtime_id: str = ""
    process: "Process | None" = field(default=None, repr=False)

    @property
    def essential(self) -> bool:
        return bool(self.definition.get("essential", True))

    @property
    def stop_timeout(self) -> float:
        return float(self.definition.get("stopTimeout") or STOP_TIMEOUT)

    def start(self, recipe: Recipe, told: Callable[[], None]) -> None:
        """`told` is called, in another thread, once the process has ended."""
        self.runtime_id = uuid.uuid4().hex
        self.process = Process(recipe, self.definition, lambda: self.end(told))
        self.status = "RUNNING"
        self.process.watch()

    def end(self, told: Callable[[], None]) -> None:
        assert self.process is not None
        self.status, self.exit_code = "STOPPED", self.process.exit_code()
        told()


class Process:
    def __init__(self, recipe: Recipe, definition: dict[str, Any], ended: Callable[[], None]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="task-"))
        self.files = self.folder / "files"
        self.files.mkdir()
        self.log = self.folder / "log"
        self.log.touch()
        self.over = threading.Event()
        self.ended = ended
        if definition.get("entryPoint"):
            self.log.write_text(
                f"entryPoint {definition['entryPoint']} is passed over: the worker's own program runs\n"
            )
        self.popen = self.spawned(recipe)
        LIVING.add(self)
        self.follower = Follower(self.log, shared_file(definition["name"]), recipe.stream)

    def spawned(self, recipe: Recipe) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-IS", bootstrap.__file__, "--", *recipe.command]
        variables = {**machine(recipe.command, self.files), **recipe.variables, bootstrap.PARENT: str(os.getpid())}
        return FORK.submit(spawn, command, self.files, variables, self.log).result()

    def watch(self) -> None:
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self) -> None:
        self.popen.wait()
        LIVING.discard(self)
        self.kill()  # whatever it had started goes with it, as in a container
        self.follower.finish()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ended()
        self.over.set()

    def terminate(self) -> None:
        """As Docker does: the first process alone is asked."""
        if self.popen.poll() is None:
            self.popen.terminate()

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def exit_code(self) -> int:
        status = self.popen.wait()
        return status if status >= 0 else 128 - status


def end_all(patience: float) -> None:
    """SIGTERM to every container, SIGKILL to those that are left after so many seconds."""
    left, deadline = list(LIVING), time.monotonic() + patience
    for process in left:
        process.terminate()
    for process in left:
        with suppress(subprocess.TimeoutExpired):
            process.popen.wait(max(deadline - time.monotonic(), 0))
        process.kill()
