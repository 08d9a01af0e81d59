"""Servers of the room that share stores in memory, and analyses small enough to make thousands of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from quintet.adapters.memory import MemoryCache, MemoryObjects
from quintet.glucose.analysis import Analysis
from quintet.glucose.cache import AnalysisCache
from quintet.glucose.forecast import STEPS_OUT, sample_count
from quintet.glucose.messages import Warnings
from quintet.glucose.ports import Bulk, Shared
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable

ADA, BOB = "key-ada", "key-bob"
HOURS = 24.0


def handle(number: int) -> str:
    return f"{number:064x}"


def analysis(tag: int, minutes: int = 540) -> Analysis:
    """One that `tag_of` knows again."""
    readings = minutes // 5
    return Analysis(
        start=datetime(2026, 1, 1),
        glucose=np.full(readings, 100.0 + tag),
        minutes=minutes,
        quantiles=np.full((sample_count(readings) + 1, STEPS_OUT, 3), 100.0 + tag, np.float32),
        levels=(0.1, 0.5, 0.9),
        model="m1",
        warnings=Warnings(),
        recent_warnings=Warnings(),
        current=True,
    )


def tag_of(known: Analysis) -> int:
    return round(float(known.glucose[0]) - 100)


def making(tag: int, minutes: int = 540) -> Callable[[], Analysis]:
    return lambda: analysis(tag, minutes)


def never() -> Analysis:
    raise AssertionError("nothing should be computed")


class Forgetful(MemoryCache):
    """A Redis that may be started anew."""

    def lose(self) -> None:
        self._stored.clear()


@dataclass
class StoredObjects(MemoryObjects):
    """While `away`, it raises Unavailable."""

    away: bool = False

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self._check()
        super().put(key, body, content_type=content_type)

    def get(self, key: str) -> tuple[bytes, str]:
        self._check()
        return super().get(key)

    def etag(self, key: str) -> str:
        self._check()
        return super().etag(key)

    def delete(self, key: str) -> None:
        self._check()
        super().delete(key)

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        self._check()
        return super().list(prefix, limit)

    def _check(self) -> None:
        if self.away:
            raise Unavailable("object storage does not answer")


@dataclass
class World:
    """`server()` is one more process of the room."""

    with_shared: bool = True
    with_bulk: bool = True
    persist: bool = True
    hot_size: int = 8
    clock: SteppedClock = field(default_factory=SteppedClock)

    def __post_init__(self) -> None:
        self.shared = Forgetful(self.clock)
        self.bulk = StoredObjects()

    def server(self, shared: Shared | None = None, bulk: Bulk | None = None) -> AnalysisCache:
        return AnalysisCache(
            self.hot_size,
            (shared or self.shared) if self.with_shared else None,
            (bulk or self.bulk) if self.with_bulk else None,
            self.clock,
            HOURS,
            self.persist,
        )

    def at_rest(self) -> set[int]:
        """The tags of all analyses in the stores."""
        keys = [key for key in self.shared.keys("") if key.startswith("glucose:1:entry:")]
        blobs = [blob for key in keys if (blob := self.shared.get(key)) is not None]
        blobs += [self.bulk.get(key)[0] for key, _, _ in self.bulk.list("glucose/cache/", 1000)]
        return {tag_of(Analysis.from_bytes(blob.partition(b"\n")[2])) for blob in blobs}


def found(server: AnalysisCache, number: int = 1, *, owner: str = ADA, minutes: int = 0) -> int | None:
    """The tag of what a server finds."""
    known = server.find(owner, handle(number), minutes=minutes)
    return None if known is None else tag_of(known)
