"""The radio model is the report's: values worked out by hand from its tables."""

import numpy as np
import pytest

from quintet.handover.radio_model import (
    CORRELATED_M,
    SHADOWING_DB,
    Radio,
    chance_of_sight,
    hear,
    path_loss,
    sight_share,
    walk,
)

UMA, RMA = Radio("uma"), Radio("rma", mast_m=35)


def loss(metres: float, radio: Radio, *, in_sight: bool) -> float:
    return float(path_loss(np.array([metres]), radio, in_sight=in_sight)[0])


@pytest.mark.parametrize(
    ("metres", "radio", "in_sight", "expected"),
    [
        (100.0, UMA, True, 28 + 22 * np.log10(102.7241) + 20 * np.log10(3.5)),
        (1000.0, UMA, True, 28 + 40 * np.log10(1000.276) + 20 * np.log10(3.5) - 9 * np.log10(560**2 + 23.5**2)),
        (500.0, UMA, False, 13.54 + 39.08 * np.log10(500.552) + 20 * np.log10(3.5)),
        (1000.0, RMA, False, 130.42),
    ],
)
def test_path_loss_is_the_tables(metres: float, radio: Radio, in_sight: bool, expected: float) -> None:
    assert loss(metres, radio, in_sight=in_sight) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("radio", [UMA, RMA])
def test_loss_rises_with_the_distance_and_without_a_jump(radio: Radio) -> None:
    way = np.linspace(10, 4900, 4000)
    for in_sight in (True, False):
        rises = np.diff(path_loss(way, radio, in_sight=in_sight))
        assert (rises >= 0).all()
        assert rises.max() < 1.5
    assert (path_loss(way, radio, in_sight=False) >= path_loss(way, radio, in_sight=True)).all()


def test_what_is_near_is_in_sight() -> None:
    assert chance_of_sight(np.array([5.0, 10.0]), RMA).tolist() == [1, 1]
    assert float(chance_of_sight(np.array([1010.0]), RMA)[0]) == pytest.approx(np.exp(-1))
    assert float(chance_of_sight(np.array([63.0]), UMA)[0]) == pytest.approx(18 / 63 + np.exp(-1) * (1 - 18 / 63))
    near = sight_share(np.full((50, 3), 12.0), np.ones(49), UMA, np.random.default_rng(0))
    assert near.min() > 0.95


@pytest.mark.parametrize("metres", [100.0, 300.0])
def test_sights_are_as_frequent_as_the_table_says(metres: float) -> None:
    ground = np.full((2, 40_000), metres)
    share = sight_share(ground, np.array([0.0]), UMA, np.random.default_rng(1))[0]
    assert share.mean() == pytest.approx(float(chance_of_sight(np.array([metres]), UMA)[0]), abs=0.02)


def test_shadowing_is_correlated_over_its_distance() -> None:
    metres = 37.0
    walked = walk(20_000, np.full(4, metres / 2), metres, np.random.default_rng(2))
    assert walked.std() == pytest.approx(1, abs=0.02)
    for steps in (1, 2, 4):
        found = np.corrcoef(walked[0], walked[steps])[0, 1]
        assert found == pytest.approx(np.exp(-steps / 2), abs=0.03)
    assert SHADOWING_DB["uma", False] == 6
    assert CORRELATED_M["rma", False] == 120


def test_the_same_seed_measures_the_same_and_all_of_it_is_possible() -> None:
    path = np.column_stack([np.linspace(0, 1000, 60), np.full(60, 50.0)])
    cells = np.array([(0.0, 0.0), (1000.0, 0.0), (500.0, 866.0)])
    loads = np.full((60, 3), 0.5)
    first, again, other = (hear(path, cells, loads, UMA, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert np.array_equal(first.rsrp, again.rsrp)
    assert not np.array_equal(first.rsrp, other.rsrp)
    assert (first.rsrp[:5].argmax(axis=1) == 0).all()
    assert (first.rsrp[-5:].argmax(axis=1) == 1).all()
    for values, low, high in ((first.rsrp, -160, -30), (first.sinr, -20, 40), (first.rsrq, -30, -3)):
        assert np.isfinite(values).all()
        assert values.min() >= low
        assert values.max() <= high
