"""Rows of a client: probabilities and what was true, checked once at the door of the arithmetic."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from quintet.kernel.errors import InvalidInput

SUM_TOLERANCE = 0.01
"""How far a row's sum may lie from 1: clients send float32, float16 and rounded decimals."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Cuts(NamedTuple):
    """Where B batches begin among n rows that are looked at together, and how many each has: one at least, (B,).
    `owners` is each row's batch (n,), or one 0 for all.
    """

    starts: Integers
    sizes: Integers
    owners: Integers

    @classmethod
    def of(cls, sizes: Sequence[int]) -> "Cuts":
        """
        >>> Cuts.of([2, 1]).owners.tolist()
        [0, 0, 1]
        """
        rows, numbers = np.array(sizes), np.arange(len(sizes))
        return cls(rows.cumsum() - rows, rows, numbers.repeat(rows) if len(sizes) > 1 else numbers)


class Batch:
    """n rows: `probabilities` (n, K), float64, and `labels` (n,), from 0 to K - 1; with `predicted` (n,), each row's
    likeliest class, the first of equal ones, and `true` (n,), the probability of its true class.
    """

    __slots__ = ("classes", "labels", "predicted", "probabilities", "rows", "true")

    def __init__(self, probabilities: Floats, labels: Integers, predicted: Integers | None = None) -> None:
        self.probabilities, self.labels = probabilities, labels
        self.rows, self.classes = len(labels), probabilities.shape[1]
        self.true: Floats = probabilities[np.arange(self.rows), labels]
        self.predicted: Integers = labels  # of no rows, perhaps with no columns
        if self.rows:
            self.predicted = probabilities.argmax(axis=1) if predicted is None else predicted

    def cut(self, size: int) -> Iterator["Batch"]:
        """Pieces of `size` rows in order; the last one may be smaller."""
        for start in range(0, self.rows, size):
            yield Batch(self.probabilities[start : start + size], self.labels[start : start + size])

    def apart(self, cuts: Cuts) -> Iterator["Batch"]:
        """The batches that its rows are of."""
        for start, stop in pairwise([*cuts.starts.tolist(), self.rows]):
            yield Batch(self.probabilities[start:stop], self.labels[start:stop], self.predicted[start:stop])


def checked(probabilities: ArrayLike, labels: ArrayLike, *, place: str = "") -> Batch:
    """The rows as float64 (exact for whatever came in) and int64. No rows at all are fine.

    Raises InvalidInput, which names the first bad row: not two-dimensional, fewer than two classes, another number of
    labels than of rows, values that are negative or not finite, rows that do not sum to 1, labels out of range.

    >>> checked([[0.25, 0.75]], [1]).true.tolist()
    [0.75]
    """
    given, told = _array(probabilities, "probabilities", place), _array(labels, "labels", place)
    _check_shapes(given, told, place)
    rows, classes = given.astype(np.float64, order="C", copy=False), told.astype(np.int64, copy=False)
    if len(classes):
        _check_values(rows, classes, place)
    return Batch(rows, classes)


def stacked(given: Sequence[tuple[ArrayLike, ArrayLike]], *, most: int) -> tuple[Batch, Cuts]:
    """Several batches' rows under one another, as `checked` gives those of one: `most` rows in all, one at least of
    each, and the same classes.

    A row's figures are the same, bit by bit, whatever rows stand beside it: C order has each row's sum taken alike.
    Raises InvalidInput where something is wrong, and does not say with which of them.
    """
    pairs = [(_array(rows, "probabilities", ""), _array(labels, "labels", "")) for rows, labels in given]
    for rows, labels in pairs:
        _check_shapes(rows, labels, "")
    sizes = [len(labels) for _, labels in pairs]
    if not all(sizes) or sum(sizes) > most or len({rows.shape[1] for rows, _ in pairs}) > 1:
        raise InvalidInput(f"looked at together are up to {most} rows, of as many classes, and no batch without rows")
    probabilities = np.empty((sum(sizes), pairs[0][0].shape[1]))
    np.concatenate([rows for rows, _ in pairs], out=probabilities, casting="unsafe")
    classes = np.concatenate([labels for _, labels in pairs], dtype=np.int64, casting="unsafe")
    _check_values(probabilities, classes, "")
    return Batch(probabilities, classes), Cuts.of(sizes)


def _array(given: ArrayLike, name: str, place: str) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InvalidInput(f"{place}the {name} are not a regular array: every row needs as many values") from error
    if array.dtype.kind not in ("fiu" if name == "probabilities" else "iu") and array.size:
        raise InvalidInput(f"{place}the {name} are of type {array.dtype}, expected numbers")
    return array


def _check_shapes(probabilities: NDArray[Any], labels: NDArray[Any], place: str) -> None:
    if probabilities.ndim != 2 or labels.ndim != 1:
        shapes = f"{probabilities.shape} and {labels.shape}"
        raise InvalidInput(f"{place}probabilities and labels are of shapes {shapes}, expected (n, K) and (n,)")
    if len(probabilities) != len(labels):
        raise InvalidInput(f"{place}{len(probabilities)} rows of probabilities, but {len(labels)} labels")
    if len(labels) and probabilities.shape[1] < 2:
        raise InvalidInput(f"{place}one probability a row: send one for each class, so at least two")


def _check_values(probabilities: Floats, labels: Integers, place: str) -> None:
    sums = probabilities.sum(axis=1)
    # NaN fails any comparison, and infinity that of the sum
    if not (probabilities.min() >= 0 and np.abs(sums - 1).max() <= SUM_TOLERANCE):
        raise InvalidInput(place + _bad_row(probabilities, sums))
    classes = probabilities.shape[1]
    if labels.view(np.uint64).max() >= classes:  # a negative label is a huge one then
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise InvalidInput(f"{place}row {row}: label {labels[row]} is none of the {classes} classes, 0 the first")


def _bad_row(probabilities: Floats, sums: Floats) -> str:
    fine = (probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= SUM_TOLERANCE)
    row = int(np.flatnonzero(~fine)[0])
    if not np.isfinite(probabilities[row]).all():
        return f"row {row}: a probability is not finite"
    if probabilities[row].min() < 0:
        return f"row {row}: a probability is negative ({probabilities[row].min():g})"
    return f"row {row}: the probabilities sum to {sums[row]:g}, expected 1 ± {SUM_TOLERANCE}: send softmax's outputs"
