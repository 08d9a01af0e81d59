"""What the cache has done since the start."""

from collections import Counter
from threading import Lock
from typing import Literal, get_args

Event = Literal[
    "hot_hits", "hot_misses", "shared_hits", "shared_misses", "bulk_hits", "bulk_misses",
    "computed", "stored", "taken_back", "damaged", "expired",
]  # fmt: skip


class CacheCounts:
    """`taken_back`: stored and removed again, because the trace was erased or replaced meanwhile."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        with self._lock:
            self._counts[event] += 1

    def so_far(self) -> dict[str, int]:
        with self._lock:
            return {event: self._counts[event] for event in get_args(Event)}
