"""Limits in memory: for tests, and for one process alone while Redis is away. Held to the same contract."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Unavailable

MOST_KNOWN = 10_000
"""Of more, those who were first seen longest ago are forgotten."""


@dataclass
class MemoryRateLimit:
    """`most` requests in any `seconds`. While `away`, it raises Unavailable."""

    most: int
    seconds: int = 60
    clock: Clock = field(default_factory=SystemClock)
    away: bool = False
    _taken: dict[str, deque[datetime]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, who: str) -> float:
        _check(self.away)
        with self._lock:
            now, window = self.clock.now(), timedelta(seconds=self.seconds)
            taken = self._taken.setdefault(who, deque())
            while taken and taken[0] <= now - window:
                taken.popleft()
            if len(taken) >= self.most:
                return (taken[0] + window - now).total_seconds()
            taken.append(now)
            _forget_first(self._taken)
            return 0.0


@dataclass
class MemoryAttempts:
    """While `away`, it raises Unavailable."""

    clock: Clock = field(default_factory=SystemClock)
    away: bool = False
    _failed: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def failures(self, who: str) -> tuple[int, float]:
        _check(self.away)
        count, end = self._failed.get(who, (0, self.clock.now()))
        left = (end - self.clock.now()).total_seconds()
        return (count, left) if left > 0 else (0, 0.0)

    def fail(self, who: str, *, seconds: int) -> int:
        with self._lock:
            count = self.failures(who)[0] + 1
            self._failed[who] = (count, self.clock.now() + timedelta(seconds=seconds))
            _forget_first(self._failed)
            return count

    def forgive(self, who: str) -> None:
        _check(self.away)
        with self._lock:
            self._failed.pop(who, None)

    def all(self) -> list[int]:
        _check(self.away)
        with self._lock:
            counts = [self.failures(who)[0] for who in self._failed]
        return [count for count in counts if count]


def _check(away: bool) -> None:
    if away:
        raise Unavailable("the limits are away")


def _forget_first(known: dict[str, deque[datetime]] | dict[str, tuple[int, datetime]]) -> None:
    if len(known) > MOST_KNOWN:
        known.pop(next(iter(known)))
