"""Trails in memory, held to the same contract as those in Redis."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Unavailable
from quintet.kernel.trails import Keeping, Place, Trail


@dataclass
class _Kept:
    entries: deque[str]
    places: deque[Place]
    until: datetime
    note: str | None = None

    def trail(self) -> Trail:
        return Trail(tuple(self.entries), tuple(self.places), self.note)


@dataclass
class MemoryTrails:
    """While `away`, it raises Unavailable."""

    keeping: Keeping
    clock: Clock = field(default_factory=SystemClock)
    away: bool = False
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def read(self, names: Sequence[str]) -> list[Trail]:
        with self._lock:
            found = [self._standing(name) for name in names]
            return [kept.trail() if kept else Trail() for kept in found]

    def append(self, name: str, entry: str, place: Place | None = None) -> Trail:
        with self._lock:
            kept = self._standing(name) or self._new()
            if kept.entries and kept.entries[-1] == entry:
                kept.entries.pop()
            before = tuple(kept.entries)
            kept.entries.append(entry)
            if place and (not kept.places or kept.places[-1].name != place.name):
                kept.places.append(place)
            self._keep(name, kept)
            return Trail(before, tuple(kept.places), kept.note)

    def note(self, name: str, text: str) -> None:
        with self._lock:
            if kept := self._standing(name):
                kept.note = text

    def _keep(self, name: str, kept: _Kept) -> None:
        kept.until = self._until()
        self._kept[name] = kept
        self._kept.move_to_end(name)
        while len(self._kept) > self.keeping.trails:
            self._kept.popitem(last=False)

    def _new(self) -> _Kept:
        return _Kept(deque(maxlen=self.keeping.entries), deque(maxlen=self.keeping.places), self._until())

    def _until(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.keeping.seconds)

    def _standing(self, name: str) -> _Kept | None:
        if self.away:
            raise Unavailable("the cache does not answer")
        found = self._kept.get(name)
        return found if found is not None and found.until > self.clock.now() else None
