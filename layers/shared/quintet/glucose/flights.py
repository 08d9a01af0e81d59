"""Work that many threads want at one time is done by the first of them."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Event, Lock
from typing import Generic, TypeVar

from quintet.glucose.computation import Outcome
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import Cancelled

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    def __init__(self) -> None:
        self._lock = Lock()
        self._flying: dict[K, Future[Outcome[T]]] = {}

    def share(self, key: K, work: Callable[[], T], cancellation: Cancellation) -> T:
        """What `work` returns or raises, the first caller's for all who come meanwhile. Where its client goes away,
        the next one works. Raises Cancelled where this caller's does.
        """
        while True:
            cancellation.check()
            flight, first = self._join(key)
            if first:
                return self._fly(key, flight, work)
            outcome = _wait(flight, cancellation)
            if not isinstance(outcome.error, Cancelled):
                return outcome.result()

    def leave(self, chosen: Callable[[K], bool]) -> None:
        """Nobody else joins what is going on under the chosen keys; who waits already still gets it."""
        with self._lock:
            for key in [key for key in self._flying if chosen(key)]:
                del self._flying[key]

    def _join(self, key: K) -> tuple[Future[Outcome[T]], bool]:
        with self._lock:
            standing = self._flying.get(key)
            if standing is not None:
                return standing, False
            self._flying[key] = flight = Future[Outcome[T]]()
            return flight, True

    def _fly(self, key: K, flight: Future[Outcome[T]], work: Callable[[], T]) -> T:
        outcome: Outcome[T] = Outcome()
        with outcome:
            outcome.value = work()
        with self._lock:
            if self._flying.get(key) is flight:
                del self._flying[key]
        flight.set_result(outcome)
        return outcome.result()


def _wait(flight: Future[Outcome[T]], cancellation: Cancellation) -> Outcome[T]:
    woken = Event()
    flight.add_done_callback(lambda _: woken.set())
    forget = cancellation.on_cancel(woken.set)
    try:
        woken.wait()
    finally:
        forget()
    if not flight.done():
        cancellation.check()
    return flight.result()
