"""The model `ensemble`: the mean of what `lightgbm` and `lstm` say of each cell.

Both count alike: a weight fitted to what is held out follows its noise, and leaves one member alone to decide.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quintet.handover.examples import Example
from quintet.handover.learning import (
    Fit,
    Floats,
    Model,
    Progress,
    classes,
    judged,
    not_ready,
    parted,
    silent,
)
from quintet.handover.messages import Kind
from quintet.handover.ranking import check
from quintet.handover.sights import Look


@dataclass
class Ensemble:
    """`members` by their kinds, which learn from the same examples and hold out the same."""

    lightgbm: Model
    lstm: Model
    kind: Kind = "ensemble"
    weight: float = 0.5
    _fitted: bool = field(default=False)

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        check(examples)
        fits = {
            member.kind: member.fit(examples, seed=seed, progress=said_by(member.kind, progress))
            for member in (self.lightgbm, self.lstm)
        }
        self._fitted = True
        _, held = parted(examples, seed)
        metrics = judged(self.scores([one.look for one in held]), held)
        more = {"weights": self.weights(), **of_members(fits)}
        return Fit(len(examples), classes(examples), shared_out(fits), metrics, more)

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        if not self._fitted:
            raise not_ready(self.kind)
        return mixed(self.lightgbm.scores(looks), self.lstm.scores(looks), self.weight)

    def files(self) -> dict[str, bytes]:
        if not self._fitted:
            raise not_ready(self.kind)
        said = json.dumps({"schema": 1, "weights": self.weights()}).encode()
        return {**self.lightgbm.files(), **self.lstm.files(), "ensemble.json": said}

    def weights(self) -> dict[str, float]:
        return {"lightgbm": round(self.weight, 2), "lstm": round(1 - self.weight, 2)}


def mixed(first: Sequence[Floats], second: Sequence[Floats], weight: float) -> list[Floats]:
    return [weight * one + (1 - weight) * other for one, other in zip(first, second, strict=True)]


def said_by(kind: str, progress: Progress) -> Progress:
    def told(so_far: Mapping[str, Any]) -> None:
        progress({"member": kind, **so_far})

    return told


def shared_out(fits: Mapping[Kind, Fit]) -> dict[str, float]:
    """Half of every member's importance; a feature that both see counts with both."""
    total: dict[str, float] = {}
    for fit in fits.values():
        for name, share in fit.importance.items():
            total[name] = round(total.get(name, 0.0) + share / 2, 6)
    return total


def of_members(fits: Mapping[Kind, Fit]) -> dict[str, Any]:
    return {kind: dict(fit.metrics) for kind, fit in fits.items()}
