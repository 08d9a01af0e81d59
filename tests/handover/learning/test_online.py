"""The online model goes on learning, remembers all it needs for that, and heeds drift."""

from dataclasses import replace

import numpy as np
import pytest

from quintet.handover import bootstrap
from quintet.handover.examples import Example, examples_of
from quintet.handover.online import WINDOW, Online, Weights, weights_of
from quintet.handover.sights import Look


@pytest.fixture(scope="module")
def drives() -> list[Example]:
    return examples_of(bootstrap.drawn(np.random.default_rng(11), samples=600), 0.0)


@pytest.fixture(scope="module")
def weights(drives: list[Example]) -> Weights:
    model = Online()
    model.fit(drives[:300], seed=1)
    assert model.weights is not None
    return model.weights


def weakest(example: Example, *, success: bool = False) -> Example:
    """As if the weakest cell were the right one."""
    powers = [candidate.rsrp for candidate in example.look.sight.candidates]
    return replace(example, answer=int(np.argmin(powers)), success=success)


def right(weights: Weights, examples: list[Example]) -> float:
    return float(np.mean([int(weights.scores(one.look).argmax()) == one.answer for one in examples]))


def test_it_goes_on_where_it_was_kept(weights: Weights, drives: list[Example]) -> None:
    at_once = weights.fed(drives[300:400])
    kept = weights_of(weights_of(weights.fed(drives[300:350]).content()).fed(drives[350:400]).content())
    assert np.allclose(kept.weights, at_once.weights, atol=1e-6)
    assert (kept.updates, kept.outcomes) == (weights.updates + 100, at_once.outcomes)


def test_it_learns_what_has_changed(weights: Weights, drives: list[Example]) -> None:
    turned = [weakest(example) for example in drives if len(example.look.sight.candidates) > 1]
    before = right(weights, turned[-100:])
    after = weights.fed(turned[:-100]).fed(turned[:-100])
    assert right(after, turned[-100:]) > before + 0.3


def test_bad_outcomes_make_it_learn_fast_again(weights: Weights, drives: list[Example]) -> None:
    well = [replace(example, success=True) for example in drives[:WINDOW]]
    badly = [replace(example, success=number % 4 > 0) for number, example in enumerate(well)]
    calm, drifted = weights.fed(well), weights.fed(badly)
    assert calm.pace == weights.pace + WINDOW
    assert (drifted.pace, drifted.drifts, drifted.outcomes) == (WINDOW, 1, ())
    assert weights.fed(badly[: WINDOW - 1]).drifts == 0


def test_one_odd_value_undoes_nothing(weights: Weights, drives: list[Example]) -> None:
    sight = drives[0].look.sight
    odd = tuple(candidate._replace(rsrp=1e12) for candidate in sight.candidates)
    example = replace(drives[0], look=Look(replace(sight, candidates=odd, speed=1e12), drives[0].look.history))
    after = weights.fed([example] * 5)
    assert np.isfinite(after.weights).all()
    assert right(after, drives[300:]) > right(weights, drives[300:]) - 0.1


def test_unreadable_weights_are_no_weights() -> None:
    for content in (b"", b"{}", b'{"mean": 1}'):
        with pytest.raises((ValueError, KeyError)):
            weights_of(content)
