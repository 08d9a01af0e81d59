"""Everything that is said of a session, batch by batch: U-TraCE, calibration, and what a temperature would change.

An Evaluator keeps the probabilities of the calibration part, MOST_FITTED at most, until the temperature is fitted to
them (about 28 kB of float32 for 11 batches of 64 × 10), its conformity scores, counters (O(bins + classes), a matrix of
the classes up to a hundred of them) and twelve numbers a batch; no other rows. It depends on no clock, no chance and no
global state: the same batches in the order of their index give the same result, bit by bit.
"""

import copy
import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from quintet.calibration.batch import Batch, Cuts, checked, stacked
from quintet.calibration.classification import ClassCounts
from quintet.calibration.conformal import Score
from quintet.calibration.metrics import BINS, PIECE, Calibration, Counters, Means, terms
from quintet.calibration.temperature import Temperature, fitted, scaled
from quintet.calibration.utrace import Evaluation, StageName, Stages, Step, Utrace
from quintet.calibration.weakness import Weakness
from quintet.kernel.errors import InvalidInput

__all__ = ["BatchMetrics", "Evaluation", "Evaluator", "Result", "Score", "StageName", "Stages", "Weakness"]

FEWEST_IN_A_BIN = 10
TOGETHER = 32
"""Batches whose rows are looked at together."""

Given = tuple[int, ArrayLike, ArrayLike]
"""A batch: its index, rows (n, K) and their true classes (n,)."""
MOST_FITTED = 1_000_000
"""Probabilities (rows × classes), the first ones, that the temperature is fitted to: more would cost seconds and change
its fourth digit.
"""


class BatchMetrics(BaseModel):
    """One batch, as points of curves over `index`. None where its stage tells no such thing or it has no rows."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    index: int
    stage: StageName
    rows: int

    accuracy: float | None = None
    confidence: float | None = None
    """Mean of the likeliest classes' probabilities."""

    nll: float | None = None
    brier: float | None = None

    ece: float | None = None
    """Of all rows so far: that of one batch would be noise."""

    alpha: float | None = None
    uncertainty: float | None = None
    """The second stage's."""

    coverage: float | None = None
    set_size: int | None = None
    mean_set_size: float | None = None
    """The third stage's; `set_size` is the largest."""


class Result(BaseModel):
    """What a session has shown so far. None stands for what can't be said; `weaknesses` has the reasons."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    rows: int
    batches: int
    classes: int | None

    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    """Of all rows; the latter three weighted by the classes' true rows."""

    utrace: Evaluation

    overall: Calibration
    """All rows as they came."""

    before: Calibration
    """The rows beyond the calibration part as they came, and `after` the same ones scaled by the temperature."""

    after: Calibration
    temperature: Temperature

    histogram: tuple[int, ...]
    """Confidences of all rows in 30 equal bins from 0 to 1."""

    confusion: tuple[tuple[int, ...], ...] | None
    """[true][predicted], all rows; None without rows, or beyond a hundred classes."""

    history: tuple[BatchMetrics, ...]
    weaknesses: tuple[Weakness, ...]

    def summary(self) -> dict[str, float | int | None]:
        """The main figures by name, flat."""
        utrace, overall, before, after = self.utrace, self.overall, self.before, self.after
        return {
            "rows": self.rows,
            "batches": self.batches,
            "classes": self.classes,
            "accuracy": self.accuracy,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "uncertainty": utrace.uncertainty,
            "alpha": utrace.alpha,
            "coverage": utrace.coverage,
            "max_set_size": utrace.max_set_size,
            "stage3_accuracy": utrace.accuracy,
            "calibration_rows": utrace.calibration_rows,
            "smallest_alpha": utrace.smallest_alpha,
            "ece": overall.ece,
            "mce": overall.mce,
            "ace": overall.ace,
            "brier": overall.brier,
            "nll": overall.nll,
            "temperature": self.temperature.value,
            "ece_before": before.ece,
            "ece_after": after.ece,
            "brier_before": before.brier,
            "brier_after": after.brier,
            "nll_before": before.nll,
            "nll_after": after.nll,
        }


