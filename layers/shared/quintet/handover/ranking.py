"""The model `lightgbm`: boosted trees that score each pair of a UE and a cell it hears.

Trained by the loss of the conditional logit over the heard cells, so that the softmax of the scores is a probability;
a temperature, fitted to the examples held out, makes up for over-confidence and is part of the published scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from quintet.handover.examples import Example
from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.learning import (
    Fit,
    Floats,
    Lists,
    Progress,
    Rows,
    classes,
    judged,
    lists_of,
    not_ready,
    parted,
    shares,
    silent,
    temperature,
)
from quintet.handover.messages import Kind
from quintet.handover.sights import Look
from quintet.kernel.errors import InvalidInput

Parameters = Mapping[str, Any]

GROWTH: Parameters = {
    "n_estimators": 100,
    "max_depth": 10,
    "num_leaves": 31,
    "learning_rate": 0.1,
    "feature_fraction": 1.0,
    "early_stopping_rounds": 20,
}
"""The original's, by LightGBM's names."""

ROUNDS_A_WORD = 10
"""Progress is told of every so many rounds."""

LEAST_LEAF = (1, 20)
"""Rows in a leaf, at least: LightGBM's 20, fewer where there are few rows."""


class Grown(Protocol):
    """Trees, trained."""

    @property
    def rounds(self) -> int: ...
    @property
    def importance(self) -> Floats:
        """(F,): shares of all gain."""
        ...

    def raw(self, rows: Rows) -> Floats:
        """(n, F) -> (n, 1) scores."""
        ...

    def onnx(self, *, scale: float = 1.0) -> bytes: ...


class Trees(Protocol):
    """What grows them."""

    def rank(
        self, learn: Lists, judge: Lists | None, parameters: Parameters, *, seed: int, on_round: Callable[[int], None]
    ) -> Grown: ...


@dataclass
class Ranking:
    """`lightgbm`."""

    trees: Trees
    parameters: Parameters = field(default_factory=lambda: dict(GROWTH))
    kind: Kind = "lightgbm"
    _grown: Grown | None = None
    _temperature: float = 1.0

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        check(examples)
        learn, held = parted(examples, seed)
        rows = telling(lists_of(learn, pair_features))
        self._grown = self.trees.rank(
            rows,
            lists_of(held, pair_features) if held else None,
            fitting(self.parameters, len(rows[0])),
            seed=seed,
            on_round=spoken(progress, int(self.parameters["n_estimators"])),
        )
        self._temperature = self._fitted(held)
        metrics = judged(self.scores([one.look for one in held]), held)
        more = {"rounds": self._grown.rounds, "temperature": self._temperature, "parameters": dict(self.parameters)}
        return Fit(len(examples), classes(examples), named(PAIR_FEATURES, self._grown.importance), metrics, more)

    def _fitted(self, held: Sequence[Example]) -> float:
        if not held or self._grown is None:
            return 1.0
        rows, sizes, answers = lists_of(held, pair_features)
        return temperature(self._grown.raw(rows)[:, 0], sizes, answers)

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        if self._grown is None:
            raise not_ready(self.kind)
        parts = [pair_features(look) for look in looks]
        if not parts:
            return []
        sizes = np.array([len(part) for part in parts])
        return shares(self._grown.raw(np.concatenate(parts))[:, 0], sizes, self._temperature)

    def files(self) -> dict[str, bytes]:
        if self._grown is None:
            raise not_ready(self.kind)
        return {"pairs.onnx": self._grown.onnx(scale=1 / self._temperature)}


def check(examples: Sequence[Example]) -> None:
    """Raises InvalidInput where nothing can be learnt."""
    if not examples:
        raise InvalidInput("There is nothing to learn from: send samples whose optimal_antenna is in their rf_metrics.")


def telling(lists: Lists) -> Lists:
    """Raises InvalidInput where all rows are alike: no tree could part them."""
    if (lists[0] == lists[0][0]).all():
        raise InvalidInput("There is nothing to learn from: all cells of all samples look alike. Send more of them.")
    return lists


def fitting(parameters: Parameters, rows: int) -> dict[str, Any]:
    """The parameters for so many rows: of few, small leaves may be made."""
    least, usual = LEAST_LEAF
    return {"min_data_in_leaf": max(least, min(usual, rows // 50)), **parameters}


def spoken(progress: Progress, rounds: int) -> Callable[[int], None]:
    def on_round(number: int) -> None:
        if number % ROUNDS_A_WORD == 0 or number == rounds:
            progress({"round": number, "of": rounds})

    return on_round


def named(names: Sequence[str], importance: Floats) -> dict[str, float]:
    return {name: round(float(share), 6) for name, share in zip(names, importance, strict=True)}
