"""How good forecasts were, once the hour is over. Forecasts and truth are (n, 12), mg/dL."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HORIZONS = {30: 5, 60: 11}  # minutes ahead: column
LOW, HIGH = 70.0, 180.0  # mg/dL: the consensus' limits of time in range (Battelino et al., Diabetes Care 2019)
RANGES = ("<70", "70–180", ">180")
NARROWEST = 0.01  # mg/dL between two quantiles, where a density needs one

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class PointErrors(NamedTuple):
    """mg/dL, by minutes ahead."""

    rmse: dict[int, float]
    mae: dict[int, float]


class MedianErrors(NamedTuple):
    rmse: float
    mae: float


class Band(NamedTuple):
    """Share of true points inside the band, and its mean width in mg/dL."""

    coverage: float
    width: float


def point_errors(forecast: Floats, truth: Floats) -> PointErrors:
    """Root mean square and mean absolute error over all windows.

    >>> point_errors(np.full((2, 12), 103.0), np.full((2, 12), 100.0)).mae
    {30: 3.0, 60: 3.0}
    """
    error = forecast - truth
    rmse = {minutes: float(np.sqrt(np.mean(error[:, step] ** 2))) for minutes, step in HORIZONS.items()}
    mae = {minutes: float(np.mean(np.abs(error[:, step]))) for minutes, step in HORIZONS.items()}
    return PointErrors(rmse, mae)


def glucobench(forecast: Floats, truth: Floats) -> MedianErrors:
    """Root of the median window's mean square error, and the median window's mean absolute error
    (Sergazinov et al., GlucoBench, ICLR 2024).
    """
    error = forecast - truth
    windows = np.mean(error**2, axis=1), np.mean(np.abs(error), axis=1)
    return MedianErrors(float(np.sqrt(np.median(windows[0]))), float(np.median(windows[1])))


def band(low: Floats, high: Floats, truth: Floats) -> Band:
    inside = (low <= truth) & (truth <= high)
    return Band(float(inside.mean()), float((high - low).mean()))


def in_ranges(glucose: Floats) -> dict[str, Mask]:
    """Which values lie in each of RANGES; 70 and 180 themselves are in range.

    >>> {name: mask.tolist() for name, mask in in_ranges(np.array([69.0, 70.0, 181.0])).items()}
    {'<70': [True, False, False], '70–180': [False, True, False], '>180': [False, False, True]}
    """
    low, high = glucose < LOW, glucose > HIGH
    return dict(zip(RANGES, (low, ~low & ~high, high), strict=True))


def log_likelihood(quantiles: Floats, levels: Sequence[float], truth: Floats) -> float:
    """Mean log density of the true points, in nats per point with glucose in mg/dL: (n, 12, Q) against (n, 12).

    The distribution is the one that forecast.samples draws from: the normal score is linear in glucose between two
    quantiles and beyond the outermost.

    >>> normal = np.array([[[100 - 12.8155, 100, 100 + 12.8155]]])
    >>> round(log_likelihood(normal, (0.1, 0.5, 0.9), np.array([[100.0]])), 3)  # of N(100, 10) at its mean
    -3.222
    """
    scores = np.array([NormalDist().inv_cdf(level) for level in levels])
    edges = np.maximum.accumulate(quantiles + NARROWEST * np.arange(len(levels)), axis=-1)
    segment = np.clip((truth[..., None] > edges).sum(-1) - 1, 0, len(levels) - 2)[..., None]
    left, right = (np.take_along_axis(edges, segment + side, -1)[..., 0] for side in (0, 1))
    slope = (scores[segment[..., 0] + 1] - scores[segment[..., 0]]) / (right - left)
    score = scores[segment[..., 0]] + slope * (truth - left)
    return float(np.mean(np.log(slope) - score**2 / 2 - np.log(2 * np.pi) / 2))


class Alarms(NamedTuple):
    """How often an alarm was right, and how many of the cases it announced; None where there were none."""

    precision: float | None
    recall: float | None
    alarms: int
    cases: int


def alarms(raised: Mask, happened: Mask) -> Alarms:
    """
    >>> alarms(np.array([True, True, False, False]), np.array([True, False, True, False]))
    Alarms(precision=0.5, recall=0.5, alarms=2, cases=2)
    """
    right, all_raised, cases = int((raised & happened).sum()), int(raised.sum()), int(happened.sum())
    return Alarms(right / all_raised if all_raised else None, right / cases if cases else None, all_raised, cases)
