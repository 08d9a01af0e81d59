"""The cache's layer in bulk storage (S3): slow, large, and there when nothing else is.

glucose/cache/OWNER/HANDLE      the Entry
glucose/erased/OWNER/HANDLE     its last erasure: some random text
glucose/erased/all              the last time that everything was
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from quintet.glucose.breaker import Breaker
from quintet.glucose.cache_counts import CacheCounts
from quintet.glucose.cache_entry import Entry, Place
from quintet.glucose.cache_memory import Proof
from quintet.glucose.errors import MalformedData
from quintet.glucose.ports import Bulk
from quintet.kernel.clock import Clock
from quintet.kernel.errors import NotFound, Unavailable
from quintet.kernel.ids import new_id

T = TypeVar("T")

MOST = 100_000
"""Entries of one owner that are counted."""

AT_ONCE = 1000
DELETING = 16

_ENTRIES, _ERASED = "glucose/cache/", "glucose/erased/"
_ALL = f"{_ERASED}all"


class BulkEntries:
    """Without one (`bulk` is None) nothing is there and nothing is kept. Where it is away, what reads finds nothing;
    what erases or lists raises Unavailable.
    """

    def __init__(self, bulk: Bulk | None, clock: Clock, counts: CacheCounts) -> None:
        self.configured = bulk is not None
        self._bulk = bulk
        self._clock = clock
        self._counts = counts
        self._breaker = Breaker(clock)

    @property
    def reason(self) -> str:
        return self._breaker.reason

    @property
    def answers(self) -> bool:
        """As far as is known; it is not asked."""
        return self._breaker.closed

    def get(self, place: Place) -> Entry | None:
        """What is damaged or over is none, and removed."""
        try:
            entry = self._read(self._ask(lambda bulk: bulk.get(_key(place)))[0])
            if entry is None:
                self._ask(lambda bulk: bulk.delete(_key(place)))
        except (NotFound, Unavailable):
            entry = None
        if self.configured:
            self._counts.count("bulk_misses" if entry is None else "bulk_hits")
        return entry

    def etag(self, place: Place) -> str | None:
        """None where there is no entry, or none to be had now."""
        try:
            return self._ask(lambda bulk: bulk.etag(_key(place)))
        except (NotFound, Unavailable):
            return None

    def fences(self, place: Place) -> Proof | None:
        """Others after each erasure. None where they can't be had now."""
        try:
            return self._fence(f"{_ERASED}{place.owner}/{place.handle}"), self._fence(_ALL)
        except Unavailable:
            return None

    def put(self, place: Place, entry: Entry) -> None:
        """Raises Unavailable."""
        content = entry.to_bytes()
        self._ask(lambda bulk: bulk.put(_key(place), content))

    def try_put(self, place: Place, entry: Entry) -> None:
        try:
            self.put(place, entry)
        except Unavailable:
            return

    def take_back(self, place: Place, version: str) -> None:
        entry = self.get(place)
        if entry is None or entry.version != version:
            return
        try:
            self._ask(lambda bulk: bulk.delete(_key(place)))
        except Unavailable:
            return

    def erase(self, place: Place) -> bool:
        """Whether something was there."""
        if not self.configured:
            return False
        known = self._fence(_key(place), insist=True)
        erasure = new_id().encode()
        self._ask(lambda bulk: bulk.put(f"{_ERASED}{place.owner}/{place.handle}", erasure), insist=True)
        self._ask(lambda bulk: bulk.delete(_key(place)), insist=True)
        return bool(known)

    def erase_all(self) -> set[Place]:
        """The places that had an entry."""
        if not self.configured:
            return set()
        erasure = new_id().encode()
        self._ask(lambda bulk: bulk.put(_ALL, erasure), insist=True)
        gone: set[Place] = set()
        while keys := self._keys(_ENTRIES, AT_ONCE):
            self._delete(keys)
            gone.update(map(_place, keys))
        return gone

    def places(self, owner: str, limit: int = MOST) -> list[Place]:
        return [_place(key) for key in self._keys(f"{_ENTRIES}{owner}/", limit)] if self.configured else []

    def _keys(self, prefix: str, limit: int) -> list[str]:
        return [key for key, _, _ in self._ask(lambda bulk: bulk.list(prefix, limit), insist=True)]

    def _delete(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(DELETING) as threads:
            list(threads.map(lambda key: self._ask(lambda bulk: bulk.delete(key), insist=True), keys))

    def _fence(self, key: str, *, insist: bool = False) -> str:
        try:
            return self._ask(lambda bulk: bulk.etag(key), insist=insist)
        except NotFound:
            return ""

    def _read(self, content: bytes) -> Entry | None:
        try:
            entry = Entry.from_bytes(content)
        except MalformedData:
            self._counts.count("damaged")
            return None
        if entry.expires_at <= self._clock.now():
            self._counts.count("expired")
            return None
        return entry

    def _ask(self, question: Callable[[Bulk], T], *, insist: bool = False) -> T:
        bulk = self._bulk
        if bulk is None:
            raise Unavailable("there is no bulk storage")
        return self._breaker.ask(lambda: question(bulk), insist=insist)


def _key(place: Place) -> str:
    return f"{_ENTRIES}{place.owner}/{place.handle}"


def _place(key: str) -> Place:
    return Place(*key.removeprefix(_ENTRIES).split("/", 1))
