"""The model `fixed_labels`: the original's, which classifies a UE among the labels of its training.

It may answer a cell that the UE does not hear. It is here by its name only; see decision 0013.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from quintet.handover.examples import Example
from quintet.handover.features import NEIGHBOURS, label_features, label_names
from quintet.handover.learning import (
    Fit,
    Floats,
    Progress,
    Rows,
    Whole,
    cell,
    classes,
    judged,
    not_ready,
    parted,
    silent,
    softmax,
)
from quintet.handover.messages import Kind
from quintet.handover.ranking import GROWTH, Grown, Parameters, check, fitting, named, spoken
from quintet.handover.sights import Look


class LabelTrees(Protocol):
    def classify(
        self,
        learn: tuple[Rows, Whole],
        judge: tuple[Rows, Whole] | None,
        classes: int,
        parameters: Parameters,
        *,
        seed: int,
        on_round: Callable[[int], None],
    ) -> Grown: ...


@dataclass
class FixedLabels:
    trees: LabelTrees
    neighbours: int = NEIGHBOURS
    parameters: Parameters = field(default_factory=lambda: dict(GROWTH))
    kind: Kind = "fixed_labels"
    labels: tuple[str, ...] = ()
    _grown: Grown | None = None

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        check(examples)
        self.labels = tuple(sorted({cell(example, example.answer) for example in examples}))
        learn, held = parted(examples, seed)
        self._grown = self.trees.classify(
            self._table(learn),
            self._table(held) if held else None,
            max(2, len(self.labels)),  # softmax needs two; of one, the other is never right
            fitting(self.parameters, len(learn)),
            seed=seed,
            on_round=spoken(progress, int(self.parameters["n_estimators"])),
        )
        importance = named(label_names(self.neighbours), self._grown.importance)
        more = {"rounds": self._grown.rounds, "parameters": dict(self.parameters)}
        return Fit(len(examples), classes(examples), importance, self._judged(held), more)

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        """Of the heard cells alone, as others' scores; all alike where none of them is a label."""
        given = self.given(looks)
        return [among(look, dict(zip(self.labels, row, strict=True))) for look, row in zip(looks, given, strict=True)]

    def given(self, looks: Sequence[Look]) -> Floats:
        """(n, K): how likely each label is. Raises ModelNotReadyError before `fit`."""
        if self._grown is None:
            raise not_ready(self.kind)
        if not looks:
            return np.empty((0, len(self.labels)))
        raw = self._grown.raw(self._rows(looks))[:, : len(self.labels)]
        return np.array([softmax(row) for row in raw])

    def files(self) -> dict[str, bytes]:
        if self._grown is None:
            raise not_ready(self.kind)
        return {"labels.onnx": self._grown.onnx(), "labels.json": self._named()}

    def _named(self) -> bytes:
        """One label has a second beside it, as the trees do: the empty one, which nobody hears."""
        labels = self.labels if len(self.labels) > 1 else (*self.labels, "")
        return json.dumps({"schema": 1, "labels": labels}).encode()

    def _rows(self, looks: Sequence[Look]) -> Rows:
        return np.stack([label_features(look, self.neighbours) for look in looks]).astype(np.float32)

    def _table(self, examples: Sequence[Example]) -> tuple[Rows, Whole]:
        right = [self.labels.index(cell(example, example.answer)) for example in examples]
        return self._rows([example.look for example in examples]), np.array(right, dtype=np.int64)

    def _judged(self, held: Sequence[Example]) -> dict[str, float | None]:
        return judged(self.scores([one.look for one in held]), held)


def among(look: Look, given: dict[str, float]) -> Floats:
    """What the heard cells have of it, made to add up to 1."""
    parts = np.array([given.get(candidate.cell, 0.0) for candidate in look.sight.candidates])
    if parts.sum() <= 0:
        return np.full(len(parts), 1 / len(parts))
    shared: Floats = parts / parts.sum()
    return shared
