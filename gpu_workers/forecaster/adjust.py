"""Fitting the ensemble's few free numbers to people: the linear forecast and how wide the band is.

Networks learn from simulations above all: what little real data there are they would learn by heart. The data decide
60 weights of a linear forecast and 72 factors of the band. The factors are split conformal (Romano et al.,
Conformalized Quantile Regression, 2019, with ratios for differences) within ranges of the last reading (Vovk's
Mondrian categories), over windows of people unknown to the networks and to the line that forecast them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_workers.forecaster.network import RAISED
from quintet.glucose.accuracy import in_ranges
from quintet.glucose.forecast import STEPS_OUT, Windows

EDGES = (0.1, 0.9)
FEWEST = 500  # windows that a range's factors rest on, else simulated ones are taken in
NARROWEST = 0.5  # mg/dL between median and edge

Floats = NDArray[np.float64]


class Foreseen(NamedTuple):
    """What is known of windows: their last readings (n,), the band's edges and median (n, 12), and the truth."""

    last: Floats
    low: Floats
    median: Floats
    high: Floats
    future: Floats


def drift(past: Floats) -> Floats:
    """network.drift, in numpy."""
    last = past[:, -1:]
    return np.hstack([past[:, -4:-1] - last, past.mean(1, keepdims=True) - last, np.maximum(last - RAISED, 0)])


def fit_pull(people: Sequence[Windows]) -> Floats:
    """Least squares weights (5, 12) of the change since the last reading."""
    past, future = np.concatenate([w.past for w in people]), np.concatenate([w.future for w in people])
    weights, *_ = np.linalg.lstsq(drift(past), future - past[:, -1:])
    return np.asarray(weights)


def led(
    person: Windows, quantiles: Floats, others: Sequence[Windows], share: float, levels: Sequence[float]
) -> Foreseen:
    """One person's windows, their forecast led by a line that was fitted to the others."""
    low, median, high = (quantiles[..., levels.index(level)] for level in (EDGES[0], 0.5, EDGES[1]))
    last = person.past[:, -1:]
    shift = share * (last + drift(person.past) @ fit_pull(others) - median)
    return Foreseen(last[:, 0], low + shift, median + shift, high + shift, person.future)


def joined(parts: Sequence[Foreseen]) -> Foreseen:
    return Foreseen(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fit_factors(people: Sequence[Foreseen], simulated: Foreseen) -> Floats:
    """(3, 12, 2): by range, step and side. A range with few real windows takes in the simulated ones of that range."""
    real, both = joined(people), joined([*people, simulated])
    ranges = zip(in_ranges(real.last).values(), in_ranges(both.last).values(), strict=True)
    return np.array([sides(real, few) if few.sum() >= FEWEST else sides(both, many) for few, many in ranges])


def left_out(people: Sequence[Foreseen], simulated: Foreseen) -> Foreseen:
    """Everybody with the band that the others' windows would have given them."""
    others = [[other for other in people if other is not one] for one in people]
    return joined([stretched(one, fit_factors(rest, simulated)) for one, rest in zip(people, others, strict=True)])


def stretched(seen: Foreseen, factors: Floats) -> Foreseen:
    chosen = np.select([mask[:, None, None] for mask in in_ranges(seen.last).values()], list(factors[:, None]))
    low = seen.median - chosen[..., 0] * (seen.median - seen.low)
    high = seen.median + chosen[..., 1] * (seen.high - seen.median)
    return seen._replace(low=low, high=high)


def sides(seen: Foreseen, group: NDArray[np.bool_]) -> Floats:
    """(12, 2): how much nearer or farther the edges should have been, a line over the steps; 1 without windows."""
    if not group.any():
        return np.ones((STEPS_OUT, 2))
    error = seen.future[group] - seen.median[group]
    below = np.maximum(seen.median[group] - seen.low[group], NARROWEST)
    above = np.maximum(seen.high[group] - seen.median[group], NARROWEST)
    edges = (np.quantile(-error / below, EDGES[1], axis=0), np.quantile(error / above, EDGES[1], axis=0))
    return np.column_stack([line(edge) for edge in edges])


def line(values: Floats) -> Floats:
    steps = np.arange(STEPS_OUT)
    return np.asarray(np.polyval(np.polyfit(steps, values, 1), steps))
