"""Adapters whose side effects go wrong: the process dies before or after one, or others get in between."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from quintet.kernel.errors import Unavailable
from quintet.kernel.rows import Place, Rows, Write
from quintet.training.jobs import Job
from quintet.training.ports import Objects, Publisher, Queue, Tasks, TaskState

CHANCES = {
    "rows.write": 0.04,
    "queue.send": 0.02,
    "publisher.publish": 0.06,
    "tasks.start": 0.12,
    "tasks.stop": 0.3,
    "objects.put": 0.25,
}
"""How likely a process dies before a side effect; after it just as likely. As often an answer is lost, or the other end
is away, and four times as often others get in between.
"""

MOMENTS = ("before", "after")
Answer = TypeVar("Answer")


class Crash(BaseException):
    """The process is gone; nothing in it gets to catch this."""


@dataclass
class Faults:
    """`interlude` lets others go on between what a process has read and what it writes of it."""

    random: Random
    interlude: Callable[[], None]
    crashes_left: int
    calm: bool = False
    crashed: Counter[tuple[str, str]] = field(default_factory=Counter)
    pauses: int = 0

    def around(self, effect: str, do: Callable[[], Answer]) -> Answer:
        if self.calm:
            return do()
        fate = self.random.random() / CHANCES[effect]
        if fate < 1:
            self._crash(effect, "before")
        elif 2 <= fate < 3:
            raise Unavailable(f"{effect} does not answer")
        elif 4 <= fate < 8:
            self.pauses += 1
            self.interlude()
        answer = do()
        if 1 <= fate < 2:
            self._crash(effect, "after")
        elif 3 <= fate < 4:
            raise Unavailable(f"the answer of {effect} was lost")
        return answer

    def _crash(self, effect: str, moment: str) -> None:
        if self.crashes_left:
            self.crashes_left -= 1
            self.crashed[effect, moment] += 1
            raise Crash(f"{moment} {effect}")


@dataclass(frozen=True)
class FaultyRows:
    rows: Rows
    faults: Faults
    seen: Callable[[tuple[Write, ...]], None]

    def write(self, *step: Write) -> None:
        def do() -> None:
            self.rows.write(*step)
            self.seen(step)

        self.faults.around("rows.write", do)

    def read(self, place: Place) -> dict[str, Any]:
        return self.rows.read(place)

    def list(
        self, partition: str, *, prefix: str = "", after: str = "", limit: int = 1000, newest_first: bool = False
    ) -> list[tuple[str, dict[str, Any]]]:
        return self.rows.list(partition, prefix=prefix, after=after, limit=limit, newest_first=newest_first)


@dataclass(frozen=True)
class FaultyQueue:
    queue: Queue
    faults: Faults

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        self.faults.around("queue.send", lambda: self.queue.send(body, attributes))


@dataclass(frozen=True)
class FaultyPublisher:
    publisher: Publisher
    faults: Faults
    seen: Callable[[str, str, str], None]

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        def do() -> None:
            self.publisher.publish(queue, body, message_id=message_id, correlation_id=correlation_id)
            self.seen(queue, body, message_id)

        self.faults.around("publisher.publish", do)


@dataclass(frozen=True)
class FaultyTasks:
    tasks: Tasks
    faults: Faults

    def start(self, job: Job) -> str:
        return self.faults.around("tasks.start", lambda: self.tasks.start(job))

    def state(self, task: str) -> TaskState:
        return self.tasks.state(task)

    def stop(self, task: str, reason: str) -> None:
        self.faults.around("tasks.stop", lambda: self.tasks.stop(task, reason))


@dataclass(frozen=True)
class FaultyObjects:
    objects: Objects
    faults: Faults

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self.faults.around("objects.put", lambda: self.objects.put(key, body, content_type=content_type))

    def get(self, key: str) -> tuple[bytes, str]:
        return self.objects.get(key)

    def size(self, key: str) -> int:
        return self.objects.size(key)

    def etag(self, key: str) -> str:
        return self.objects.etag(key)
