"""The search for LightGBM's parameters: drawn at random, judged by cross-validation over UEs, the best taken.

The space is the original's; a drawn set's worth is its mean log loss over the folds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quintet.handover.examples import Example
from quintet.handover.features import pair_features
from quintet.handover.learning import Progress, lists_of, log_loss, shares, silent
from quintet.handover.ranking import GROWTH, Parameters, Trees, check, fitting
from quintet.kernel.errors import InvalidInput

Space = Mapping[str, tuple[float, float]]

SPACE: Space = {
    "num_leaves": (20, 149),
    "learning_rate": (0.01, 0.2),
    "feature_fraction": (0.6, 1.0),
    "n_estimators": (50, 199),
    "max_depth": (-1, 15),
}
WHOLE = frozenset({"num_leaves", "n_estimators", "max_depth"})


@dataclass(frozen=True)
class Found:
    parameters: Parameters
    log_loss: float
    draws: int


def tuned(
    examples: Sequence[Example], trees: Trees, *, draws: int, folds: int, seed: int, progress: Progress = silent
) -> Found:
    """The best of `draws` sets of parameters, the usual ones being the first; `progress` is told after each.

    Raises InvalidInput where there are fewer examples than folds.
    """
    check(examples)
    if len(examples) < folds:
        raise InvalidInput(f"Tuning with {folds} folds takes {folds} samples or more; {len(examples)} were sent.")
    random = np.random.default_rng(seed)
    parts, best = list(split(examples, folds, seed)), None
    for number in range(draws):
        parameters = dict(GROWTH) if number == 0 else {**GROWTH, **drawn(random)}
        loss = float(np.mean([worth(learn, held, trees, parameters, seed) for learn, held in parts]))
        if best is None or loss < best.log_loss:
            best = Found(parameters, loss, draws)
        progress({"draw": number + 1, "of": draws, "log_loss": round(loss, 6), "best": round(best.log_loss, 6)})
    assert best is not None
    return best


def drawn(random: np.random.Generator) -> dict[str, Any]:
    """One set out of SPACE; a depth of 0 means what -1 does to LightGBM: any."""
    values = {name: random.uniform(low, high) for name, (low, high) in SPACE.items() if name not in WHOLE}
    whole = {
        name: int(random.integers(int(low), int(high) + 1)) for name, (low, high) in SPACE.items() if name in WHOLE
    }
    return {**values, **whole}


def split(examples: Sequence[Example], folds: int, seed: int) -> Iterator[tuple[list[Example], list[Example]]]:
    """(to learn from, held out) `folds` times; every example is held out once, UEs as a whole where they are enough."""
    random = np.random.default_rng(seed)
    ues = sorted({example.ue for example in examples})
    whole = len(ues) >= folds
    keys = [ues.index(example.ue) for example in examples] if whole else list(range(len(examples)))
    fold = random.permutation(max(keys) + 1) % folds
    for number in range(folds):
        out = [fold[key] == number for key in keys]
        yield (
            [example for example, held in zip(examples, out, strict=True) if not held],
            [example for example, held in zip(examples, out, strict=True) if held],
        )


def worth(learn: Sequence[Example], held: Sequence[Example], trees: Trees, parameters: Parameters, seed: int) -> float:
    """The log loss on `held` of what was learnt from the others."""
    lists = lists_of(learn, pair_features)
    grown = trees.rank(lists, None, fitting(parameters, len(lists[0])), seed=seed, on_round=lambda _: None)
    rows, sizes, answers = lists_of(held, pair_features)
    return log_loss(shares(grown.raw(rows)[:, 0], sizes), answers)
