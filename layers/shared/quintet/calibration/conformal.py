"""Split conformal prediction: scores, the threshold that a risk asks for, and the sets that follow.

LAC is Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers With Bounded Error Levels (JASA 2019); APS is
Romano, Sesia and Candès, Classification with Valid and Adaptive Coverage (NeurIPS 2020), without its random part.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.batch import Batch, Floats

Score = Literal["lac", "aps"]
Mask = NDArray[np.bool_]

NEAR = 1e-9
"""Relative; what the running sums of `bound` may err by, many times over."""


class Bound(NamedTuple):
    """U, and the risk that attained it; None where no threshold covers a single true class, and U is then 1."""

    uncertainty: float
    alpha: float | None


def true_scores(batch: Batch, score: Score) -> Floats:
    """(n,): how badly each true class conforms.

    >>> rows = Batch(np.array([[0.5, 0.3, 0.2]]), np.array([1]))
    >>> true_scores(rows, "lac").tolist(), true_scores(rows, "aps").tolist()
    ([0.7], [0.8])
    """
    if score == "lac":
        return 1 - batch.true
    own: Floats = class_scores(batch.probabilities, "aps")[np.arange(batch.rows), batch.labels]
    return own


def class_scores(probabilities: Floats, score: Score) -> Floats:
    """(n, K): LAC's 1 - p, or APS's mass of the classes that are as likely or likelier, each class itself included.

    Of classes that are equally likely, APS counts the one with the higher number first.
    """
    if score == "lac":
        return 1 - probabilities
    order = np.argsort(probabilities, axis=1, kind="stable")[:, ::-1]
    mass = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    scores = np.empty_like(mass)
    np.put_along_axis(scores, order, mass, axis=1)
    return scores


def quantile(scores: Floats, alpha: float) -> float:
    """The threshold that a new row's true score stays below with probability 1 - alpha at least.

    Level `min(1, ceil((n + 1)(1 - alpha)) / n)` of the n scores, the higher neighbour where it falls between two; so
    it is a score above what exactness asks for, as in the original.

    >>> quantile(np.arange(1.0, 100.0), 0.1)
    91.0
    """
    level = min(1.0, math.ceil((len(scores) + 1) * (1 - alpha)) / len(scores))
    return float(np.quantile(scores, level, method="higher"))


def sets(probabilities: Floats, threshold: float, score: Score) -> Mask:
    """(n, K): which classes are in each row's set; a set may be empty."""
    return class_scores(probabilities, score) <= threshold


def bound(scores: Floats, batch: Batch) -> Bound:
    """The least upper bound U on the model's uncertainty over all thresholds that calibration offers (U-TraCE).

    `scores` (N,) are sorted. Threshold j includes the classes with p >= 1 - s_j at the risk
    alpha_j = 1 - (j + 1) / (N + 1), j from 0; with p1 the mean of 1 / (size of the set) over the rows whose true class
    is included, U = 1 - max p1 (1 - alpha_j), and the first of equal ones is taken.

    The sets of a batch change at its own n K probabilities alone. Running sums over these give all N bounds at once;
    those that are as good as the best are then calculated as they are defined, so that rounding decides as there.
    Cost n K log(n K) + N log(n K).
    """
    roughly, candidates = _all_bounds(scores, batch)
    best, alpha = 0.0, None
    for j in candidates[roughly[candidates] >= roughly.max(initial=0.0) * (1 - NEAR)]:
        risk = 1 - (int(j) + 1) / (len(scores) + 1)
        attained = _share(batch, float(scores[j])) * (1 - risk)
        if attained > best:
            best, alpha = attained, risk
    return Bound(1 - best, alpha)


def _share(batch: Batch, threshold: float) -> float:
    """p1: the mean of 1 / (size of the set) over the rows whose set has the true class; 0 without such a row."""
    included = batch.probabilities >= 1 - threshold
    right = included[np.arange(batch.rows), batch.labels]
    return float(np.mean(1.0 / included[right].sum(axis=1))) if right.any() else 0.0


def _all_bounds(scores: Floats, batch: Batch) -> tuple[Floats, NDArray[np.intp]]:
    """All bounds (N,) up to rounding; and of each run of thresholds with the same sets the last, which is its best."""
    values, shares, first = _changes(batch)
    order = np.argsort(-values)
    passed = np.searchsorted(-values[order], scores - 1, side="right")  # of the changes: those at 1 - s_j or above
    summed = np.concatenate([[0.0], np.cumsum(shares[order])])[passed]
    covered = np.concatenate([[0], np.cumsum(first[order])])[passed]
    kept = np.arange(1, len(scores) + 1) / (len(scores) + 1)
    last = np.flatnonzero(np.diff(passed, append=-1))
    return summed / np.maximum(covered, 1) * kept, last


def _changes(batch: Batch) -> tuple[Floats, Floats, Mask]:
    """Where a row's part in the sum of 1 / size changes as the threshold falls: at the probability of the true class,
    whose first one counts the row in, and at each smaller one. Values, changes, and which are the first.
    """
    falling = np.sort(batch.probabilities, axis=1)[:, ::-1]
    sizes = np.arange(1.0, batch.classes + 1)
    inside = falling <= batch.true[:, None]
    first = inside & (np.cumsum(inside, axis=1) == 1)
    before = np.where(first, 0.0, 1 / np.maximum(sizes - 1, 1))
    return falling[inside], (1 / sizes - before)[inside], first[inside]
