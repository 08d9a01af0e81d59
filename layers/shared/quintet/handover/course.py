"""The last sights of a UE as tables: what it measured of each candidate at each of T moments, oldest first.

A cell that a moment does not hear has the missing values there, and counts in no trend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.handover.history import MOST_SIGHTS
from quintet.handover.sights import UNHEARD_RSRP, UNHEARD_RSRQ, UNHEARD_SINR, Look, Sight
from quintet.handover.signals import recent, rsrp

Table = NDArray[np.float64]

_sum = np.add.reduce  # as an array's own `sum`, which takes twice as long to begin
_HEARD = (1.0,)
_UNHEARD = (UNHEARD_RSRP, UNHEARD_SINR, UNHEARD_RSRQ, 0.0, 0.0)


class Trends(NamedTuple):
    """(C,) each: the slope of the least-squares line (dB/s), mean (dB) and standard deviation (dB) of these values."""

    slope: Table
    mean: Table
    deviation: Table


@dataclass(frozen=True, eq=False, slots=True)
class Course:
    """seconds: (T,) up to 0, the present; margins: RSRP over the cell that serves now; all but seconds (T, C).

    own: the trends of the candidates' RSRP; relative: those of their margins.
    """

    sights: list[Sight]
    seconds: Table
    rsrp: Table
    sinr: Table
    rsrq: Table
    load: Table
    heard: Table
    margins: Table
    own: Trends
    relative: Trends

    def above(self, hysteresis: float) -> Table:
        """(C,) for how long (s) each candidate has been above the serving cell by more than that, in dB."""
        return running(self.seconds, (self.margins > hysteresis) & (self.heard > 0))


def course(look: Look) -> Course:
    """Of all that is remembered, made once a look."""
    if "course" not in look.worked_out:
        look.worked_out["course"] = _course(look)
    made: Course = look.worked_out["course"]
    return made


def trends(seconds: Table, values: Table, heard: Table) -> Trends:
    """Of (T, C) values where `heard` is 1; the present moment hears every candidate. 0 where there is no line. Of
    several such tables, (N, T, C), at once: tables as small as these cost by the operation.

    >>> trends(np.array([-2.0, -1.0, 0.0]), np.array([[1.0], [9.0], [5.0]]), np.array([[1.0], [0.0], [1.0]])).slope
    array([2.])
    """
    counts = _sum(heard, 0)
    mean = _sum(values * heard, -2) / counts
    levels = (values - mean[..., None, :]) * heard
    times = (seconds[:, None] - (seconds @ heard) / counts) * heard
    spread = _sum(times * times, 0)
    slope = np.where(spread > 1e-6, _sum(times * levels, -2) / np.maximum(spread, 1e-6), 0.0)
    return Trends(slope, mean, np.sqrt(_sum(levels * levels, -2) / counts))


def running(seconds: Table, holds: NDArray[np.bool_]) -> Table:
    """(C,) for how long (s) each of (T, C) has held without a break up to now; 0 where it has just begun or not.

    >>> running(np.array([-2.0, -1.0, 0.0]), np.array([[True, False], [True, True], [True, True]]))
    array([2., 1.])
    """
    moments = _sum(np.logical_and.accumulate(holds[::-1]), 0)
    return np.where(moments > 0, -seconds[len(seconds) - np.maximum(moments, 1)], 0.0)


def _course(look: Look) -> Course:
    sights = recent(look, MOST_SIGHTS + 1)
    cells = [candidate.cell for candidate in look.sight.candidates]
    table = np.array([_moment(sight, cells) for sight in sights], np.float64)
    seconds = np.array([sight.at - look.sight.at for sight in sights])
    powers, ratios, qualities, loads, heard = table.transpose(2, 0, 1)
    margins = powers - _servings(look.sight.serving, sights, cells, powers)
    own, relative = map(Trends._make, zip(*trends(seconds, np.array((powers, margins)), heard), strict=True))
    return Course(sights, seconds, powers, ratios, qualities, loads, heard, margins, own, relative)


def _servings(serving: str | None, sights: Sequence[Sight], cells: Sequence[str], powers: Table) -> Table:
    """(T, 1): the RSRP of the cell that serves now, at each moment."""
    if serving in cells:
        at = cells.index(serving)
        return powers[:, at : at + 1]
    return np.array([[rsrp(sight, serving)] for sight in sights])


def _moment(sight: Sight, cells: Sequence[str]) -> list[tuple[float, ...]]:
    found = {candidate[0]: candidate[1:] + _HEARD for candidate in sight.candidates}
    return [found.get(cell, _UNHEARD) for cell in cells]
