"""A scheduler under a test's hands: its callers come, wait and leave when told, its work ends when told."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue

import pytest

from quintet.glucose.ports import Priority
from quintet.glucose.scheduling import Scheduler
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import Cancelled, Overloaded, Unavailable

PATIENCE = 30.0


class Client(Cancellation):
    """Tells when its call has joined the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = threading.Event()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        forget = super().on_cancel(callback)
        self.joined.set()
        return forget


@dataclass
class Work:
    """Starts, tells so, and goes on only when let go; stops at once when it is cancelled."""

    name: str
    started: "Queue[Work]"
    end: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __call__(self, cancellation: Cancellation) -> str:
        cancellation.on_cancel(self.end.set)
        self.started.put(self)
        assert self.end.wait(PATIENCE)
        if cancellation.cancelled:
            self.stopped.set()
        cancellation.check()
        if self.error:
            raise self.error
        return self.name


@dataclass
class Call:
    client: Client
    answer: "Future[str]"

    def result(self) -> str:
        return self.answer.result(PATIENCE)

    def gone(self) -> None:
        """Leaves, and has left."""
        self.client.cancel()
        with pytest.raises(Cancelled):
            self.result()


class Office:
    """A scheduler and its callers, each on a thread of its own."""

    def __init__(self, *, workers: int = 1, capacity: int = 8, timeout: float | None = None) -> None:
        self.scheduler = Scheduler("test", workers=workers, capacity=capacity, timeout=timeout)
        self.threads = ThreadPoolExecutor(64)
        self.started: Queue[Work] = Queue()

    def call(self, key: str, *, priority: Priority = Priority.INTERACTIVE, name: str = "") -> Call:
        """A call that has joined, or was refused: then its error is raised."""
        client = Client()
        work = Work(name or key, self.started)
        answer = self.threads.submit(self.scheduler.run, key, work, cancellation=client, priority=priority)
        answer.add_done_callback(lambda _: client.joined.set())
        assert client.joined.wait(PATIENCE)
        if answer.done() and isinstance(error := answer.exception(), Overloaded | Unavailable):
            raise error
        return Call(client, answer)

    def later(self, key: str, *, priority: Priority = Priority.BACKGROUND, delay: float = 0) -> bool:
        return self.scheduler.later(key, Work(key, self.started), priority=priority, delay=delay)

    def next(self) -> Work:
        return self.started.get(timeout=PATIENCE)

    def order(self, count: int) -> list[str]:
        """The names of the next works, each let go when it has started."""
        return [self.end_next().name for _ in range(count)]

    def end_next(self) -> Work:
        work = self.next()
        work.end.set()
        return work

    @property
    def size(self) -> int:
        return self.scheduler.state().size

    def close(self) -> None:
        self.scheduler.close()
        self.threads.shutdown()


@contextmanager
def office(*, workers: int = 1, capacity: int = 8, timeout: float | None = None) -> Iterator[Office]:
    one = Office(workers=workers, capacity=capacity, timeout=timeout)
    yield one
    one.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test-")]
