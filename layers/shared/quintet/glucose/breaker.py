"""Something we depend on that may be away: while it is, nobody waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Misconfigured, NotFound, Unavailable

T = TypeVar("T")

REST = timedelta(seconds=5)


class Breaker:
    """After a failure nothing is asked for REST; then one question goes through to see whether it is back.

    `outages` counts how often it went away, `reason` says why it did, in words for everybody; empty while it answers.
    """

    def __init__(self, clock: Clock) -> None:
        self.outages = 0
        self.reason = ""
        self._clock = clock
        self._lock = Lock()
        self._resting_until: datetime | None = None

    @property
    def closed(self) -> bool:
        """Whether the last answer was one."""
        return self._resting_until is None

    def ask(self, question: Callable[[], T], *, insist: bool = False) -> T:
        """Raises Unavailable: at once while resting, unless we `insist`."""
        if not self._may_ask() and not insist:
            raise Unavailable("did not answer a moment ago")
        try:
            answer = question()
        except NotFound:
            self._answered()
            raise
        except (Unavailable, Misconfigured) as error:
            self._failed(error.message)
            raise Unavailable(error.message, **error.details) from error
        self._answered()
        return answer

    def _may_ask(self) -> bool:
        with self._lock:
            if self._resting_until is None:
                return True
            if self._clock.now() < self._resting_until:
                return False
            self._resting_until = self._clock.now() + REST
            return True

    def _failed(self, reason: str) -> None:
        with self._lock:
            self.reason = reason
            self.outages += self._resting_until is None
            self._resting_until = self._clock.now() + REST

    def _answered(self) -> None:
        with self._lock:
            self._resting_until, self.reason = None, ""
            self.reason = ""
