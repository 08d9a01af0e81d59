"""U-TraCE: how uncertain a classifier is at most, and sets that hold the true class as often as promised.

Marchi and Liebl, Machine Learning: Science and Technology 7 015017 (2026), doi 10.1088/2632-2153/ae35ce. A stream of
batches passes three stages, by the index of each batch:

    INITIAL_CALIBRATION           the true classes' scores are gathered (the paper's N conformity scores)
    UNCERTAINTY_ESTIMATION        each batch bounds the uncertainty (U) at the best risk it finds (alpha)
    PREDICTION_SET_CONSTRUCTION   sets at the threshold (q_hat) that the last alpha asks for; their coverage and size

Departures from the original: a stage is the index's, not the order of arrival's; any number of classes; the arithmetic
is float64 throughout (scores of float32 rows were rounded to float32); a batch that covers no true class at any
threshold, where the original fails, has U = 1 and no alpha, and leaves the threshold as it was.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from quintet.calibration.batch import Batch, Cuts, Floats, checked
from quintet.calibration.conformal import Score, bound, quantile, sets, true_scores
from quintet.calibration.weakness import Weakness, WeaknessCode
from quintet.kernel.errors import InvalidInput

__all__ = [
    "Evaluation",
    "History",
    "Score",
    "StageName",
    "Stages",
    "Step",
    "Utrace",
    "Weakness",
    "WeaknessCode",
    "evaluate",
]

StageName = Literal["INITIAL_CALIBRATION", "UNCERTAINTY_ESTIMATION", "PREDICTION_SET_CONSTRUCTION"]

FEWEST_ROWS = 19
"""Of calibration: with n of them no risk below 1 / (n + 1) can be told, so 95 % needs 19."""


class Stages(BaseModel):
    """How many batches, by index, the first two stages have; what comes after them is the third's."""

    model_config = ConfigDict(frozen=True)

    calibration_batches: int = Field(default=11, ge=0)
    uncertainty_batches: int = Field(default=10, ge=0)

    def of(self, index: int) -> StageName:
        """
        >>> [Stages().of(index) for index in (10, 20, 21)]
        ['INITIAL_CALIBRATION', 'UNCERTAINTY_ESTIMATION', 'PREDICTION_SET_CONSTRUCTION']
        """
        if index < self.calibration_batches:
            return "INITIAL_CALIBRATION"
        if index < self.calibration_batches + self.uncertainty_batches:
            return "UNCERTAINTY_ESTIMATION"
        return "PREDICTION_SET_CONSTRUCTION"


class Step(NamedTuple):
    """What one batch told; None where its stage tells no such thing. `set_size` is the largest of the batch."""

    stage: StageName
    alpha: float | None = None
    uncertainty: float | None = None
    coverage: float | None = None
    set_size: int | None = None
    mean_set_size: float | None = None


class History(BaseModel):
    """The original's `history`: the first two of each batch of the second stage, the others of each of the third."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    alphas: tuple[float | None, ...] = ()
    uncertainty: tuple[float, ...] = ()
    batch_coverage: tuple[float, ...] = ()
    batch_setsizes: tuple[int, ...] = ()


class Evaluation(BaseModel):
    """What the three stages say of a model. None stands where the data can't say it; `weaknesses` says why."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    uncertainty: float | None
    """Mean of U over the second stage's batches: the original's "Model Uncertainty Upper Bound"."""

    alpha: float | None
    """Mean of their alphas, as far as they have one: "Alpha"."""

    coverage: float | None
    """Mean of the third stage's coverages: "Empirical Coverage"."""

    max_set_size: int | None
    """Of the third stage: "Max Set Size (Worst case scenario)"."""

    accuracy: float | None
    """Of the third stage's rows alone: "Accuracy"."""

    alpha_std: float | None
    uncertainty_std: float | None
    """Standard deviations over the batches: "alpha_std" and "U_std"."""

    history: History
    score: Score
    stages: Stages
    calibration_rows: int

    smallest_alpha: float | None
    """The least risk that so many calibration rows can tell, 1 / (n + 1)."""

    quantile: float | None
    """The threshold of the sets (q_hat) at the end."""

    weaknesses: tuple[Weakness, ...]