class Evaluator:
    """One session's batches in the order of their index. Not for several threads at once."""

    def __init__(self, stages: Stages | None = None, score: Score = "lac", bins: int = BINS) -> None:
        self.stages = stages or Stages()
        self._utrace = Utrace(self.stages, score)
        self._overall, self._after = Counters(bins), Counters(bins)
        self._fitting: Counters | None = None  # the calibration part's, once it is over
        self._classes: ClassCounts | None = None
        self._kept: list[tuple[NDArray[Any], NDArray[Any]]] = []  # the calibration part, as it came
        self._temperature: Temperature | None = None
        self._history = _History()

    def add(self, index: int, probabilities: ArrayLike, labels: ArrayLike) -> BatchMetrics:
        """Rows (n, K) and their true classes (n,); gaps between indexes are fine, and so is a batch without rows.

        Raises ValueError where `index` is not beyond the last one, and InvalidInput where the rows are wrong; nothing
        is changed then.
        """
        self._add(index, probabilities, labels)
        return self._history.batch(-1)

    def add_many(self, batches: Sequence[Given]) -> None:
        """What `add` of one after the other does, bit by bit, for less: `history` tells what it would have returned.

        Raises as `add`: the batches before the wrong one are added then, and none after it.
        """
        for _, group in groupby(batches, key=lambda given: self.stages.of(given[0])):
            of_stage = list(group)
            for start in range(0, len(of_stage), TOGETHER):
                self._add_some(of_stage[start : start + TOGETHER])

    @property
    def batches(self) -> int:
        """How many were added."""
        return len(self._history)

    @property
    def last(self) -> int:
        """The last one's index, -1 before the first."""
        return self._history.last

    def history(self, after: int = -1) -> tuple[BatchMetrics, ...]:
        """The batches of an index beyond `after`, in their order."""
        return self._history.batches(after)

    def result(self) -> Result:
        """What has been shown so far; changes nothing."""
        overall, temperature, classes = self._overall, self._fit(), self._classes
        before = overall.without(self._fitting or overall)
        scores = classes.scores() if classes else None
        evaluation = self._utrace.evaluation()
        return Result(
            rows=overall.total,
            batches=self.batches,
            classes=classes.classes if classes else None,
            accuracy=classes.accuracy() if classes else None,
            precision=scores.precision if scores else None,
            recall=scores.recall if scores else None,
            f1=scores.f1 if scores else None,
            utrace=evaluation,
            overall=overall.calibration(),
            before=before.calibration(),
            after=self._after.calibration(),
            temperature=temperature,
            histogram=tuple(overall.histogram.tolist()),
            confusion=classes.confusion() if classes else None,
            history=self._history.batches(),
            weaknesses=(*evaluation.weaknesses, *_weaknesses(temperature, before)),
        )

    def _keep(self, probabilities: ArrayLike, labels: ArrayLike, classes: int) -> None:
        left = MOST_FITTED // classes - sum(len(known) for _, known in self._kept)
        if left > 0:
            self._kept.append((np.array(probabilities, order="C")[:left].copy(), np.array(labels, np.int64)[:left]))

    def _add(self, index: int, probabilities: ArrayLike, labels: ArrayLike) -> None:
        self._check_order([index])
        batch = checked(probabilities, labels, place=f"batch {index}: ")
        self._check_classes(index, batch)
        if batch.rows:
            self._follow([(index, probabilities, labels)], batch, Cuts.of([batch.rows]))
        else:
            self._history.append(index, 0, Step(self.stages.of(index)))

    def _add_some(self, batches: Sequence[Given]) -> None:
        """Together if they can be, else by halves: so a wrong one is found, and those before it are added."""
        if len(batches) == 1:
            self._add(*batches[0])
        elif not self._add_together(batches):
            half = len(batches) // 2
            self._add_some(batches[:half])
            self._add_some(batches[half:])

    def _add_together(self, batches: Sequence[Given]) -> bool:
        """Whether they could be added as the rows of one; nothing is changed otherwise."""
        try:
            self._check_order([index for index, _, _ in batches])
            rows, cuts = stacked([(given, labels) for _, given, labels in batches], most=PIECE)
            self._check_classes(batches[0][0], rows)
        except (ValueError, InvalidInput):
            return False
        self._follow(batches, rows, cuts)
        return True

    def _check_order(self, indexes: Sequence[int]) -> None:
        for before, index in pairwise([self.last, *indexes]):
            if index <= before:
                raise ValueError(
                    f"batch {index} after batch {before}: batches are evaluated in the order of their index"
                )

    def _check_classes(self, index: int, batch: Batch) -> None:
        if self._classes and batch.rows and batch.classes != self._classes.classes:
            before = self._classes.classes
            raise InvalidInput(f"batch {index} has {batch.classes} classes, those before it {before}")

    def _follow(self, batches: Sequence[Given], rows: Batch, cuts: Cuts) -> None:
        """Batches of one stage, whose `rows` these are."""
        stage = self.stages.of(batches[0][0])
        calibrating = stage == "INITIAL_CALIBRATION"
        if calibrating:
            for _, given, labels in batches:
                self._keep(given, labels, rows.classes)
        steps, means = self._utrace.follow(stage, rows, cuts), self._counted(rows, cuts, calibrating)
        for (index, _, _), size, step, mean in zip(batches, cuts.sizes.tolist(), steps, means, strict=True):
            self._history.append(index, size, step, mean)

    def _counted(self, rows: Batch, cuts: Cuts, calibrating: bool) -> list[Means]:
        self._classes = self._classes or ClassCounts(rows.classes)
        self._classes.add(rows.labels, rows.predicted)
        if not calibrating:
            self._scale(rows)
        return self._overall.follow(terms(rows), cuts)

    def _scale(self, batch: Batch) -> None:
        if self._fitting is None:
            self._fitting, self._temperature, self._kept = copy.deepcopy(self._overall), self._fit(), []
        after = scaled(batch.probabilities, self._fit().value)
        self._after.count(terms(Batch(after, batch.labels, batch.predicted)))  # the likeliest class stays so

    def _fit(self) -> Temperature:
        if self._temperature:
            return self._temperature
        if not self._kept:
            return Temperature()
        probabilities, labels = zip(*self._kept, strict=True)
        return fitted(Batch(np.concatenate(probabilities).astype(np.float64), np.concatenate(labels)))


