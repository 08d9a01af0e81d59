"""A thread that publishes what the ledger says is to be told, as soon as it hears of it.

What can't be published stays in the ledger's outbox, in order: this thread tries again, and when the task has ended,
the room's publish function does.
"""

import time
from collections import deque
from threading import Event
from typing import Protocol

from aws_lambda_powertools import Logger

from quintet.entry.worker import beside
from quintet.kernel.errors import Misconfigured, Overloaded, Unavailable
from quintet.training.jobs import JobKey
from quintet.training.ledger import Outgoing
from quintet.training.outbox import Outbox

IDLE_SECONDS = 5.0
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
FAREWELL_SECONDS = 30.0


class Line(Protocol):
    """A connection that wants to be heard of while nothing is said."""

    def keep_alive(self) -> None: ...
    def close(self) -> None: ...


class Teller:
    """What an earlier task left in the outbox is told first, by looking there; then what it hears of, at once."""

    def __init__(
        self, outbox: Outbox, key: JobKey, line: Line | None, log: Logger, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._outbox = outbox
        self._key = key
        self._line = line
        self._log = log
        self._idle = idle_seconds
        self._heard: deque[Outgoing] = deque()
        self._caught_up = False
        self._last_heard = -1
        self._woken, self._over = Event(), Event()
        self._failures = 0
        self._deadline = 0.0
        self._woken.set()
        self._thread = beside(self._run, name="telling", on_failure=self._failed)

    def hear(self, outgoing: Outgoing) -> None:
        """Of a message that is in the ledger now.

        After a gap in the numbers the outbox is asked: a write whose answer was lost is in the ledger, too.
        """
        number = int(outgoing.name.rpartition("#")[2])
        if number != self._last_heard + 1:
            self._caught_up = False
        self._last_heard = number
        self._heard.append(outgoing)
        self._woken.set()

    def finish(self, seconds: float = FAREWELL_SECONDS) -> bool:
        """Whether all was told in time."""
        self._deadline = time.monotonic() + seconds
        self._over.set()
        self._woken.set()
        self._thread.join(seconds)
        return self._told_all() and not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.is_set():
            self._tell() if self._woken.wait(self._idle) else self._keep_alive()
        self._tell()
        while not self._told_all() and time.monotonic() < self._deadline:
            self._tell()
        if self._line:
            self._line.close()

    def _tell(self) -> None:
        self._woken.clear()
        try:
            while not self._told_all():
                self._tell_next()
        except (Unavailable, Overloaded, Misconfigured) as error:
            self._caught_up = False
            self._wait_after(error)
        else:
            self._failures = 0

    def _tell_next(self) -> None:
        """What is heard of while the outbox is drained may be told twice, but in its order."""
        if self._caught_up:
            self._outbox.publish(self._heard[0])
            self._heard.popleft()
        else:
            self._caught_up = True  # before: a gap that is heard of meanwhile takes it back
            self._heard.clear()
            self._outbox.drain(self._key)

    def _told_all(self) -> bool:
        return self._caught_up and not self._heard

    def _wait_after(self, error: Unavailable | Overloaded | Misconfigured) -> None:
        """However often it is woken meanwhile."""
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._log.warning(f"[RMQ] {error.message}", extra={"again_in_seconds": pause})
        self._failures += 1
        self._over.wait(pause) if not self._over.is_set() else time.sleep(min(pause, 1.0))
        self._woken.set()

    def _keep_alive(self) -> None:
        if self._line:
            self._line.keep_alive()

    def _failed(self, error: Exception) -> None:
        self._log.error("what is to be told waits in the outbox", exc_info=error)
