"""The hour ahead: windows of a glucose series, and what a forecast's quantiles mean.

A series is one gap-free stretch on the 5-minute grid, mg/dL, oldest first. Eight hours go into a forecast and one
hour comes out, as quantiles (12, Q): a row a step, a column a level, levels rising.
"""

from collections.abc import Sequence
from datetime import timedelta
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.errors import InvalidInput

STEP = timedelta(minutes=5)
STEPS_IN = 96
STEPS_OUT = 12
SENSOR_RANGE = (39.0, 501.0)  # "Low" of every sensor on the market, "High" of the widest (FreeStyle Libre)

Floats = NDArray[np.float64]


class TooShort(InvalidInput):
    """Fewer readings than a window needs."""


class NoSuchSample(InvalidInput):
    """A window index that the series does not have."""


class Window(NamedTuple):
    """Readings a model sees (96,) and those that followed (12,), mg/dL; `start` is the place of the first."""

    past: Floats
    future: Floats
    start: int


class Windows(NamedTuple):
    """Every window of a series, oldest first: past (n, 96), future (n, 12)."""

    past: Floats
    future: Floats


def sample_count(readings: int) -> int:
    """Windows that have their 12 true points.

    >>> sample_count(108), sample_count(288), sample_count(50)
    (1, 181, 0)
    """
    return max(0, readings - (STEPS_IN + STEPS_OUT - 1))


def window_at(series: Floats, index: int) -> Window:
    """The window `index`: 0 is the last that has its 12 true points, -1 the one before.

    Raises TooShort, or NoSuchSample where `index` is positive or reaches before the first window.

    >>> window = window_at(np.arange(288.0), -1)
    >>> float(window.past[-1]), float(window.future[0]), window.start
    (274.0, 275.0, 179)
    """
    count = sample_count(len(series))
    if not count:
        raise TooShort(f"{STEPS_IN + STEPS_OUT} readings in a row are needed, {len(series)} are there.")
    if not -count < index <= 0:
        raise NoSuchSample(f"Index {index} is not within {1 - count} … 0.")
    start = count - 1 + index
    seam = start + STEPS_IN
    return Window(series[start:seam], series[seam : seam + STEPS_OUT], start)


def latest(series: Floats) -> Floats:
    """The last 96 readings (96,), after which the future is unknown. Raises TooShort."""
    if len(series) < STEPS_IN:
        raise TooShort(f"{STEPS_IN} readings in a row are needed, {len(series)} are there.")
    return series[-STEPS_IN:]


def all_windows(series: Floats) -> Windows:
    """Every window of a series, as views; none where it is too short.

    >>> all_windows(np.zeros(110)).future.shape
    (3, 12)
    """
    if not sample_count(len(series)):
        return Windows(np.empty((0, STEPS_IN)), np.empty((0, STEPS_OUT)))
    both = np.lib.stride_tricks.sliding_window_view(series, STEPS_IN + STEPS_OUT)
    return Windows(both[:, :STEPS_IN], both[:, STEPS_IN:])


def within_sensor(values: Floats) -> Floats:
    """The same values, none beyond what a sensor reports (SENSOR_RANGE)."""
    return np.clip(values, *SENSOR_RANGE)


def samples(quantiles: Floats, levels: Sequence[float], count: int) -> Floats:
    """`count` equally likely outcomes (count, 12) of `quantiles` (12, Q): the inverse distribution function in the
    middles of `count` equal slices of probability, lowest first. No chance is involved.

    Between two levels, and beyond the outermost, values are linear in the normal score: the quantiles of a normal
    distribution come back exactly, and a tail is that of the normal through the last two quantiles on its side.

    >>> samples(np.array([[80.0, 100.0, 140.0]]), (0.1, 0.5, 0.9), 4).round()[:, 0]
    array([ 82.,  95., 110., 136.])
    """
    if count < 1:
        raise InvalidInput(f"At least one sample can be drawn, not {count}.")
    scores = _normal_scores(levels)
    wanted = _normal_scores([(k + 0.5) / count for k in range(count)])
    segment = np.clip(np.searchsorted(scores, wanted) - 1, 0, len(scores) - 2)
    share = (wanted - scores[segment]) / (scores[segment + 1] - scores[segment])
    lower, upper = quantiles[:, segment], quantiles[:, segment + 1]
    return within_sensor(lower + share * (upper - lower)).T


def _normal_scores(levels: Sequence[float]) -> Floats:
    return np.array([NormalDist().inv_cdf(level) for level in levels])
