"""How good forecasts were, once the hour is over. Forecasts and truth are (n, 12), mg/dL."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HORIZONS = {30: 5, 60: 11}  # minutes ahead: column

Floats = NDArray[np.float64]


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
