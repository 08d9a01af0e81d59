"""Trails: what something that moves leaves behind, for a while and for so many of them at most.

A trail is a few last entries, the places it came through and one note; all are texts that only the room understands.
Adapters play `Trails`; tests/contract holds them to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept: `trails` of which each has `entries` and `places` at most, `seconds` after the last entry.

    Of more trails those go whose last entry is the oldest.
    """

    trails: int
    seconds: float
    entries: int
    places: int = 1


class Place(NamedTuple):
    """`name` says whether it is the same place as the last one; `text` is kept with it when it is another."""

    name: str
    text: str = ""


class Trail(NamedTuple):
    """Entries and places, oldest first."""

    entries: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    note: str | None = None


class Trails(Protocol):
    """All raise Unavailable."""

    def read(self, names: Sequence[str]) -> list[Trail]:
        """In their order; an empty one where there is none. One round trip."""
        ...

    def append(self, name: str, entry: str, place: Place | None = None) -> Trail:
        """Answers the entries before this one, and the places up to this one. One step, and one round trip.

        An entry that is the very last one again is not kept twice, nor is it among those before: a caller who lost an
        answer may ask anew.
        """
        ...

    def note(self, name: str, text: str) -> None:
        """In the place of the last one; forgotten with the trail, and not kept where there is none."""
        ...


def place_text(place: Place) -> str:
    """One text of which `place_of` makes the place again, and which begins with `place_mark` of its name.

    >>> place_text(Place("cell 7", "at noon"))
    '6:cell 7at noon'
    """
    return place_mark(place.name) + place.text


def place_mark(name: str) -> str:
    """No other name has a mark that begins so."""
    return f"{len(name.encode())}:{name}"


def place_of(text: str) -> Place:
    """
    >>> place_of('6:cell 7at noon')
    Place(name='cell 7', text='at noon')
    """
    size, _, rest = text.partition(":")
    encoded = rest.encode()
    return Place(encoded[: int(size)].decode(), encoded[int(size) :].decode())
