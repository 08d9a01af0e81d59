"""The way of one UE: where which cell served it, and where it was handed over.

Positions are drawn as they come: degrees with the longitude to the right, metres of a local plane with the field
`latitude` to the right, which is what the original's plane calls x.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from quintet.handover.messages import TrajectoryPoint
from quintet.handover.path import in_degrees
from quintet.handover.sights import Sight


@dataclass(frozen=True)
class Leg:
    """Points from the first that `cell` serves to the first that it no longer does. cell: None where none is named."""

    cell: str | None
    first: int
    last: int


@dataclass(frozen=True)
class Trajectory:
    """points: (N, 2), x to the right and y upwards, in degrees or in m; handovers: where a new cell begins."""

    points: NDArray[np.float64]
    degrees: bool
    legs: tuple[Leg, ...]
    handovers: tuple[int, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """Those that served, the longest first."""
        served: dict[str, int] = {}
        for leg in self.legs:
            if leg.cell is not None:
                served[leg.cell] = served.get(leg.cell, 0) + leg.last - leg.first
        return tuple(sorted(served, key=lambda cell: (-served[cell], cell)))

    @property
    def stretch(self) -> float:
        """Of y over x, so that ways are as long on the picture as they are; degrees of longitude are shorter."""
        if not self.degrees:
            return 1.0
        return 1 / max(math.cos(math.radians(float(self.points[:, 1].mean()))), 0.05)


def trajectory(points: Sequence[TrajectoryPoint]) -> Trajectory:
    """
    >>> way = trajectory([_point(0, 0, "a"), _point(300, 0, "a"), _point(600, 9, "b")])
    >>> way.legs, way.handovers
    ((Leg(cell='a', first=0, last=2), Leg(cell='b', first=2, last=2)), (2,))
    """
    degrees = in_degrees([Sight(float(at), one.latitude, one.longitude, None, ()) for at, one in enumerate(points)])
    legs = _legs([one.connected_to for one in points])
    turned = [new.first for old, new in pairwise(legs) if None not in (old.cell, new.cell)]
    placed = [(one.longitude, one.latitude) if degrees else (one.latitude, one.longitude) for one in points]
    return Trajectory(np.array(placed, dtype=np.float64), degrees, tuple(legs), tuple(turned))


def _legs(cells: Sequence[str | None]) -> list[Leg]:
    legs, first = [], 0
    for cell, same in groupby(cells):
        after = first + len(list(same))
        legs.append(Leg(cell, first, min(after, len(cells) - 1)))
        first = after
    return legs


def _point(latitude: float, longitude: float, cell: str) -> TrajectoryPoint:
    return TrajectoryPoint(latitude=latitude, longitude=longitude, connected_to=cell)
