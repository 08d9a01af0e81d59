"""Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017) for clients that give
probabilities: the logits are log p, which are the model's own up to a constant a row that softmax does not see.

Probabilities below 2^-52 count as that: a client's zero says "less than I can write", not "impossible".
"""

from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from quintet.calibration.batch import Batch, Floats
from quintet.calibration.metrics import FLOOR

LOWEST, HIGHEST = 0.1, 100.0
"""Rows of zeros and ones that are right four times of five are best at 17."""
FEWEST_ROWS = 20
_STEPS = 60  # bisection alone would be done after these
_CLOSE = 1e-12  # nats: a slope so small is none

Outcome = Literal["fitted", "too_few_rows", "at_lower_bound", "at_upper_bound"]


class Temperature(BaseModel):
    """`value` divides the logits: above 1 the model was too sure of itself. 1 where nothing was fitted."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    value: float = 1.0
    outcome: Outcome = "too_few_rows"
    rows: int = 0

    nll_before: float | None = None
    nll_after: float | None = None
    """Of the rows it was fitted to, in nats."""


class _Slope(NamedTuple):
    """Of the NLL at an inverse temperature: first and second derivative."""

    first: float
    second: float


def logits(probabilities: Floats) -> Floats:
    """(n, K): log p, the largest of each row 0, which keeps every exponential below in range."""
    logs: Floats = np.log(np.maximum(probabilities, FLOOR))
    logs -= logs.max(axis=1, keepdims=True)
    return logs


def scaled(probabilities: Floats, value: float) -> Floats:
    """(n, K): softmax(log p / value), whose rows sum to 1.

    >>> scaled(np.array([[0.8, 0.2]]), 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    powers: Floats = np.exp(logits(probabilities) / value)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def fitted(batch: Batch) -> Temperature:
    """The temperature of the least NLL, between LOWEST and HIGHEST.

    The NLL is convex in the inverse temperature, so that the sign of its slope always tells the side: Newton's steps,
    and a bisection where one would leave what is left of the interval.
    """
    if batch.rows < FEWEST_ROWS:
        return Temperature(rows=batch.rows)
    logs = logits(batch.probabilities)
    true = logs[np.arange(batch.rows), batch.labels]
    inverse, outcome = _inverse(logs, true)
    return Temperature(
        value=1 / inverse,
        outcome=outcome,
        rows=batch.rows,
        nll_before=_nll(logs, true, 1.0),
        nll_after=_nll(logs, true, inverse),
    )


def _inverse(logs: Floats, true: Floats) -> tuple[float, Outcome]:
    low, high = 1 / HIGHEST, 1 / LOWEST
    inverse, slope = 1.0, _slope(logs, true, 1.0)
    if slope.first == 0:
        return inverse, "fitted"
    if _slope(logs, true, low).first >= 0:
        return low, "at_upper_bound"
    if _slope(logs, true, high).first <= 0:
        return high, "at_lower_bound"
    for _ in range(_STEPS):
        low, high = (low, inverse) if slope.first > 0 else (inverse, high)
        step = inverse - slope.first / slope.second if slope.second > 0 else low
        inverse = step if low < step < high else (low + high) / 2
        slope = _slope(logs, true, inverse)
        if abs(slope.first) <= _CLOSE:
            break
    return inverse, "fitted"


def _slope(logs: Floats, true: Floats, inverse: float) -> _Slope:
    """The first is the mean of E[log p] - log p of the true class, the second the mean of Var[log p], both under the
    scaled probabilities.
    """
    powers = np.exp(logs * inverse)
    shares = powers / powers.sum(axis=1, keepdims=True)
    means = (shares * logs).sum(axis=1)
    variances = (shares * (logs - means[:, None]) ** 2).sum(axis=1)
    return _Slope(float((means - true).mean()), float(variances.mean()))


def _nll(logs: Floats, true: Floats, inverse: float) -> float:
    return float((np.log(np.exp(logs * inverse).sum(axis=1)) - true * inverse).mean())
