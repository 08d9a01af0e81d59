"""Drives with one neighbour, replayed by a policy: when does it go over, how often in vain, how late?

The traces (see quintet.cli.handover_drives) tell at each second what the phone measured of its serving cell and of one
neighbour, not which cell that is. So a policy has two cells to choose among: the one that served, and `neighbour`. It
is played with a serving cell of its own: it may go over to the neighbour before the network did, and back. Where the
network changed cells, the policy's phone goes along: early if the policy had gone over already, late if it had not.
What would have become of a phone that went elsewhere, no trace can tell.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from quintet.cli.handover_drives import NEIGHBOUR, read_drive
from quintet.handover.circumstances import completed
from quintet.handover.examples import Example
from quintet.handover.history import MOST_SIGHTS, MOST_STAYS, Stay, history_of
from quintet.handover.messages import PredictionRequest
from quintet.handover.sights import Look, Sight, sight_of

HORIZON_S = 3.0
"""A look's right answer is the neighbour where the network changes cells within so many seconds."""

CALM_S = 10.0
"""No change within so many seconds before and after: there a policy has nothing to do."""

GAP_S = 3.0
"""A longer silence ends a stretch: nothing is known across it."""

SERVED = "served"
"""The name that the serving cell gets, whatever its own: a policy learns about drives, and not about places."""

PING_PONG_S = 10.0

Policy = Callable[[Look], bool]
"""Whether to leave the cell that serves for the other one."""


@dataclass(frozen=True)
class Stretch:
    """Seconds of one drive without a gap: its sights, and the places at which another cell serves than before."""

    name: str
    sights: tuple[Sight, ...]
    changes: tuple[int, ...]


@dataclass(frozen=True)
class Played:
    """What became of a policy. `early` and `late` are the network's changes, before which it had gone over or not."""

    seconds: float
    handovers: int
    ping_pongs: int
    early: int
    late: int

    def __add__(self, other: "Played") -> "Played":
        return Played(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def dwell(self) -> float:
        """Seconds at a cell."""
        return self.seconds / max(1, self.handovers)

    @property
    def ping_pong_rate(self) -> float:
        return self.ping_pongs / max(1, self.handovers)

    @property
    def late_rate(self) -> float:
        return self.late / max(1, self.early + self.late)


NOTHING = Played(0, 0, 0, 0, 0)


def read_drives(folder: Path) -> dict[str, list[Stretch]]:
    """By drive, those in LTE and 5G that moved."""
    return {file.stem: list(stretches(file)) for file in sorted(folder.rglob("Driving/**/*.csv"))}


def stretches(file: Path) -> Iterator[Stretch]:
    sights = [sight_of(PredictionRequest(ue_id=file.stem, **one.request), one.at) for one in read_drive(file)]
    ends = [place for place, (one, other) in enumerate(pairwise(sights), 1) if other.at - one.at > GAP_S]
    for start, end in pairwise([0, *ends, len(sights)]):
        part = sights[start:end]
        changes = [place for place, (one, other) in enumerate(pairwise(part), 1) if one.serving != other.serving]
        if len(part) > MOST_SIGHTS:
            yield Stretch(f"{file.stem}/{start}", tuple(map(anonymous, part)), tuple(changes))


def anonymous(sight: Sight) -> Sight:
    cells = tuple(one._replace(cell=SERVED if one.cell == sight.serving else one.cell) for one in sight.candidates)
    return replace(sight, serving=SERVED, candidates=tuple(sorted(cells, key=lambda one: one.cell)))


def looks(stretch: Stretch) -> Iterator[tuple[int, Look]]:
    """Those at which there is something to choose. A history ends where the network changed: the names start anew."""
    before: deque[Sight] = deque(maxlen=MOST_SIGHTS)
    changes = set(stretch.changes)
    for place, sight in enumerate(stretch.sights):
        if place in changes:
            before.clear()
        if sight.heard(NEIGHBOUR) and sight.heard(SERVED):
            yield place, completed(Look(sight, history_of(before, [])))
        before.append(sight)


def until_change(stretch: Stretch, place: int) -> float:
    """Seconds, infinite where none comes."""
    at = stretch.sights[place].at
    return min((stretch.sights[one].at - at for one in stretch.changes if one > place), default=float("inf"))


def is_calm(stretch: Stretch, place: int) -> bool:
    at = stretch.sights[place].at
    return all(abs(stretch.sights[one].at - at) > CALM_S for one in stretch.changes)


def examples(stretch: Stretch) -> Iterator[Example]:
    for place, look in looks(stretch):
        right = NEIGHBOUR if until_change(stretch, place) <= HORIZON_S else SERVED
        cells = [one.cell for one in look.sight.candidates]
        yield Example(look, cells.index(right), ue=stretch.name)


def played(stretch: Stretch, policy: Policy) -> Played:
    """The drive with a serving cell of the policy's own."""
    serving, left_at, changes = SERVED, float("-inf"), set(stretch.changes)
    before: deque[Sight] = deque(maxlen=MOST_SIGHTS)
    stays: deque[Stay] = deque([Stay(stretch.sights[0].at, SERVED)], maxlen=MOST_STAYS)
    handovers = ping_pongs = early = late = 0
    for place, real in enumerate(stretch.sights):
        if place in changes:
            early, late = early + (serving == NEIGHBOUR), late + (serving == SERVED)
            handovers += serving == SERVED
            serving, left_at = SERVED, float("-inf")
            before.clear()
            stays = deque([Stay(real.at, SERVED)], maxlen=MOST_STAYS)
        if not (real.heard(NEIGHBOUR) and real.heard(SERVED)):
            before.append(replace(real, serving=serving))
            continue
        sight = replace(real, serving=serving)
        if policy(completed(Look(sight, history_of(before, stays)))):
            ping_pongs += real.at - left_at <= PING_PONG_S
            serving = NEIGHBOUR if serving == SERVED else SERVED
            handovers, left_at = handovers + 1, real.at
            stays.append(Stay(real.at, serving))
        before.append(sight)
    return Played(stretch.sights[-1].at - stretch.sights[0].at, handovers, ping_pongs, early, late)


def all_played(parts: Sequence[Stretch], policy: Policy) -> Played:
    return sum((played(part, policy) for part in parts), NOTHING)
