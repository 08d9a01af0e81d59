"""ARIMA as a baseline: one model a person, by statsmodels, fitted to what came early."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.tsa.arima.model import ARIMA

from gpu_workers.forecaster.people import Person
from quintet.glucose.forecast import STEPS_IN, STEPS_OUT, sample_count

Order = tuple[int, int, int]
ORDERS: Sequence[Order] = ((1, 0, 0), (2, 0, 0), (3, 0, 0), (2, 0, 1), (1, 1, 0), (2, 1, 0), (2, 1, 1), (3, 1, 1))
FITTED = 0.7  # of what came early; the rest of it chooses among the orders

Floats = NDArray[np.float64]


def forecasts(early: Person, late: Person) -> Floats:
    """For every window of `late`, (n, 12), by the order that was best at 60 minutes at the end of `early`."""
    first, rest = early.parted(FITTED)
    order = min(ORDERS, key=lambda order: hour_error(first, rest, order))
    return ahead(fitted(early.stretches(), order), late.stretches())


def hour_error(first: Person, rest: Person, order: Order) -> float:
    forecast = ahead(fitted(first.stretches(), order), rest.stretches())
    return float(np.mean((forecast[:, -1] - rest.windows().future[:, -1]) ** 2))


def fitted(stretches: Sequence[Floats], order: Order) -> Any:
    """Maximum likelihood over all stretches at once; the breaks between them are missing readings."""
    series = np.concatenate([np.append(stretch, np.full(STEPS_OUT, np.nan)) for stretch in stretches])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of starting values and of a likelihood that has not quite converged
        return ARIMA(series, order=order).fit()


def ahead(model: Any, stretches: Sequence[Floats]) -> Floats:
    """Forecasts for every window, each given all of its stretch so far: the window's 96 readings at least."""
    windows = [hours(model.apply(stretch), sample_count(len(stretch))) for stretch in stretches]
    return np.concatenate([np.empty((0, STEPS_OUT)), *(w for w in windows if len(w))])


def hours(results: Any, count: int) -> Floats:
    """(count, 12): the states that the library's Kalman filter foresees after each reading, run on for an hour."""
    known = results.filter_results
    state = known.predicted_state[:, STEPS_IN : STEPS_IN + count]
    return np.array(list(steps(known, state))).T


def steps(known: Any, state: Floats) -> Iterator[Floats]:
    for _ in range(STEPS_OUT):
        yield (known.design[:, :, -1] @ state)[0] + known.obs_intercept[0, -1]
        state = known.transition[:, :, -1] @ state + known.state_intercept[:, [-1]]