class Utrace:
    """The three stages as batches come. Keeps the calibration scores and a few floats a batch."""

    def __init__(self, stages: Stages, score: Score = "lac") -> None:
        self.stages, self.score = stages, score
        self._gathered: list[Floats] = []
        self._scores: Floats | None = None
        self._quantile: float | None = None
        self._alphas: list[float] = []  # NaN where a batch found none
        self._uncertainties: list[float] = []
        self._coverages: list[float] = []
        self._sizes: list[int] = []
        self._batches = {"INITIAL_CALIBRATION": 0, "UNCERTAINTY_ESTIMATION": 0, "PREDICTION_SET_CONSTRUCTION": 0}
        self._tested = self._right = 0

    def add(self, index: int, batch: Batch) -> Step:
        """Batches come in the order of their index; one without rows counts for nothing."""
        stage = self.stages.of(index)
        return self.follow(stage, batch, Cuts.of([batch.rows]))[0] if batch.rows else Step(stage)

    def follow(self, stage: StageName, rows: Batch, cuts: Cuts) -> list[Step]:
        """The same of the batches of one stage whose `rows` these are."""
        self._batches[stage] += len(cuts.sizes)
        if stage == "INITIAL_CALIBRATION":
            self._gathered.append(true_scores(rows, self.score))
            return [Step(stage)] * len(cuts.sizes)
        if stage == "UNCERTAINTY_ESTIMATION":
            return [self._estimate(stage, batch) for batch in rows.apart(cuts)]
        return self._construct(stage, rows, cuts)

    def evaluation(self) -> Evaluation:
        rows = sum(map(len, self._gathered)) if self._scores is None else len(self._scores)
        return Evaluation(
            uncertainty=_mean(self._uncertainties),
            alpha=_mean(self._alphas),
            coverage=_mean(self._coverages),
            max_set_size=max(self._sizes, default=None),
            accuracy=self._right / self._tested if self._tested else None,
            alpha_std=_deviation(self._alphas),
            uncertainty_std=_deviation(self._uncertainties),
            history=self._history(),
            score=self.score,
            stages=self.stages,
            calibration_rows=rows,
            smallest_alpha=1 / (rows + 1) if rows else None,
            quantile=self._quantile,
            weaknesses=tuple(self._weaknesses(rows)),
        )

    def _estimate(self, stage: StageName, batch: Batch) -> Step:
        scores = self._sorted()
        if not len(scores):
            return Step(stage)
        uncertainty, alpha = bound(scores, batch)
        if alpha is not None:
            self._quantile = quantile(scores, alpha)
        self._uncertainties.append(uncertainty)
        self._alphas.append(np.nan if alpha is None else alpha)
        return Step(stage, alpha=alpha, uncertainty=uncertainty)

    def _construct(self, stage: StageName, rows: Batch, cuts: Cuts) -> list[Step]:
        self._tested += rows.rows
        self._right += int(np.count_nonzero(rows.predicted == rows.labels))
        if self._quantile is None:
            return [Step(stage)] * len(cuts.sizes)
        chosen = sets(rows.probabilities, self._quantile, self.score)
        sizes, covered = chosen.sum(axis=1), chosen[np.arange(rows.rows), rows.labels]
        coverages = (np.add.reduceat(covered, cuts.starts, dtype=np.int64) / cuts.sizes).tolist()
        largest = np.maximum.reduceat(sizes, cuts.starts).tolist()
        means = (np.add.reduceat(sizes, cuts.starts) / cuts.sizes).tolist()
        self._coverages += coverages
        self._sizes += largest
        return [Step(stage, None, None, *told) for told in zip(coverages, largest, means, strict=True)]

    def _sorted(self) -> Floats:
        if self._scores is None:
            self._scores = np.sort(np.concatenate([np.empty(0), *self._gathered]))
            self._gathered = []
        return self._scores

    def _history(self) -> History:
        return History(
            alphas=tuple(None if np.isnan(alpha) else alpha for alpha in self._alphas),
            uncertainty=tuple(self._uncertainties),
            batch_coverage=tuple(self._coverages),
            batch_setsizes=tuple(self._sizes),
        )

    def _weaknesses(self, rows: int) -> list[Weakness]:
        calibration, uncertainty, sets_built = self._batches.values()
        found = [
            _short("calibration", calibration, self.stages.calibration_batches),
            _coarse(rows),
            _short("uncertainty", uncertainty, self.stages.uncertainty_batches),
            _undecided(self._alphas),
            None if sets_built else Weakness(code="no_prediction_sets"),
            Weakness(code="threshold_sets") if self.score == "aps" else None,
        ]
        return [weakness for weakness in found if weakness]


def evaluate(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    score: Score = "lac",
    batch_size: int = 64,
    calibration_batches: int = 11,
    uncertainty_batches: int = 10,
) -> Evaluation:
    """U-TraCE over rows that are cut into batches of `batch_size` in their order, the last one perhaps smaller.

    `probabilities` are (n, K), `labels` (n,), from 0 to K - 1. Too few rows for a stage give None where nothing can be
    said, and the reason among the weaknesses. Raises InvalidInput where rows or arguments are wrong.

    >>> told = evaluate(np.tile([0.9, 0.1], (2000, 1)), np.tile([0, 0, 0, 0, 1], 400))
    >>> told.coverage, told.max_set_size, told.accuracy, told.calibration_rows, told.weaknesses
    (1.0, 2, 0.7987804878048781, 704, ())
    """
    if score not in ("lac", "aps"):
        raise InvalidInput(f"no score {score!r}: choose lac or aps")
    if batch_size < 1 or calibration_batches < 0 or uncertainty_batches < 0:
        raise InvalidInput("batch_size must be at least 1, and the stages' batches at least 0")
    stages = Stages(calibration_batches=calibration_batches, uncertainty_batches=uncertainty_batches)
    utrace = Utrace(stages, score)
    for index, batch in enumerate(checked(probabilities, labels).cut(batch_size)):
        utrace.add(index, batch)
    return utrace.evaluation()


def _mean(values: list[float]) -> float | None:
    """Of those that are numbers."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _deviation(values: list[float]) -> float | None:
    return None if np.isnan(values).all() else float(np.nanstd(values))


def _short(stage: Literal["calibration", "uncertainty"], found: int, expected: int) -> Weakness | None:
    if not found:
        return Weakness(
            code="no_calibration" if stage == "calibration" else "no_uncertainty", figures={"expected": expected}
        )
    if found < expected:
        code: WeaknessCode = "short_calibration" if stage == "calibration" else "short_uncertainty"
        return Weakness(code=code, figures={"expected": expected, "found": found})
    return None


def _coarse(rows: int) -> Weakness | None:
    if not 0 < rows < FEWEST_ROWS:
        return None
    return Weakness(code="coarse_alpha", figures={"rows": rows, "smallest_alpha": 1 / (rows + 1)})


def _undecided(alphas: list[float]) -> Weakness | None:
    batches = int(np.isnan(alphas).sum())
    return Weakness(code="undecided_batches", figures={"batches": batches, "of": len(alphas)}) if batches else None
