"""The map of coverage: a grid over the antennas, how strong the strongest is, and which one the model would choose.

What is heard at a point follows radio_model.py with its averages: path loss as likely in sight as TR 38.901 says, no
shadowing, all cells equally loaded. So the map is the same for the same model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quintet.handover.history import EMPTY
from quintet.handover.radio_model import (
    NOISE_DBM,
    PER_BLOCK,
    SUBCARRIERS,
    Radio,
    chance_of_sight,
    decibels,
    path_loss,
    watts,
)
from quintet.handover.sights import Candidate, Look, Sight
from quintet.kernel.errors import InvalidInput

Floats = NDArray[np.float64]

SIDE = 50
"""Points along each side of the grid."""
MARGIN = 0.1
"""Share of the antennas' spread that the map shows beyond them."""
LEAST_MARGIN = 100.0
"""m."""
LOAD = 0.5


@dataclass(frozen=True)
class Antenna:
    """At x, y in m."""

    cell: str
    x: float
    y: float


@dataclass(frozen=True)
class Grid:
    """What is heard of C antennas at SIDE × SIDE points, row by row from below.

    xs, ys: (SIDE,) in m; rsrp, sinr, rsrq: (SIDE², C) in dBm, dB and dB.
    """

    antennas: tuple[Antenna, ...]
    xs: Floats
    ys: Floats
    rsrp: Floats
    sinr: Floats
    rsrq: Floats

    def looks(self) -> list[Look]:
        """At each point a phone that has just come, so that no antenna serves it yet."""
        return [
            Look(Sight(0.0, float(x), float(y), None, self._candidates(number)), EMPTY)
            for number, (x, y) in enumerate(_points(self.xs, self.ys))
        ]

    def coverage(self, scores: Sequence[Floats]) -> "Coverage":
        """`scores`: of each look a number for every antenna, in their order."""
        chosen = np.array([int(np.argmax(one)) for one in scores], dtype=np.int64)
        grid = (SIDE, SIDE)
        strongest, rsrp = self.rsrp.argmax(axis=1).reshape(grid), self.rsrp.max(axis=1).reshape(grid)
        return Coverage(self.antennas, self.xs, self.ys, chosen.reshape(grid), strongest, rsrp)

    def _candidates(self, number: int) -> tuple[Candidate, ...]:
        levels = zip(self.antennas, self.rsrp[number], self.sinr[number], self.rsrq[number], strict=True)
        return tuple(Candidate(one.cell, float(a), float(b), float(c), LOAD) for one, a, b, c in levels)


@dataclass(frozen=True)
class Coverage:
    """Over the points of a grid: the numbers of the antennas that are chosen and that are strongest, (SIDE, SIDE).

    xs, ys: (SIDE,) in m; rsrp: (SIDE, SIDE) of the strongest, dBm.
    """

    antennas: tuple[Antenna, ...]
    xs: Floats
    ys: Floats
    chosen: NDArray[np.int64]
    strongest: NDArray[np.int64]
    rsrp: Floats

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) of the points' pixels, m."""
        half_x, half_y = (self.xs[1] - self.xs[0]) / 2, (self.ys[1] - self.ys[0]) / 2
        left, right = self.xs[0] - half_x, self.xs[-1] + half_x
        return float(left), float(right), float(self.ys[0] - half_y), float(self.ys[-1] + half_y)


def antennas_of(text: str) -> tuple[Antenna, ...]:
    """Raises InvalidInput.

    >>> antennas_of("antenna_1=0:0, antenna_2=1000:-20.5")[1]
    Antenna(cell='antenna_2', x=1000.0, y=-20.5)
    """
    found = [_antenna(part.strip()) for part in text.split(",") if part.strip()]
    if len({antenna.cell for antenna in found}) != len(found) or not found:
        raise InvalidInput("the map needs antennas, each with a name of its own: name=x:y, with commas between")
    return tuple(found)


def _antenna(text: str) -> Antenna:
    cell, _, place = text.rpartition("=")
    x, _, y = place.partition(":")
    try:
        antenna = Antenna(cell.strip(), float(x), float(y))
    except ValueError:
        raise InvalidInput(f"{text!r} is no antenna: name=x:y, in metres") from None
    if not antenna.cell or not np.isfinite([antenna.x, antenna.y]).all():
        raise InvalidInput(f"{text!r} is no antenna: name=x:y, in metres")
    return antenna


def grid_of(antennas: Sequence[Antenna], radio: Radio | None = None) -> Grid:
    """Around `antennas`, which are put in the order of their names."""
    ordered = tuple(sorted(antennas, key=lambda antenna: antenna.cell))
    xs, ys = _axis([one.x for one in ordered]), _axis([one.y for one in ordered])
    return Grid(ordered, xs, ys, *heard(_points(xs, ys), ordered, radio or Radio()))


def heard(points: Floats, antennas: Sequence[Antenna], radio: Radio) -> tuple[Floats, Floats, Floats]:
    """RSRP (dBm), SINR and RSRQ (dB) of every antenna (N, C) at `points` (N, 2) in m."""
    places = np.array([(antenna.x, antenna.y) for antenna in antennas])
    ground = np.linalg.norm(points[:, None, :] - places[None, :, :], axis=2)
    sight = chance_of_sight(ground, radio)
    loss = sight * path_loss(ground, radio, in_sight=True) + (1 - sight) * path_loss(ground, radio, in_sight=False)
    rsrp = radio.power_dbm - 10 * np.log10(SUBCARRIERS) + radio.gain_db - loss
    power, noise = watts(rsrp), watts(np.array(NOISE_DBM))
    everything = LOAD * power.sum(axis=1, keepdims=True)
    sinr = decibels(power / (everything - LOAD * power + noise))
    rsrq = decibels(power / (PER_BLOCK * (everything + noise) + 2 * power))
    return rsrp, np.clip(sinr, -20, 40), np.clip(rsrq, -30, -3)


def _axis(places: Sequence[float]) -> Floats:
    low, high = min(places), max(places)
    margin = max(MARGIN * (high - low), LEAST_MARGIN)
    return np.linspace(low - margin, high + margin, SIDE)


def _points(xs: Floats, ys: Floats) -> Floats:
    """(SIDE², 2)."""
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
