"""One piece of work that several callers may wait for."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from statistics import fmean
from threading import Event
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from quintet.glucose.ports import Priority
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.clock import stopwatch

T = TypeVar("T")

REMEMBERED = 1024


class Outcome(Generic[T]):
    """What became of work: its result, or what it raised.

    >>> outcome: Outcome[float] = Outcome()
    >>> with outcome:
    ...     outcome.value = 1 / 0
    >>> outcome.result()
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    """

    value: T
    error: BaseException | None = None
    _traceback: TracebackType | None = None

    def __enter__(self) -> None:
        """What is raised from here on is kept."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[True]:
        self.error, self._traceback = error, traceback and traceback.tb_next
        return True

    def result(self) -> T:
        """The result. Raises what the work raised, with the work's own traceback for each who asks."""
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)
        return self.value


class Stage(Enum):
    DELAYED = auto()
    QUEUED = auto()
    RUNNING = auto()


@dataclass(eq=False)
class Computation(Generic[T]):
    """Work, who waits for it (an event for each), and the cancellation that it looks at.

    `asked_later` is set where somebody wants it done though they do not wait.
    """

    key: str
    work: Callable[[Cancellation], T]
    priority: Priority
    stage: Stage = Stage.QUEUED
    asked_later: Priority | None = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    waiters: set[Event] = field(default_factory=set)
    outcome: Outcome[T] | None = None
    asked: float = field(default_factory=stopwatch)

    def attempt(self) -> Outcome[T]:
        outcome: Outcome[T] = Outcome()
        with outcome:
            outcome.value = self.work(self.cancellation)
        return outcome

    def settle(self, outcome: Outcome[T]) -> None:
        """The first outcome counts; all who wait are woken."""
        if self.outcome is None:
            self.outcome = outcome
        for waiter in self.waiters:
            waiter.set()


@dataclass
class Counts:
    """What was done since the start. Times, in milliseconds, are of the last computations only: it never grows."""

    runs: dict[int, int] = field(default_factory=lambda: dict.fromkeys(map(int, Priority), 0))
    errors: int = 0
    dropped: int = 0
    fulfilments: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def began(self, computation: Computation[Any]) -> None:
        self.runs[computation.priority] += 1

    def settled(self, computation: Computation[Any], outcome: Outcome[Any]) -> None:
        """Work that stopped because it was told to is no error, and its time says nothing."""
        if outcome.error is None:
            self.fulfilments.append(1000 * (stopwatch() - computation.asked))
        elif not computation.cancellation.cancelled:
            self.errors += 1

    @property
    def runs_by_priority(self) -> Mapping[int, int]:
        return {priority: count for priority, count in self.runs.items() if count}

    @property
    def mean_fulfilment_ms(self) -> float:
        return fmean(self.fulfilments) if self.fulfilments else 0.0
