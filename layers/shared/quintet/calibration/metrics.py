"""Calibration error by counters that grow with a stream: any order and any cut of the rows gives the same, bit by bit.

Sums are kept as whole multiples of 2^-40, so that adding is exact; the confidences of a float32 client are such
multiples already (from 2^-16 on). ECE and MCE are Guo et al., On Calibration of Modern Neural Networks (ICML 2017);
ACE is Neumann, Zisserman and Vedaldi, Relaxed Softmax (NIPS workshop 2018): the mean over the bins that have rows.
They equal netcal's on float64 rows of three classes or more (of two it bins the second class's probability instead).
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from quintet.calibration.batch import Batch, Cuts, Floats, Integers, checked

BINS = 15
HISTOGRAM_BINS = 30
FLOOR = 2.0**-52
"""Smaller probabilities count as this one where a logarithm is taken, as in scikit-learn's log loss of float64."""

UNIT = 2.0**-40
_UNITS = 1 / UNIT
PIECE = 4096
"""Rows at once: the units of so many stay whole in a float64."""

Exact = NDArray[np.object_]
"""Of Python's integers, which have no largest one."""


class Bin(BaseModel):
    """One bar of a reliability diagram: confidences from `low` up to, but not, `high` (the last bin has 1 as well)."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


class Calibration(BaseModel):
    """How far confidence and accuracy agree; None throughout where there are no rows."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    rows: int
    accuracy: float | None
    confidence: float | None
    ece: float | None
    mce: float | None
    ace: float | None

    brier: float | None
    """Mean of the squared distances to the true class's corner, from 0 to 2 (Brier 1950, multiclass)."""

    nll: float | None
    """Mean of -log p of the true class, in nats, p at least FLOOR."""

    bins: tuple[Bin, ...]


class Terms(NamedTuple):
    """What each of n rows adds: confidences (n,), whether right (n,), and `losses` (2, n): Brier's and the NLL's."""

    confidence: Floats
    right: NDArray[np.bool_]
    losses: Floats

    def pieces(self) -> Iterator["Terms"]:
        for start in range(0, len(self.right), PIECE):
            of_piece = slice(start, start + PIECE)
            yield Terms(self.confidence[of_piece], self.right[of_piece], self.losses[:, of_piece])


class Means(NamedTuple):
    """Of one batch's rows, and the expected calibration error of all rows so far, these included."""

    accuracy: float
    confidence: float
    brier: float
    nll: float
    ece: float


def terms(batch: Batch) -> Terms:
    """What a batch's rows add. A confidence of more than 1, by rounding, counts as 1.

    >>> rows = Batch(np.array([[0.5, 0.25, 0.25]]), np.array([0]))
    >>> terms(rows).losses.round(3).tolist()
    [[0.375], [0.693]]
    """
    losses = np.empty((2, batch.rows))
    losses[0] = (batch.probabilities**2).sum(axis=1) - 2 * batch.true + 1
    losses[1] = -np.log(np.minimum(np.maximum(batch.true, FLOOR), 1.0))
    return Terms(
        np.minimum(batch.probabilities[np.arange(batch.rows), batch.predicted], 1.0),
        batch.predicted == batch.labels,
        losses,
    )


