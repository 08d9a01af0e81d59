"""The search for parameters: its draws, its folds, and what it says meanwhile."""

import numpy as np
import pytest

from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.handover import bootstrap
from quintet.handover.examples import Example, examples_of
from quintet.handover.learning import parted
from quintet.handover.ranking import GROWTH
from quintet.handover.tuning import SPACE, drawn, split, tuned
from quintet.kernel.errors import InvalidInput


@pytest.fixture(scope="module")
def drives() -> list[Example]:
    return examples_of(bootstrap.drawn(np.random.default_rng(12), samples=160), 0.0)


def test_draws_lie_in_the_originals_space() -> None:
    random = np.random.default_rng(0)
    draws = [drawn(random) for _ in range(500)]
    for name, (low, high) in SPACE.items():
        values = [draw[name] for draw in draws]
        assert low <= min(values) < low + 0.1 * (high - low) + 1
        assert high - 0.1 * (high - low) - 1 < max(values) <= high


def test_the_best_of_the_draws_is_taken_and_each_is_told_of(drives: list[Example]) -> None:
    told: list[dict[str, object]] = []
    found = tuned(drives, LightgbmTrees(), draws=3, folds=2, seed=1, progress=lambda word: told.append(dict(word)))
    again = tuned(drives, LightgbmTrees(), draws=3, folds=2, seed=1)
    assert found == again
    assert [(word["draw"], word["of"]) for word in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[-1]["best"] == round(found.log_loss, 6) == min(float(str(word["log_loss"])) for word in told)
    assert set(found.parameters) >= set(GROWTH)


def test_every_example_is_held_out_once_and_no_ue_is_on_both_sides(drives: list[Example]) -> None:
    held_out: list[Example] = []
    for learn, held in split(drives, 3, 1):
        assert not {one.ue for one in learn} & {one.ue for one in held}
        assert len(learn) + len(held) == len(drives)
        held_out += held
    assert len(held_out) == len(drives)


def test_fewer_examples_than_folds_are_refused(drives: list[Example]) -> None:
    with pytest.raises(InvalidInput, match="3 folds"):
        tuned(drives[:2], LightgbmTrees(), draws=1, folds=3, seed=1)


def test_validation_holds_out_whole_ues_a_fifth_or_so() -> None:
    many = examples_of(bootstrap.drawn(np.random.default_rng(12), samples=900), 0.0)
    learn, held = parted(many, 42)
    assert not {one.ue for one in learn} & {one.ue for one in held}
    assert 0.15 < len(held) / len(many) < 0.35
    one_ue = [one for one in many if one.ue == many[0].ue]
    learn, held = parted(one_ue, 42)
    assert 0.1 < len(held) / len(one_ue) < 0.3
    assert parted(one_ue[:5], 42)[1] == []


def test_what_was_sent_twice_is_held_out_twice() -> None:
    drive = [one for one in examples_of(bootstrap.drawn(np.random.default_rng(12)), 0.0) if one.ue == "drive-0000"]
    learn, held = parted([*drive, *drive], 42)
    assert held
    assert not {one.look.sight.at for one in learn} & {one.look.sight.at for one in held}


def test_a_few_that_were_sent_again_and_again_are_on_both_sides() -> None:
    few = [one for one in examples_of(bootstrap.drawn(np.random.default_rng(12)), 0.0) if one.ue == "drive-0000"][:2]
    learn, held = parted(few * 20, 42)
    assert len(held) == 8
    assert {one.look.sight.at for one in learn} == {one.look.sight.at for one in held}
