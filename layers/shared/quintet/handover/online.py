"""The model `online`: a linear score of each pair, which goes on learning from feedback.

Stochastic gradient descent on the conditional logit's log loss, a look at a time (`Weights.learnt`), in numpy: what
serves needs no library to learn. The weights are kept in full, so learning goes on where it stopped. It heeds drift:
how fast it learns falls with what it has learnt, and is back at the beginning's once most recent outcomes were bad.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from quintet.handover.examples import Example
from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.learning import (
    Fit,
    Floats,
    Progress,
    Rows,
    classes,
    judged,
    not_ready,
    parted,
    silent,
    softmax,
)
from quintet.handover.messages import Kind
from quintet.handover.ranking import check, named
from quintet.handover.sights import Look

GRAPH = Path(__file__).parent / "model" / "online.onnx"
"""`features`, `mean`, `scale`, `weights`, `bias` -> `scores`: the same for all weights."""

EPOCHS = 5
RATE, DECAY = 0.05, 5e-4
"""The step of an update after `learnt` of them: RATE / (1 + DECAY · learnt)."""
SHRINK = 1e-4
"""Weights are drawn to zero by so much of themselves a unit step: L2 regularisation."""
SPREAD = 5.0
"""No feature counts for more than so many standard deviations: one odd value must not undo what was learnt."""
WINDOW, THRESHOLD = 50, 0.2
"""The original's: it is a drift where of WINDOW outcomes more than this share were failures."""


@dataclass(frozen=True)
class Weights:
    """All that the model is. `mean`, `scale`, `weights` (F,); `outcomes`: of the last WINDOW feedbacks, newest last."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float = 0.0
    updates: int = 0
    pace: int = 0
    outcomes: tuple[bool, ...] = ()
    drifts: int = 0

    def learnt(self, examples: Sequence[Example]) -> Self:
        """The weights after these, in their order."""
        return self.learnt_from([(pair_features(example.look), example.answer) for example in examples])

    def learnt_from(self, lists: Sequence[tuple[Rows, int]]) -> Self:
        """The weights after these: the rows (C, F) of a look's candidates, and the right one's number."""
        weights, pace = self.weights.copy(), self.pace
        for shown, answer in lists:
            rows = self._spread(shown)
            given = softmax(rows @ weights)
            given[answer] -= 1
            weights -= RATE / (1 + DECAY * pace) * (given @ rows + SHRINK * weights)
            pace += 1
        return replace(self, weights=as_kept(weights), pace=pace, updates=self.updates + len(lists))

    def fed(self, examples: Sequence[Example]) -> Self:
        """After feedback: its outcomes are counted, and a drift among them makes learning fast again."""
        outcomes = (*self.outcomes, *(example.success for example in examples))[-WINDOW:]
        drifted = len(outcomes) == WINDOW and outcomes.count(False) > THRESHOLD * WINDOW
        heard = replace(self, outcomes=() if drifted else outcomes, drifts=self.drifts + drifted)
        return (replace(heard, pace=0) if drifted else heard).learnt(examples)

    def scores(self, look: Look) -> Floats:
        return softmax(self._spread(pair_features(look)) @ self.weights + self.bias)

    def _spread(self, rows: Rows) -> Floats:
        return np.clip((rows.astype(np.float64) - self.mean) / self.scale, -SPREAD, SPREAD)

    def content(self) -> bytes:
        """`weights.json`; `weights_of` reads it."""
        said: dict[str, Any] = {"schema": 1, "features": PAIR_FEATURES}
        said |= {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights")}
        said |= {"bias": [self.bias], "updates": self.updates, "pace": self.pace}
        said |= {"outcomes": self.outcomes, "drifts": self.drifts}
        return json.dumps(said).encode()


def weights_of(content: bytes) -> Weights:
    """Raises ValueError and KeyError where it is no `weights.json` of ours."""
    said = json.loads(content)
    mean, scale, weights = (np.array(said[name], dtype=np.float64) for name in ("mean", "scale", "weights"))
    counted = {name: int(said[name]) for name in ("updates", "pace", "drifts")}
    return Weights(mean, scale, weights, float(said["bias"][0]), outcomes=tuple(said["outcomes"]), **counted)


@dataclass
class Online:
    kind: Kind = "online"
    graph: Path = field(default=GRAPH)
    weights: Weights | None = None

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        """Learn from the beginning: EPOCHS times over, each in another order."""
        check(examples)
        learn, held = parted(examples, seed)
        lists = [(pair_features(example.look), example.answer) for example in learn]
        random, weights = np.random.default_rng(seed), at_rest(np.concatenate([rows for rows, _ in lists]))
        for epoch in range(EPOCHS):
            weights = weights.learnt_from([lists[number] for number in random.permutation(len(lists))])
            progress({"round": epoch + 1, "of": EPOCHS})
        self.weights = replace(weights, updates=len(learn))
        metrics = judged(self.scores([one.look for one in held]), held)
        size = np.abs(self.weights.weights)
        importance = named(PAIR_FEATURES, size / size.sum() if size.sum() > 0 else size)
        return Fit(len(examples), classes(examples), importance, metrics, {"epochs": EPOCHS})

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        if self.weights is None:
            raise not_ready(self.kind)
        return [self.weights.scores(look) for look in looks]

    def files(self) -> dict[str, bytes]:
        if self.weights is None:
            raise not_ready(self.kind)
        return {"online.onnx": self.graph.read_bytes(), "weights.json": self.weights.content()}


def at_rest(rows: Rows) -> Weights:
    """Before anything is learnt: how features (N, F) are spread, and weights of zero."""
    mean, spread = rows.astype(np.float64).mean(axis=0), rows.astype(np.float64).std(axis=0)
    return Weights(as_kept(mean), as_kept(np.where(spread > 1e-6, spread, 1.0)), np.zeros(rows.shape[1]))


def as_kept(values: Floats) -> Floats:
    """Rounded to float32, as who serves them has them."""
    return values.astype(np.float32).astype(np.float64)
