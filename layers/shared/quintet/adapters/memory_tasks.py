"""Tasks in memory: programs that go on a step at a time, when told to. For tests, and for one process alone."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from quintet.kernel.errors import Misconfigured, Overloaded, Unavailable


class Attempted(Protocol):
    """What a task is started for."""

    @property
    def key(self) -> object: ...
    @property
    def attempt(self) -> int: ...


Job = TypeVar("Job", bound=Attempted)
_ENDED = object()


@dataclass
class _Task(Generic[Job]):
    job: Job
    program: Iterator[None]
    asked_to_stop: bool = False
    in_step: bool = False
    killed: bool = False
    gone: bool = False


def _nobody_listens(job: object, task: str, reason: str) -> None: ...


@dataclass
class MemoryTasks(Generic[Job]):
    """`program` makes a task's steps out of its job and its name; `on_stopped` hears of every task that has ended.

    While `away`, it raises Unavailable; with `capacity` tasks running, Overloaded; for those `refused`, Misconfigured.
    Without `machines`, tasks wait.
    """

    program: Callable[[Job, str], Iterator[None]]
    on_stopped: Callable[[Job, str, str], None] = _nobody_listens
    capacity: int = 1000
    away: bool = False
    machines: bool = True
    refused: Container[str] = ()
    _tasks: dict[str, _Task[Job]] = field(default_factory=dict)

    def start(self, job: Job) -> str:
        name = f"{job.key}/{job.attempt}"
        if self.away:
            raise Unavailable("the cluster does not answer")
        if name in self.refused:
            raise Misconfigured("the task is refused")
        if name not in self._tasks:
            if len(self.running()) >= self.capacity:
                raise Overloaded("no capacity for another task now")
            self._tasks[name] = _Task(job, self.program(job, name))
        return name

    def state(self, task: str) -> Literal["waiting", "running", "gone"]:
        known = self._tasks.get(task)
        if known is None or known.gone:
            return "gone"
        return "running" if self.machines else "waiting"

    def stop(self, task: str, reason: str) -> None:
        if task in self._tasks:
            self._tasks[task].asked_to_stop = True

    def stopping(self, task: str) -> bool:
        """What a program looks at, in place of SIGTERM."""
        return self._tasks[task].asked_to_stop

    def running(self) -> list[str]:
        return [name for name, task in self._tasks.items() if not task.gone]

    def idle(self) -> list[str]:
        """Those that can go on: running, and not in the midst of a step."""
        return [name for name in self.running() if not self._tasks[name].in_step]

    def step(self, name: str) -> None:
        """Let a task go on to its next pause. What its program raises ends it, and is raised."""
        task = self._tasks[name]
        task.in_step, ended = True, True
        try:
            ended = next(task.program, _ENDED) is _ENDED
        finally:
            task.in_step = False
            if ended or task.killed:
                self._end(name, "exited")

    def kill(self, name: str) -> None:
        """It is gone without another word; one in the midst of a step, at the end of that."""
        task = self._tasks[name]
        task.killed = True
        if not (task.in_step or task.gone):
            self._end(name, "killed")

    def _end(self, name: str, reason: str) -> None:
        task = self._tasks[name]
        task.gone = True
        self.on_stopped(task.job, name, reason)
