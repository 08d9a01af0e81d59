"""The cache's layer that all servers share (Redis): marks, entries, and who computes what.

glucose:1:mark:OWNER:HANDLE             the Mark: which version stands
glucose:1:entry:OWNER:HANDLE            the Entry
glucose:1:claim:OWNER:HANDLE:MINUTES    somebody computes it right now
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TypeVar

from quintet.glucose.breaker import Breaker
from quintet.glucose.cache_counts import CacheCounts
from quintet.glucose.cache_entry import Entry, Mark, Place, erasure, first_mark
from quintet.glucose.errors import MalformedData
from quintet.glucose.ports import Shared
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import new_id

T = TypeVar("T")

LONGEST_COMPUTATION = timedelta(hours=3)
"""An erasure is remembered for at least as long as anything may still be under way from before it."""

CLAIM_SECONDS = 15
"""How long others wait for somebody who died."""

LOOK_AGAIN = 0.02

_MARK, _ENTRY, _CLAIM = "glucose:1:mark:", "glucose:1:entry:", "glucose:1:claim:"


class SharedEntries:
    """Everything raises Unavailable, also where there is none (`shared` is None)."""

    def __init__(self, shared: Shared | None, kept: timedelta, clock: Clock, counts: CacheCounts) -> None:
        self.configured = shared is not None
        self._shared = shared
        self._clock = clock
        self._counts = counts
        self._kept = max(1, int(kept.total_seconds()))
        self._remembered = int(max(kept, LONGEST_COMPUTATION).total_seconds())
        self._breaker = Breaker(clock)

    @property
    def outages(self) -> int:
        return self._breaker.outages

    @property
    def reason(self) -> str:
        return self._breaker.reason

    def answers(self) -> bool:
        try:
            self._ask(lambda shared: shared.get("glucose:1:anybody"))
        except Unavailable:
            return False
        return True

    def mark(self, place: Place) -> Mark | None:
        content = self._ask(lambda shared: shared.get(_key(_MARK, place)))
        return None if content is None else Mark.from_bytes(content)

    def ensured_mark(self, place: Place) -> Mark:
        """The mark of a place; a first one where there was none."""
        mark = self.mark(place)
        if mark is None:
            first = first_mark()
            self._ask(lambda shared: shared.add(_key(_MARK, place), first.to_bytes(), seconds=self._remembered))
            mark = self.mark(place)
        if mark is None:
            raise Unavailable("the cache forgets at once")
        return mark

    def replace_mark(self, place: Place, seen: Mark, new: Mark) -> bool:
        key, value, expect = _key(_MARK, place), new.to_bytes(), seen.to_bytes()
        return self._ask(lambda shared: shared.replace(key, value, expect=expect, seconds=self._kept))

    def take_over(self, place: Place, seen: Mark, new: Mark, *, force: bool) -> bool:
        """Make `new` the mark; False where the place was erased since `seen`, or as much is known of it already."""
        while not self.replace_mark(place, seen, new):
            now = self.mark(place)
            if now is None or now.epoch != seen.epoch or now == seen:
                return False
            if now.minutes >= new.minutes and not force:
                return False
            seen = now
        if seen.stands:
            self.take_back(place, seen.version)
        return True

    def entry(self, place: Place, version: str) -> Entry | None:
        key = _entry_key(place, version)
        content = self._ask(lambda shared: shared.get(key))
        if content is None:
            return None
        try:
            return Entry.from_bytes(content)
        except MalformedData:
            self._counts.count("damaged")
            self._ask(lambda shared: shared.delete(key))
            return None

    def put(self, place: Place, entry: Entry) -> None:
        left = (entry.expires_at - self._clock.now()).total_seconds()
        if left > 0:
            key, content = _entry_key(place, entry.version), entry.to_bytes()
            self._ask(lambda shared: shared.set(key, content, seconds=max(1, int(left))))

    def take_back(self, place: Place, version: str) -> None:
        self._ask(lambda shared: shared.delete(_entry_key(place, version)))

    def erase(self, place: Place) -> bool:
        """Whether something stood there."""
        if not self.configured:
            return False
        self._forbid(place)
        return bool(self._delete_entries(f"{_key(_ENTRY, place)}:"))

    def erase_all(self) -> set[Place]:
        """The places that had an entry."""
        if not self.configured:
            return set()
        for key in self._keys(_MARK, insist=True):
            self._forbid(_place(key))
        return set(map(_place, self._delete_entries(_ENTRY)))

    def places(self, owner: str) -> set[Place]:
        """Where there is an entry."""
        return set(map(_place, self._keys(f"{_ENTRY}{owner}:", insist=False)))

    def claim(self, place: Place, minutes: int) -> "Claim | None":
        """The right to compute; None where somebody else has it. Without anything shared everybody has."""
        claim = Claim(f"{_key(_CLAIM, place)}:{minutes}", self._ask)
        try:
            return claim if claim.taken() else None
        except Unavailable:
            return claim

    def wait_for_claim(self, place: Place, minutes: int, cancellation: Cancellation) -> None:
        """Until nobody has the right to compute any more. Raises Cancelled."""
        key, cancelled = f"{_key(_CLAIM, place)}:{minutes}", Event()
        forget = cancellation.on_cancel(cancelled.set)
        try:
            while not cancelled.wait(LOOK_AGAIN) and self._ask(lambda shared: shared.get(key)) is not None:
                continue
        except Unavailable:
            return
        finally:
            forget()
        cancellation.check()

    def _forbid(self, place: Place) -> None:
        gone = erasure().to_bytes()
        self._ask(lambda shared: shared.set(_key(_MARK, place), gone, seconds=self._remembered), insist=True)

    def _delete_entries(self, prefix: str) -> list[str]:
        """Also those that nobody knows of any more."""
        keys = self._keys(prefix, insist=True)
        for key in keys:
            self._ask(partial(_delete, key), insist=True)
        return keys

    def _keys(self, prefix: str, *, insist: bool) -> list[str]:
        return self._ask(lambda shared: shared.keys(prefix), insist=insist)

    def _ask(self, question: Callable[[Shared], T], *, insist: bool = False) -> T:
        shared = self._shared
        if shared is None:
            raise Unavailable("there is no shared cache")
        return self._breaker.ask(lambda: question(shared), insist=insist)


class Claim:
    """Leaving its block gives it back; what can't be given back ends by itself."""

    def __init__(self, key: str, ask: Callable[[Callable[[Shared], object]], object]) -> None:
        self._key = key
        self._ask = ask
        self._mine = new_id().encode()

    def taken(self) -> bool:
        return bool(self._ask(lambda shared: shared.add(self._key, self._mine, seconds=CLAIM_SECONDS)))

    def __enter__(self) -> None:
        """It was taken before."""

    def __exit__(self, *_: object) -> None:
        try:
            if self._ask(lambda shared: shared.get(self._key)) == self._mine:
                self._ask(lambda shared: shared.delete(self._key))
        except Unavailable:
            return


def _delete(key: str, shared: Shared) -> None:
    shared.delete(key)


def _key(kind: str, place: Place) -> str:
    return f"{kind}{place.owner}:{place.handle}"


def _entry_key(place: Place, version: str) -> str:
    return f"{_key(_ENTRY, place)}:{version}"


def _place(key: str) -> Place:
    owner, handle = key.split(":")[3:5]
    return Place(owner, handle)
