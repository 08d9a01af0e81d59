"""What every model that learns has in common: examples as arrays, what is held out, how right it is.

A model is shown, of each example, a list of rows: one a cell that is heard. It gives each row a score; the softmax over
the list's scores says how likely each cell is the right one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.handover.errors import ModelNotReadyError
from quintet.handover.examples import Example
from quintet.handover.messages import Kind
from quintet.handover.sights import Look

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Whole = NDArray[np.int64]
Lists = tuple[Rows, Whole, Whole]
"""Rows (N, …) in n lists, the lists' sizes (n,) that sum to N, and the right row of each (n,)."""

Progress = Callable[[Mapping[str, Any]], None]
"""Is told how far a training is; may raise, and so end it."""

VALIDATION = 0.2
STRETCHES = 20
LEAST_VALIDATED = 10
"""Of fewer examples none is held out: a figure of one example would say nothing."""


def silent(_: Mapping[str, Any]) -> None:
    """Nobody asks how far it is."""


@dataclass(frozen=True)
class Fit:
    """What came of a training. `metrics` are of the examples held out, null where there were too few to hold any."""

    samples: int
    classes: int
    importance: Mapping[str, float]
    metrics: Mapping[str, float | None]
    more: Mapping[str, Any] = field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """The original's `metrics`."""
        return {
            "samples": self.samples,
            "classes": self.classes,
            "feature_importance": dict(self.importance),
            "val_accuracy": self.metrics.get("val_accuracy"),
            "val_f1": self.metrics.get("val_f1"),
        }


class Model(Protocol):
    """A model that can be trained, and then asked."""

    @property
    def kind(self) -> Kind: ...

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        """Learn; the same from the same examples with the same seed. Raises InvalidInput where they teach nothing."""
        ...

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        """For each look one number a candidate, which add up to 1. Raises ModelNotReadyError before `fit`."""
        ...

    def files(self) -> dict[str, bytes]:
        """What is published: all that is needed to serve it. Raises ModelNotReadyError before `fit`."""
        ...


def lists_of(examples: Sequence[Example], rows: Callable[[Look], Rows]) -> Lists:
    parts = [rows(example.look) for example in examples]
    sizes = np.array([len(part) for part in parts], dtype=np.int64)
    return np.concatenate(parts).astype(np.float32), sizes, np.array([one.answer for one in examples], dtype=np.int64)


def parted(examples: Sequence[Example], seed: int, share: float = VALIDATION) -> tuple[list[Example], list[Example]]:
    """(to learn from, held out): whole UEs where there are five or more, so that no drive is on both sides; else
    stretches of their drives.
    """
    if len(examples) < LEAST_VALIDATED:
        return list(examples), []
    random = np.random.default_rng(seed)
    ues = sorted({example.ue for example in examples})
    held = _drawn_ues(examples, ues, random, share) if len(ues) >= 5 else _drawn_stretches(examples, random, share)
    learn = [one for one, out in zip(examples, held, strict=True) if not out]
    return learn, [one for one, out in zip(examples, held, strict=True) if out]


