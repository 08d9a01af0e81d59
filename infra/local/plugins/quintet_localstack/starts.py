"""How many environments start at one time, and who need not wait for a start."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

LONGEST = 20.0
"""Seconds that a start takes a place for. One that takes longer waits for something, perhaps for another start."""


class Starts:
    """Room for `most` starts at one time."""

    def __init__(self, most: int, longest: float = LONGEST) -> None:
        self.most = most
        self.longest = longest
        self.begun: dict[object, float] = {}
        self.changed = threading.Condition()

    def first(self, free: Callable[[], Made | None], start: Callable[[], Made]) -> Made:
        """What `free` gives, or what `start` makes where a place for a start comes before that."""
        place = object()
        with self.changed:
            while (found := free()) is None and not self.take(place):
                self.changed.wait(self.next_place())
        if found is not None:
            return found
        try:
            return start()
        finally:
            self.leave(place)

    def look_again(self) -> None:
        """Something became free."""
        with self.changed:
            self.changed.notify_all()

    def take(self, place: object) -> bool:
        if self.next_place() > 0:
            return False
        self.begun[place] = time.monotonic()
        return True

    def leave(self, place: object) -> None:
        with self.changed:
            del self.begun[place]
            self.changed.notify_all()

    def next_place(self) -> float:
        """Seconds until a place is there at the latest."""
        counted = sorted(self.begun.values(), reverse=True)[: self.most]
        if len(counted) < self.most:
            return 0.0
        return max(0.0, counted[-1] + self.longest - time.monotonic())
