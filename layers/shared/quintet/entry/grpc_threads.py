"""The threads that answer gRPC calls."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """At most `count` threads and `limit` calls, those that wait for a thread among them.

    grpc itself lets any number of calls wait; it is the door that looks at `full`.
    """

    def __init__(self, count: int, *, limit: int, name: str) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._limit = limit
        self._calls = 0
        self._changed = Condition()

    @property
    def full(self) -> bool:
        return self._calls >= self._limit

    @override
    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        with self._changed:
            self._calls += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def wait_idle(self, seconds: float) -> bool:
        """Wait until there is no call, but no longer than that; whether there is none."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._calls, seconds)

    def _done(self, _: Future[Any]) -> None:
        with self._changed:
            self._calls -= 1
            self._changed.notify_all()


@dataclass(frozen=True)
class OnThreads:
    """A method that is answered on threads of its own; grpc looks for the attribute."""

    method: Callable[..., Any]
    experimental_thread_pool: Threads

    def __call__(self, *given: Any) -> Any:
        return self.method(*given)
