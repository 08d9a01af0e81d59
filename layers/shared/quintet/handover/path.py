"""How a UE moves, from its last positions (m, s, rad).

Positions come in degrees or in metres of a local plane, under the same names. They are taken for degrees where all of
them could be degrees and the path is slower than a thousandth of a unit a second: as metres that would be a UE that
stands, as degrees it is any up to 111 m/s. Only differences of positions are used, so a place has no meaning of its
own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from quintet.handover.sights import Sight

METRES_A_DEGREE = 111_195.0
"""On a sphere of 6,371 km."""

_SLOWEST = 1e-3
_SHORTEST = 0.05
"""A shorter step (m) is noise and has no heading."""

AT_ONCE = 1e-3
"""Sights that follow so fast (s) are one place."""


@dataclass(frozen=True, slots=True)
class Step:
    """east, north: metres; seconds: > 0."""

    east: float
    north: float
    seconds: float

    @property
    def length(self) -> float:
        return math.hypot(self.east, self.north)

    @property
    def heading(self) -> float:
        return math.atan2(self.north, self.east)


def in_degrees(sights: Sequence[Sight]) -> bool:
    """
    >>> in_degrees([_at(0, 51.8977, -8.4993), _at(1, 51.8978, -8.4991)])
    True
    >>> in_degrees([_at(0, -22.3, -53.7), _at(1, -21.1, -53.9)])
    False
    """
    placed = [(sight.at, sight.x, sight.y) for sight in sights if sight.x is not None and sight.y is not None]
    if any(abs(x) > 90 or abs(y) > 180 for _, x, y in placed):
        return False
    length = sum(math.hypot(new[1] - old[1], new[2] - old[2]) for old, new in pairwise(placed))
    return not placed or length < _SLOWEST * max(1.0, placed[-1][0] - placed[0][0])


def steps(sights: Sequence[Sight]) -> list[Step]:
    """The steps between sights that have a position and a time of their own, oldest first."""
    return _steps(sights, in_degrees(sights))


def _steps(sights: Sequence[Sight], degrees: bool) -> list[Step]:
    placed = [(sight.at, sight.x, sight.y) for sight in sights if sight.x is not None and sight.y is not None]
    return [_step(old, new, degrees) for old, new in pairwise(placed) if new[0] - old[0] >= AT_ONCE]


def speed(path: Sequence[Step]) -> float | None:
    """Of the last step, m/s."""
    return path[-1].length / path[-1].seconds if path else None


def paces(sights: Sequence[Sight]) -> list[float]:
    """m/s at each sight: as it was sent, else from the positions of this one and the one before; else 0."""
    walked = [0.0, *((speed(_steps(pair, in_degrees(sights))) or 0.0) for pair in pairwise(sights))]
    return [known if sight.pace is None else sight.pace for sight, known in zip(sights, walked, strict=True)]


def heading_change_rate(path: Sequence[Step]) -> float:
    """rad/s, never negative: the turn between the last two steps that have a heading."""
    turns = _turns(path)
    return turns[-1][0] / turns[-1][2] if turns else 0.0


def curvature(path: Sequence[Step]) -> float:
    """1/m: all turns of the path over its length."""
    turns = _turns(path)
    length = sum(length for _, length, _ in turns)
    return sum(turn for turn, _, _ in turns) / length if length > 0 else 0.0


def _turns(path: Sequence[Step]) -> list[tuple[float, float, float]]:
    """(radians, metres, seconds) from each step to the next."""
    moved = [step for step in path if step.length >= _SHORTEST]
    return [
        (
            abs(math.remainder(new.heading - old.heading, math.tau)),
            (old.length + new.length) / 2,
            (old.seconds + new.seconds) / 2,
        )
        for old, new in pairwise(moved)
    ]


def _step(old: tuple[float, float, float], new: tuple[float, float, float], degrees: bool) -> Step:
    first, second, seconds = new[1] - old[1], new[2] - old[2], new[0] - old[0]
    if not degrees:
        return Step(first, second, seconds)
    return Step(second * METRES_A_DEGREE * math.cos(math.radians(old[1])), first * METRES_A_DEGREE, seconds)


def _at(at: float, x: float, y: float) -> Sight:
    return Sight(at, x, y, None, ())
