"""What is remembered of a UE: its last sights, and the handovers that can be told from them.

A handover has happened where the UE is seen at another cell than before. An advised one that the UE has not followed
(yet) is known besides, so that the next answer need not advise anew what is still being done; it is none of those that
are counted, and is forgotten once the UE is seen elsewhere or another is advised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from quintet.handover.sights import Sight

MOST_SIGHTS = 10
MOST_STAYS = 21


class Stay(NamedTuple):
    """The UE was first seen at `cell` at this time (unix seconds)."""

    at: float
    cell: str


@dataclass(frozen=True, slots=True)
class Handover:
    """`at`: unix seconds, when the UE was first seen at the target or, where it was not yet, when it was advised."""

    at: float
    source: str
    target: str
    followed: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """sights: at most MOST_SIGHTS, oldest first, without the present one; handovers: oldest first."""

    sights: "tuple[Sight, ...]" = ()
    handovers: tuple[Handover, ...] = ()

    @property
    def done(self) -> tuple[Handover, ...]:
        """The handovers that have happened."""
        return tuple(handover for handover in self.handovers if handover.followed)

    def since_last(self, now: float) -> float | None:
        """Seconds since the last handover that happened or was advised; None where none is known."""
        return max(0.0, now - self.handovers[-1].at) if self.handovers else None

    def count(self, now: float, seconds: float = 60.0) -> int:
        """How many happened in the last seconds."""
        return sum(now - handover.at < seconds for handover in self.done)


EMPTY = History()


class Histories(Protocol):
    """Remembers UEs for a day. All of it may be lost. What is remembered at once by many is all kept."""

    def read(self, ue: str) -> History:
        """An empty one for a UE that is not known. Raises Unavailable."""
        ...

    def remember(self, ue: str, sight: "Sight") -> History:
        """Keeps the sight, and answers the sights before it and the handovers up to it, in one step.

        Raises Unavailable.
        """
        ...

    def advise(self, ue: str, handover: Handover) -> None:
        """Keeps that this handover was advised, in the place of the one before. Raises Unavailable."""
        ...


def history_of(
    sights: "Sequence[Sight]", stays: Sequence[Stay], advised: Handover | None = None, until: float = float("inf")
) -> History:
    """The history of what was kept, in whatever order it came; what is later than `until` is left out.

    >>> stays = [Stay(0.0, "a"), Stay(5.0, "b")]
    >>> history_of([], stays, Handover(6.0, "b", "c")).handovers[0]
    Handover(at=5.0, source='a', target='b', followed=True)
    >>> len(history_of([], stays, Handover(4.0, "a", "b")).handovers)  # it has been followed
    1
    """
    known = sorted((stay for stay in stays if stay.at <= until), key=lambda stay: stay.at)
    happened = [Handover(new.at, old.cell, new.cell) for old, new in pairwise(known) if old.cell != new.cell]
    seen = sorted((sight for sight in sights if sight.at <= until), key=lambda sight: sight.at)
    if advised is not None and advised.at <= until and _open(advised, known):
        happened.append(Handover(advised.at, advised.source, advised.target, followed=False))
    return History(tuple(seen[-MOST_SIGHTS:]), tuple(happened))


def _open(advised: Handover, stays: Sequence[Stay]) -> bool:
    """Whether the UE is still where it was when that was advised."""
    return bool(stays) and stays[-1].cell == advised.source and stays[-1].at <= advised.at