class Counters:
    """Rows seen so far, as counts and sums a bin of confidence: O(bins) however many rows."""

    def __init__(self, bins: int = BINS) -> None:
        self.edges = np.linspace(0.0, 1.0, bins + 1)
        self.total = 0
        self.rows, self.right = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
        self.histogram = np.zeros(HISTOGRAM_BINS, np.int64)
        self._confidence: Exact = np.zeros(bins, object)
        self._losses: Exact = np.zeros(2, object)

    def add(self, probabilities: ArrayLike, labels: ArrayLike) -> None:
        """Rows (n, K) and their true classes (n,). Raises InvalidInput as batch.checked does."""
        batch = checked(probabilities, labels)
        if batch.rows:
            self.count(terms(batch))

    def count(self, terms: Terms) -> None:
        """Of one row at least."""
        for piece in terms.pieces():
            self._count(piece)

    def follow(self, terms: Terms, cuts: Cuts) -> list[Means]:
        """Counts the rows of one batch, or of several with PIECE rows together at most; what each of them tells."""
        if len(cuts.sizes) > 1:
            told = self._told(terms, cuts)
            self.count(terms)
            return told
        before, each = self._totals(), UNIT / len(terms.right)
        self.count(terms)
        right, confidence, brier, nll = (now - then for now, then in zip(self._totals(), before, strict=True))
        ece = float(_eces(self.total, self.right, self._confidence))
        return [Means(right / len(terms.right), confidence * each, brier * each, nll * each, ece)]

    def merge(self, other: Self) -> Self:
        """Both together, as new counters: the same as those of all rows at once. Raises ValueError for other bins."""
        return self._with(other, 1)

    def without(self, other: Self) -> Self:
        """What was counted beside `other`'s rows, which are among these: the inverse of merge."""
        return self._with(other, -1)

    def _with(self, other: Self, sign: int) -> Self:
        bins = len(self.rows)
        if bins != len(other.rows):
            raise ValueError(f"counters of {bins} and of {len(other.rows)} bins can't be merged")
        new = type(self)(bins)
        new.total = self.total + sign * other.total
        for name in ("rows", "right", "histogram", "_confidence", "_losses"):
            setattr(new, name, getattr(self, name) + sign * getattr(other, name))
        return new

    def _count(self, terms: Terms) -> None:
        bins, where = len(self.rows), _bins(terms.confidence, self.edges)
        wrong, right = np.bincount(where + bins * terms.right, minlength=2 * bins).reshape(2, bins)
        confidence = np.bincount(where, _units(terms.confidence), bins).astype(np.int64)
        self.total += len(where)
        self.rows += wrong + right
        self.right += right
        self.histogram += np.bincount(_bins(terms.confidence, _HISTOGRAM_EDGES), minlength=HISTOGRAM_BINS)
        self._confidence += confidence.astype(object)  # Python's integers: these sums outgrow 64 bits one day
        self._losses += _units(terms.losses).astype(np.int64).sum(axis=1).astype(object)

    def _totals(self) -> tuple[int, ...]:
        """How many are right, and the sums of confidence, Brier's terms and the NLL's, in units."""
        return (sum(self.right.tolist()), sum(self._confidence.tolist()), *self._losses.tolist())

    def _told(self, terms: Terms, cuts: Cuts) -> list[Means]:
        """Of B batches that are to be counted next: their own sums a bin (B, bins), and those of all rows so far."""
        bins, rows, each = len(self.rows), cuts.sizes, UNIT / cuts.sizes
        cells, size = _bins(terms.confidence, self.edges) + bins * cuts.owners, bins * len(rows)
        right = np.bincount(cells[terms.right], minlength=size).reshape(-1, bins)
        confidence = np.bincount(cells, _units(terms.confidence), size).astype(np.int64).reshape(-1, bins)
        losses = np.add.reduceat(_units(terms.losses).astype(np.int64), cuts.starts, axis=1)
        so_far = self.right + right.cumsum(axis=0), self._confidence + confidence.cumsum(axis=0).astype(object)
        eces = _eces(self.total + rows.cumsum(), *so_far)
        means = (right.sum(axis=1) / rows, confidence.sum(axis=1) * each, *(losses * each), eces)
        return [Means(*told) for told in zip(*(figures.tolist() for figures in means), strict=True)]

    @property
    def ece(self) -> float | None:
        """Expected calibration error: the bins' gaps between accuracy and confidence, weighted by their rows."""
        return float(_eces(self.total, self.right, self._confidence)) if self.total else None

    @property
    def mce(self) -> float | None:
        """Maximum calibration error: the largest gap of a bin."""
        return max(self._gaps(), default=None)

    @property
    def ace(self) -> float | None:
        """Average calibration error: the mean gap of the bins that have rows."""
        gaps = self._gaps()
        return math.fsum(gaps) / len(gaps) if gaps else None

    @property
    def brier(self) -> float | None:
        return self._losses[0] * UNIT / self.total if self.total else None

    @property
    def nll(self) -> float | None:
        return self._losses[1] * UNIT / self.total if self.total else None

    @property
    def accuracy(self) -> float | None:
        return int(self.right.sum()) / self.total if self.total else None

    @property
    def confidence(self) -> float | None:
        """Mean of the likeliest classes' probabilities."""
        return sum(self._confidence) * UNIT / self.total if self.total else None

    def bins(self) -> tuple[Bin, ...]:
        """The reliability diagram."""
        means = zip(pairwise(self.edges.tolist()), self.rows.tolist(), self._means(), strict=True)
        return tuple(
            Bin(low=low, high=high, rows=rows, confidence=mean[0] if mean else None, accuracy=mean[1] if mean else None)
            for (low, high), rows, mean in means
        )

    def calibration(self) -> Calibration:
        return Calibration(
            rows=self.total,
            accuracy=self.accuracy,
            confidence=self.confidence,
            ece=self.ece,
            mce=self.mce,
            ace=self.ace,
            brier=self.brier,
            nll=self.nll,
            bins=self.bins(),
        )

    def _means(self) -> Iterator[tuple[float, float] | None]:
        """Each bin's mean confidence and accuracy, None without rows."""
        for rows, confidence, right in zip(self.rows.tolist(), self._confidence, self.right.tolist(), strict=True):
            yield (confidence * UNIT / rows, right / rows) if rows else None

    def _gaps(self) -> list[float]:
        """Of the bins that have rows."""
        return [abs(accuracy - confidence) for confidence, accuracy in filter(None, self._means())]


def _eces(total: Integers | int, right: Integers, confidence: Exact) -> Floats:
    """The bins' gaps between accuracy and confidence, weighted by their rows; of counts and units (..., bins)."""
    gaps = abs(right - confidence.astype(np.float64) * UNIT)
    eces: Floats = gaps.sum(axis=-1) / total
    return eces


_HISTOGRAM_EDGES = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)


def _bins(values: Floats, edges: Floats) -> NDArray[np.intp]:
    """Each value's bin: from an edge up to, but not, the next; the last bin has its end too."""
    return np.searchsorted(edges[1:-1], values, side="right")


def _units(values: Floats) -> Floats:
    return np.rint(values * _UNITS)
