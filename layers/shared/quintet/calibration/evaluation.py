"""Everything that is said of a session, batch by batch: U-TraCE, calibration, and what a temperature would change.

An Evaluator keeps the probabilities of the calibration part until the temperature is fitted to them (about 28 kB of
float32 for 11 batches of 64 × 10), its conformity scores, counters (O(bins + classes), a matrix of the classes up to
a hundred of them) and twelve numbers a batch; no other rows. It depends on no clock, no chance and no global state:
the same batches in the order of their index give the same result, bit by bit.
"""

import copy
import math
from array import array
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from quintet.calibration.batch import Batch, Integers, checked
from quintet.calibration.classification import ClassCounts
from quintet.calibration.conformal import Score
from quintet.calibration.metrics import BINS, Calibration, Counters, terms
from quintet.calibration.temperature import Temperature, fitted, scaled
from quintet.calibration.utrace import Evaluation, StageName, Stages, Utrace
from quintet.calibration.weakness import Weakness
from quintet.kernel.errors import InvalidInput

__all__ = ["BatchMetrics", "Evaluation", "Evaluator", "Result", "Score", "StageName", "Stages", "Weakness"]

FEWEST_IN_A_BIN = 10


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
        self._kept: list[tuple[NDArray[Any], Integers]] = []  # the calibration part, as it came
        self._temperature: Temperature | None = None
        self._history = _History()
        self._last = -1

    def add(self, index: int, probabilities: ArrayLike, labels: ArrayLike) -> BatchMetrics:
        """Rows (n, K) and their true classes (n,); gaps between indexes are fine, and so is a batch without rows.

        Raises ValueError where `index` is not beyond the last one, and InvalidInput where the rows are wrong; nothing
        is changed then.
        """
        if index <= self._last:
            raise ValueError(
                f"batch {index} after batch {self._last}: batches are evaluated in the order of their index"
            )
        batch = checked(probabilities, labels, place=f"batch {index}: ")
        self._check_classes(index, batch)
        self._last = index
        calibrating = self.stages.of(index) == "INITIAL_CALIBRATION"
        if calibrating and batch.rows:
            self._kept.append((np.array(probabilities), batch.labels.copy()))
        step, figures = self._utrace.add(index, batch), self._counted(batch, calibrating) if batch.rows else {}
        metrics = BatchMetrics(index=index, rows=batch.rows, **step._asdict(), **figures)
        self._history.append(metrics)
        return metrics

    def result(self) -> Result:
        """What has been shown so far; changes nothing."""
        overall, temperature, classes = self._overall, self._fit(), self._classes
        before = overall.without(self._fitting or overall)
        scores = classes.scores() if classes else None
        evaluation = self._utrace.evaluation()
        return Result(
            rows=overall.total,
            batches=len(self._history),
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

    def _check_classes(self, index: int, batch: Batch) -> None:
        if self._classes and batch.rows and batch.classes != self._classes.classes:
            before = self._classes.classes
            raise InvalidInput(f"batch {index} has {batch.classes} classes, those before it {before}")

    def _counted(self, batch: Batch, calibrating: bool) -> dict[str, float | None]:
        """The batch's own means, and the ECE so far."""
        self._classes = self._classes or ClassCounts(batch.classes)
        self._classes.add(batch.labels, batch.predicted)
        if not calibrating:
            self._scale(batch)
        means = self._overall.count(terms(batch))
        return {**means._asdict(), "ece": self._overall.ece}

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

    _FIGURES = tuple(name for name in BatchMetrics.model_fields if name not in ("index", "rows", "stage"))

    def __init__(self) -> None:
        self._stages: list[StageName] = []
        self._indexes, self._rows = array("q"), array("q")
        self._figures = {name: array("d") for name in self._FIGURES}  # NaN stands for None

    def __len__(self) -> int:
        return len(self._stages)

    def append(self, metrics: BatchMetrics) -> None:
        self._stages.append(metrics.stage)
        self._indexes.append(metrics.index)
        self._rows.append(metrics.rows)
        for name, column in self._figures.items():
            value = getattr(metrics, name)
            column.append(math.nan if value is None else value)

    def batches(self) -> tuple[BatchMetrics, ...]:
        return tuple(self._batch(position) for position in range(len(self)))

    def _batch(self, position: int) -> BatchMetrics:
        figures = {name: column[position] for name, column in self._figures.items()}
        told = {name: value for name, value in figures.items() if not math.isnan(value)}
        known = {"index": self._indexes[position], "stage": self._stages[position], "rows": self._rows[position]}
        return BatchMetrics.model_validate({**known, **told})


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
