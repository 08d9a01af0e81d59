"""The cache's layer in this process: entries and the figures drawn of them.

One lock guards it; it is never held while something is read, computed or drawn.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from quintet.glucose.cache_entry import Entry, Place
from quintet.glucose.figure import Figure
from quintet.glucose.lru import Lru
from quintet.kernel.clock import Clock

Proof = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Held:
    """An entry, and what must still be found true where no mark can be asked for; None: nothing would prove it."""

    entry: Entry
    proof: Proof | None


@dataclass(eq=False)
class Visit:
    """Somebody at work on a place. Once it is erased, nothing they bring is kept."""

    place: Place
    revoked: bool = False


class HotEntries:
    def __init__(self, size: int, figures: int, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: Lru[Place, Held] = Lru(size)
        self._figures: Lru[tuple[Place, Hashable], Figure] = Lru(figures)
        self._visits: set[Visit] = set()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def evictions(self) -> int:
        return self._kept.evictions

    @contextmanager
    def visit(self, place: Place) -> Iterator[Visit]:
        visit = Visit(place)
        with self._lock:
            self._visits.add(visit)
        try:
            yield visit
        finally:
            with self._lock:
                self._visits.discard(visit)

    def get(self, place: Place) -> Held | None:
        with self._lock:
            held = self._kept.get(place)
            if held is not None and held.entry.expires_at <= self._clock.now():
                self._drop(place)
                return None
            return held

    def keep(self, visit: Visit, entry: Entry, proof: Proof | None) -> None:
        """Whoever gets it from here shares its arrays with others, so nobody may write into them."""
        entry.analysis.glucose.setflags(write=False)
        entry.analysis.quantiles.setflags(write=False)
        with self._lock:
            if visit.revoked:
                return
            for evicted in self._kept.put(visit.place, Held(entry, proof)):
                self._drop_figures(evicted)

    def forget(self, place: Place) -> None:
        """It has turned out not to hold any more."""
        with self._lock:
            self._drop(place)

    def erase(self, chosen: Callable[[Place], bool]) -> set[Place]:
        """The chosen places that were here. Nothing that is under way brings them back."""
        with self._lock:
            for visit in self._visits:
                visit.revoked |= chosen(visit.place)
            places = {place for place in self._kept.keys() if chosen(place)}  # noqa: SIM118 -- no mapping
            for place in places:
                self._drop(place)
        return places

    def places(self, owner: str) -> set[Place]:
        with self._lock:
            return {place for place in self._kept.keys() if place.owner == owner}  # noqa: SIM118 -- no mapping

    def every_place(self) -> list[Place]:
        """Those used least recently first."""
        with self._lock:
            return self._kept.keys()

    def figure(self, place: Place, key: Hashable) -> Figure | None:
        with self._lock:
            return self._figures.get((place, key))

    def keep_figure(self, visit: Visit, key: Hashable, figure: Figure) -> None:
        """Only beside its entry."""
        with self._lock:
            if not visit.revoked and visit.place in self._kept:
                self._figures.put((visit.place, key), figure)

    def _drop(self, place: Place) -> None:
        self._kept.drop(place)
        self._drop_figures(place)

    def _drop_figures(self, place: Place) -> None:
        for figure in [figure for figure in self._figures.keys() if figure[0] == place]:  # noqa: SIM118 -- no mapping
            self._figures.drop(figure)
