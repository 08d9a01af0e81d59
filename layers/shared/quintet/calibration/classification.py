"""How often which class was taken for which, and the scores that follow: counts, so that any order gives the same."""

from typing import NamedTuple

import numpy as np

from quintet.calibration.batch import Integers

MOST_CLASSES = 100
"""Beyond these the matrix is not kept: it grows with their square, and nobody reads it."""


class Scores(NamedTuple):
    """Weighted by each class's true rows, as scikit-learn's `average="weighted"`; a class that was never predicted
    has precision 0.
    """

    precision: float
    recall: float
    f1: float


class ClassCounts:
    """Of rows of `classes` classes. Keeps the matrix up to MOST_CLASSES of them, its diagonal and margins beyond."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._matrix = np.zeros(classes * classes if classes <= MOST_CLASSES else 0, np.int64)
        self._right, self._true, self._predicted = (np.zeros(classes, np.int64) for _ in range(3))

    def add(self, labels: Integers, predicted: Integers) -> None:
        """(n,) each, from 0 to classes - 1."""
        if len(self._matrix):
            self._matrix += np.bincount(labels * self.classes + predicted, minlength=len(self._matrix))
            return
        self._right += np.bincount(labels[labels == predicted], minlength=self.classes)
        self._true += np.bincount(labels, minlength=self.classes)
        self._predicted += np.bincount(predicted, minlength=self.classes)

    def confusion(self) -> tuple[tuple[int, ...], ...] | None:
        """[true][predicted], or None beyond MOST_CLASSES."""
        return tuple(map(tuple, self._square().tolist())) if len(self._matrix) else None

    def accuracy(self) -> float:
        right, true, _ = self._margins()
        return int(right.sum()) / int(true.sum())

    def scores(self) -> Scores:
        """
        >>> counts = ClassCounts(2)
        >>> counts.add(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
        >>> counts.scores()
        Scores(precision=0.875, recall=0.75, f1=0.7666666666666667)
        """
        right, true, predicted = self._margins()
        weights = true / int(true.sum())
        precision, recall = right / np.maximum(predicted, 1), right / np.maximum(true, 1)
        f1 = 2 * right / np.maximum(true + predicted, 1)
        return Scores(*(float((weights * one).sum()) for one in (precision, recall, f1)))

    def _square(self) -> Integers:
        return self._matrix.reshape(self.classes, self.classes)

    def _margins(self) -> tuple[Integers, Integers, Integers]:
        """Rows of each class that were predicted rightly, that are of it, and that were taken for it."""
        if not len(self._matrix):
            return self._right, self._true, self._predicted
        square = self._square()
        return square.diagonal(), square.sum(axis=1), square.sum(axis=0)
