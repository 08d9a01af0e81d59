"""How long to wait before looking again: soon at first, then less and less often, never all owners at once."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST, GROWTH, JITTER = 0.2, 1.5, 0.5

Sleep = Callable[[float], None]
Chance = Callable[[], float]
"""A number of [0, 1)."""


@dataclass
class Pace:
    """`longest`, in seconds, is the longest wait unless the server asks for more.

    >>> slept = []
    >>> pace = Pace(longest=0.4, sleep=slept.append, chance=lambda: 0.5)
    >>> for _ in range(3):
    ...     pace.wait()
    >>> pace.begin_anew()
    >>> pace.wait(7)
    >>> [round(seconds, 3) for seconds in slept]
    [0.15, 0.225, 0.3, 7]
    """

    longest: float = 2.0
    sleep: Sleep = time.sleep
    chance: Chance = random.random
    _next: float = field(default=FIRST, init=False)

    def wait(self, asked_for: float = 0) -> None:
        """At least `asked_for` seconds."""
        waited = self._next * (1 - JITTER * self.chance())
        self._next = min(self.longest, self._next * GROWTH)
        self.sleep(max(asked_for, waited))

    def begin_anew(self) -> None:
        """Something has happened: more may follow soon."""
        self._next = FIRST
