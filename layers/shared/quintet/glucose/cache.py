"""What is known of a trace, by owner and handle, in three layers: this process, what all servers share, bulk storage.

Whatever a layer holds is served only where it can be shown to hold still:

    the shared layer answers    its Mark names the version; an erasure changes the mark, and with it everything that
                                any server holds, or is about to store, has no version any more
    it is away, or none         bulk storage knows: the entry's ETag, or the last erasures
    neither                     this process is alone and knows by itself

A computation takes the mark (or the erasures) before it begins and looks again after it has stored; where the place
was erased in between, it takes back what it stored.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeVar

from quintet.glucose.analysis import Analysis
from quintet.glucose.cache_bulk import BulkEntries
from quintet.glucose.cache_counts import CacheCounts
from quintet.glucose.cache_entry import Entry, Mark, Place
from quintet.glucose.cache_memory import HotEntries, Proof, Visit
from quintet.glucose.cache_shared import SharedEntries
from quintet.glucose.figure import Figure
from quintet.glucose.flights import Flights
from quintet.glucose.ports import Bulk, Shared
from quintet.kernel.cancellation import NEVER, Cancellation
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import new_id

T = TypeVar("T")

FIGURES = 128

_HANDLE = re.compile(r"[0-9a-f]{64}")


class CacheInfo(NamedTuple):
    """Traces of one owner: known to this server or all of them, and in bulk storage."""

    size: int
    persisted: int


class Wanted(NamedTuple):
    """What threads that come at one time want alike."""

    place: Place
    minutes: int
    force: bool


@dataclass(frozen=True)
class Ticket:
    """What was true when a computation began: a mark or, where none was to be had, the last erasures."""

    visit: Visit
    mark: Mark | None
    fences: Proof | None


class AnalysisCache:
    """`hours` is how long an entry lives; without `persist` bulk storage is used by `save` and `load` alone."""

    def __init__(
        self, hot_size: int, shared: Shared | None, bulk: Bulk | None, clock: Clock, hours: float, persist: bool
    ) -> None:
        self._clock = clock
        self._kept = timedelta(hours=hours)
        self._counts = CacheCounts()
        self._hot_size = hot_size
        self._hot = HotEntries(hot_size, FIGURES, clock)
        self._shared = SharedEntries(shared, self._kept, clock, self._counts)
        self._bulk = BulkEntries(bulk, clock, self._counts)
        self._persist = persist and bulk is not None
        self._flights: Flights[Wanted, Analysis] = Flights()

    @property
    def size(self) -> int:
        """Entries in this process."""
        return len(self._hot)

    @property
    def evictions(self) -> int:
        return self._hot.evictions

    @property
    def counts(self) -> dict[str, int]:
        return self._counts.so_far() | {"evictions": self.evictions}

    @property
    def degraded(self) -> bool:
        """Whether a layer that should be there is away. The shared one is asked."""
        return (self._shared.configured and not self._shared.answers()) or not self._bulk.answers

    @property
    def trouble(self) -> str:
        """Why it is degraded, in words for everybody; empty where it is not."""
        return (self._shared.reason or self._bulk.reason) if self.degraded else ""

    def find(self, owner: str, handle: str, *, minutes: int = 0) -> Analysis | None:
        """An analysis of at least `minutes`: one of more has the same last windows."""
        if not _HANDLE.fullmatch(handle):
            return None
        entry = self._standing(Place(owner, handle), minutes)
        return None if entry is None else entry.analysis

    def find_or_compute(
        self,
        owner: str,
        handle: str,
        compute: Callable[[], Analysis],
        *,
        minutes: int,
        force: bool = False,
        cancellation: Cancellation = NEVER,
    ) -> Analysis:
        """What is known, else what `compute` makes, once for all who ask at one time. With `force` it is computed anew
        and replaces what is known. Raises Cancelled, and whatever `compute` does.
        """
        wanted = Wanted(Place(owner, handle), minutes, force)
        if force:
            return self._flights.share(wanted, lambda: self._computed(wanted, compute), cancellation)
        known = self._standing(wanted.place, minutes)
        if known is not None:
            return known.analysis
        return self._flights.share(wanted, lambda: self._computed_by_one(wanted, compute, cancellation), cancellation)

    def sweep(self) -> None:
        """Drop from memory what does not stand any more: other servers erase, too, and what is not asked for again
        would lie here until something newer needs its place.
        """
        for place in self._hot.every_place():
            self._standing(place, 0)

    def erase(self, owner: str, handle: str) -> bool:
        """Forget a trace everywhere; whether it was known. Raises Unavailable where it may still be known somewhere."""
        if not _HANDLE.fullmatch(handle):
            return False
        place = Place(owner, handle)
        self._flights.leave(lambda wanted: wanted.place == place)
        known = bool(self._hot.erase(place.__eq__))
        outcomes = [_attempt(lambda: self._shared.erase(place)), _attempt(lambda: self._bulk.erase(place))]
        self._hot.erase(place.__eq__)
        _check_all("The trace is not", outcomes)
        return known or any(outcomes)

    def flush(self) -> int:
        """Forget all traces of all owners; how many. Raises Unavailable where some may still be known somewhere.

        Bulk storage is emptied before and after: before, so that nobody takes from there what has no mark yet; after,
        for what a computation was storing.
        """
        self._flights.leave(lambda _: True)
        known = self._hot.erase(lambda _: True)
        layers = (self._bulk, self._shared, self._bulk)
        outcomes = [_attempt(layer.erase_all) for layer in layers]
        self._hot.erase(lambda _: True)
        _check_all("Not every trace is", outcomes)
        return len(known.union(*(outcome for outcome in outcomes if outcome is not None)))

    def info(self, owner: str) -> CacheInfo:
        """Raises Unavailable where bulk storage is away."""
        places = _attempt(lambda: self._shared.places(owner))
        size = len(self._hot.places(owner) if places is None else places)
        return CacheInfo(size, len(self._bulk.places(owner)))

    def save(self, owner: str, handle: str | None) -> int:
        """Write one or all of an owner's traces into bulk storage; how many. Raises Unavailable."""
        if not self._bulk.configured:
            return 0
        places: Iterable[Place] = self._places(owner) if handle is None else _places_of(owner, handle)
        return sum(self._saved(place) for place in places)

    def load(self, owner: str, handle: str | None) -> int:
        """Read one or all of an owner's traces from bulk storage; how many, at most as many as memory holds.

        Raises Unavailable.
        """
        places = self._bulk.places(owner, self._hot_size) if handle is None else _places_of(owner, handle)
        return sum(self._standing(place, 0, from_bulk=True) is not None for place in places)

    def figure(self, owner: str, handle: str, key: Hashable, draw: Callable[[], Figure]) -> Figure:
        """The figure of an entry that was just found, drawn only where it was not before. Nobody may write into it."""
        place = Place(owner, handle)
        with self._hot.visit(place) as visit:
            kept = self._hot.figure(place, key)
            if kept is None:
                kept = draw()
                self._hot.keep_figure(visit, key, kept)
        return kept

    def _standing(self, place: Place, minutes: int, *, from_bulk: bool = False) -> Entry | None:
        reads_bulk = self._persist or from_bulk
        with self._hot.visit(place) as visit:
            try:
                entry = self._marked(visit, reads_bulk)
            except Unavailable:
                entry = self._unmarked(visit, reads_bulk)
        return entry if entry is not None and entry.minutes >= minutes else None

    def _marked(self, visit: Visit, reads_bulk: bool) -> Entry | None:
        """Raises Unavailable."""
        place = visit.place
        mark = self._shared.mark(place)
        if mark is None and reads_bulk and self._bulk.etag(place):
            mark = self._shared.ensured_mark(place)
        entry = None
        if mark is not None and not mark.erased:
            entry = self._of_version(visit, mark, reads_bulk) if mark.stands else self._adopted(visit, mark, reads_bulk)
        if entry is not None:
            return entry
        if mark is not None and mark.stands and self._shared.mark(place) != mark:
            return self._marked(visit, reads_bulk)  # replaced while we looked for it
        self._hot.forget(place)
        return None

    def _of_version(self, visit: Visit, mark: Mark, reads_bulk: bool) -> Entry | None:
        held = self._hot.get(visit.place)
        if held is not None and held.entry.version == mark.version:
            self._counts.count("hot_hits")
            return held.entry
        self._counts.count("hot_misses")
        entry = self._shared.entry(visit.place, mark.version)
        if entry is not None:
            self._counts.count("shared_hits")
            self._hot.keep(visit, entry, None)
            return entry
        self._counts.count("shared_misses")
        entry = self._bulk.get(visit.place) if reads_bulk else None
        if entry is None or entry.version != mark.version:
            return None
        self._share(visit, entry, mark)
        return entry

    def _adopted(self, visit: Visit, mark: Mark, reads_bulk: bool) -> Entry | None:
        """What bulk storage has of a place that the shared layer has forgotten. The mark is older than this look: an
        erasure after it is seen by its change, one before it has left nothing to be found.
        """
        entry = self._bulk.get(visit.place) if reads_bulk else None
        if entry is None:
            return None
        new = Mark(mark.epoch, entry.version, entry.minutes)
        if not self._shared.replace_mark(visit.place, mark, new) and self._shared.mark(visit.place) != new:
            return None
        self._share(visit, entry, new)
        return entry

    def _share(self, visit: Visit, entry: Entry, mark: Mark) -> None:
        self._shared.put(visit.place, entry)
        if self._shared.mark(visit.place) == mark:
            self._hot.keep(visit, entry, None)
        else:
            self._counts.count("taken_back")
            self._shared.take_back(visit.place, entry.version)

    def _unmarked(self, visit: Visit, reads_bulk: bool) -> Entry | None:
        held, proof = self._hot.get(visit.place), self._proof(visit.place)
        if proof is None:
            if self._bulk.answers:
                self._hot.forget(visit.place)
            return None
        if held is not None and held.proof == proof:
            self._counts.count("hot_hits")
            return held.entry
        self._counts.count("hot_misses")
        entry = self._bulk.get(visit.place) if reads_bulk else None
        if entry is not None:
            self._hot.keep(visit, entry, proof)
        return entry

    def _proof(self, place: Place) -> Proof | None:
        """What holds as long as an entry does, where no mark can be asked for; None where nothing can be proved."""
        if not self._persist:
            return self._fences(place)
        etag = self._bulk.etag(place)
        return None if etag is None else (etag,)

    def _fences(self, place: Place) -> Proof | None:
        """Without bulk storage only what was computed in this very outage of the shared layer can be believed."""
        if self._bulk.configured:
            return self._bulk.fences(place)
        return (str(self._shared.outages),) if self._shared.configured else ()

    def _computed_by_one(self, wanted: Wanted, compute: Callable[[], Analysis], cancellation: Cancellation) -> Analysis:
        """By one of all servers; the others wait."""
        while (claim := self._shared.claim(wanted.place, wanted.minutes)) is None:
            self._shared.wait_for_claim(wanted.place, wanted.minutes, cancellation)
            known = self._standing(wanted.place, wanted.minutes)
            if known is not None:
                return known.analysis
        with claim:
            return self._computed(wanted, compute)

    def _computed(self, wanted: Wanted, compute: Callable[[], Analysis]) -> Analysis:
        """Looks once more what is known: the ticket is older than that, so whatever comes later will be noticed."""
        with self._hot.visit(wanted.place) as visit:
            ticket = self._ticket(visit)
            known = None if wanted.force else self._standing(wanted.place, wanted.minutes)
            if known is not None:
                return known.analysis
            analysis = compute()
            self._counts.count("computed")
            entry = Entry(analysis, new_id(), self._clock.now() + self._kept)
            if self._stored(ticket, entry, force=wanted.force):
                self._counts.count("stored")
        return analysis

    def _ticket(self, visit: Visit) -> Ticket:
        try:
            return Ticket(visit, self._shared.ensured_mark(visit.place), None)
        except Unavailable:
            return Ticket(visit, None, self._fences(visit.place))

    def _stored(self, ticket: Ticket, entry: Entry, *, force: bool) -> bool:
        if ticket.mark is not None:
            return self._stored_by_mark(ticket.visit, ticket.mark, entry, force=force)
        return ticket.fences is not None and self._stored_by_fences(ticket.visit, ticket.fences, entry, force=force)

    def _stored_by_mark(self, visit: Visit, seen: Mark, entry: Entry, *, force: bool) -> bool:
        mark = Mark(seen.epoch, entry.version, entry.minutes)
        try:
            self._shared.put(visit.place, entry)
            stands = self._shared.take_over(visit.place, seen, mark, force=force)
            if stands and self._persist:
                self._bulk.try_put(visit.place, entry)
                stands = self._shared.mark(visit.place) == mark  # what was put after an erasure must go again
        except Unavailable:
            stands = False
        if stands:
            self._hot.keep(visit, entry, None)
        else:
            self._take_back(visit.place, entry)
        return stands

    def _stored_by_fences(self, visit: Visit, fences: Proof, entry: Entry, *, force: bool) -> bool:
        known = None if force else self._unmarked(visit, self._persist)
        if known is not None and known.minutes >= entry.minutes:
            return False
        if self._persist:
            self._bulk.try_put(visit.place, entry)
        if self._fences(visit.place) != fences:
            self._take_back(visit.place, entry)
            return False
        self._hot.keep(visit, entry, self._proof(visit.place))
        return True

    def _take_back(self, place: Place, entry: Entry) -> None:
        self._counts.count("taken_back")
        self._bulk.take_back(place, entry.version)
        _attempt(lambda: self._shared.take_back(place, entry.version))

    def _saved(self, place: Place) -> bool:
        """Raises Unavailable."""
        fences = self._fences(place)
        entry = self._standing(place, 0)
        if entry is None:
            return False
        self._bulk.put(place, entry)
        if not self._still_stands(place, entry, fences):
            self._take_back(place, entry)
            return False
        return True

    def _still_stands(self, place: Place, entry: Entry, fences: Proof | None) -> bool:
        try:
            mark = self._shared.mark(place)
        except Unavailable:
            return fences is not None and self._fences(place) == fences
        return mark is not None and mark.version == entry.version

    def _places(self, owner: str) -> set[Place]:
        return self._hot.places(owner) | (_attempt(lambda: self._shared.places(owner)) or set())


def _places_of(owner: str, handle: str) -> list[Place]:
    return [Place(owner, handle)] if _HANDLE.fullmatch(handle) else []


def _attempt(action: Callable[[], T]) -> T | None:
    """None where what it needs is away."""
    try:
        return action()
    except Unavailable:
        return None


def _check_all(what: str, outcomes: Sequence[object]) -> None:
    if any(outcome is None for outcome in outcomes):
        raise Unavailable(f"{what} erased everywhere yet: a store does not answer now. Send the request again soon.")