def _drawn_stretches(examples: Sequence[Example], random: np.random.Generator, share: float) -> list[bool]:
    """Neighbours in time are nearly the same, and copies are: both stay together, where not all are copies of a few."""
    places: dict[object, int] = {}
    for example in sorted(examples, key=lambda one: (one.ue, one.look.sight.at)):
        places.setdefault(_seen(example), len(places))
    if len(places) < LEAST_VALIDATED:
        return _drawn_rows(len(examples), random, share)
    length = max(1, len(places) // STRETCHES)
    out = _drawn_rows(-(-len(places) // length), random, share)
    return [out[places[_seen(example)] // length] for example in examples]


def _seen(example: Example) -> object:
    sight = example.look.sight
    return example.ue, sight.x, sight.y, sight.serving, sight.candidates, example.answer


def _drawn_rows(count: int, random: np.random.Generator, share: float) -> list[bool]:
    out = set(random.permutation(count)[: max(1, round(share * count))].tolist())
    return [number in out for number in range(count)]


def _drawn_ues(
    examples: Sequence[Example], ues: Sequence[str], random: np.random.Generator, share: float
) -> list[bool]:
    """UEs are held out, in a drawn order, until they have their share of the examples; never the most of them."""
    counts: dict[str, int] = {}
    for example in examples:
        counts[example.ue] = counts.get(example.ue, 0) + 1
    out: set[str] = set()
    taken = 0
    for number in random.permutation(len(ues)):
        if taken >= share * len(examples):
            break
        if taken + counts[ues[number]] <= len(examples) / 2:
            out.add(ues[number])
            taken += counts[ues[number]]
    return [example.ue in out for example in examples] if out else _drawn_stretches(examples, random, share)


def shares(scores: Floats, sizes: Whole, temperature: float = 1.0) -> list[Floats]:
    """Softmax within each list.

    >>> [part.round(3).tolist() for part in shares(np.array([0.0, 0.0, 5.0]), np.array([2, 1]))]
    [[0.5, 0.5], [1.0]]
    """
    return [softmax(part / temperature) for part in np.split(scores, np.cumsum(sizes)[:-1])]


def softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    part: Floats = powers / powers.sum()
    return part


def log_loss(given: Sequence[Floats], answers: Sequence[int] | Whole) -> float:
    """Mean of -log of what the right one was given."""
    right = [part[answer] for part, answer in zip(given, answers, strict=True)]
    return float(-np.log(np.maximum(right, 1e-15)).mean())


def temperature(scores: Floats, sizes: Whole, answers: Whole) -> float:
    """What scores are to be divided by for the least log loss, 1/3 to 3 (Guo et al., 2017); to a hundredth.

    The logarithm's loss is convex in 1/temperature, so a golden section finds its least.
    """
    low, high, section = 1 / 3, 3.0, (5**0.5 - 1) / 2
    while high - low > 1e-3:
        first, second = high - section * (high - low), low + section * (high - low)
        if _loss_at(first, scores, sizes, answers) <= _loss_at(second, scores, sizes, answers):
            high = second
        else:
            low = first
    return round(2 / (low + high), 2)


def _loss_at(slope: float, scores: Floats, sizes: Whole, answers: Whole) -> float:
    return log_loss(shares(scores, sizes, 1 / slope), answers)


def judged(given: Sequence[Floats], examples: Sequence[Example]) -> dict[str, float | None]:
    """How right these answers are, beside that of naming the strongest cell; nulls where there are no examples."""
    if not examples:
        return dict.fromkeys(("val_accuracy", "val_f1", "val_log_loss", "val_strongest"))
    truth = [cell(example, example.answer) for example in examples]
    named = [cell(example, int(part.argmax())) for part, example in zip(given, examples, strict=True)]
    strongest = [_strongest(example.look) for example in examples]
    return {
        "val_accuracy": accuracy(named, truth),
        "val_f1": weighted_f1(named, truth),
        "val_log_loss": round(log_loss(given, [example.answer for example in examples]), 6),
        "val_strongest": accuracy(strongest, truth),
    }


def cell(example: Example, number: int) -> str:
    return example.look.sight.candidates[number].cell


def _strongest(look: Look) -> str:
    return max(look.sight.candidates, key=lambda candidate: (candidate.rsrp, candidate.sinr)).cell


def accuracy(named: Sequence[str], truth: Sequence[str]) -> float:
    return round(sum(one == right for one, right in zip(named, truth, strict=True)) / len(truth), 6)


def weighted_f1(named: Sequence[str], truth: Sequence[str]) -> float:
    """F1 of every cell, weighted with how often it is right.

    >>> weighted_f1(["a", "a", "b"], ["a", "b", "b"])
    0.666667
    """
    return round(sum(truth.count(name) * _f1(name, named, truth) for name in sorted(set(truth))) / len(truth), 6)


def _f1(name: str, named: Sequence[str], truth: Sequence[str]) -> float:
    both = sum(one == right == name for one, right in zip(named, truth, strict=True))
    return 2 * both / (list(named).count(name) + list(truth).count(name))


def classes(examples: Sequence[Example]) -> int:
    """How many cells are the right one of some example."""
    return len({cell(example, example.answer) for example in examples})


def not_ready(kind: Kind) -> ModelNotReadyError:
    return ModelNotReadyError(f"The {kind} model is not trained: train it, or load a version of it.")