class _History:
    """Batches as columns: 12 numbers each, where a model apiece would take ten times the memory."""

    def __init__(self) -> None:
        self._stages: list[StageName] = []
        self._indexes, self._rows = array("q"), array("q")
        self._figures = array("d")  # those of a batch beside one another; NaN stands for None

    def __len__(self) -> int:
        return len(self._stages)

    @property
    def last(self) -> int:
        return self._indexes[-1] if self._indexes else -1

    def append(self, index: int, rows: int, step: Step, means: Means | None = None) -> None:
        self._stages.append(step.stage)
        self._indexes.append(index)
        self._rows.append(rows)
        self._figures.extend(math.nan if one is None else one for one in (*step[1:], *(means or _NO_MEANS)))

    def batches(self, after: int = -1) -> tuple[BatchMetrics, ...]:
        return tuple(self.batch(position) for position in range(bisect_right(self._indexes, after), len(self)))

    def batch(self, position: int) -> BatchMetrics:
        start = position % len(self) * len(_FIGURES)
        figures = zip(_FIGURES, self._figures[start : start + len(_FIGURES)], strict=True)
        told = {name: value for name, value in figures if not math.isnan(value)}
        known = {"index": self._indexes[position], "stage": self._stages[position], "rows": self._rows[position]}
        return BatchMetrics.model_validate({**known, **told})


_FIGURES = (*Step._fields[1:], *Means._fields)
_NO_MEANS = (None,) * len(Means._fields)


def _weaknesses(temperature: Temperature, rest: Counters) -> list[Weakness]:
    found = []
    if temperature.outcome == "too_few_rows":
        found.append(Weakness(code="temperature_not_fitted", figures={"rows": temperature.rows}))
    elif temperature.outcome != "fitted":
        figures = {"temperature": temperature.value, "rows": temperature.rows}
        found.append(Weakness(code="temperature_at_bound", figures=figures))
    if rest.total < FEWEST_IN_A_BIN * len(rest.rows):
        found.append(Weakness(code="few_rows", figures={"rows": rest.total, "bins": len(rest.rows)}))
    return found
