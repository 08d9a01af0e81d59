"""The A3 rule."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.handover.a3 import A3, shares_of
from quintet.handover.history import EMPTY, History
from quintet.handover.sights import Look
from tests.handover.choosing.drawn import any_looks
from tests.handover.choosing.world import sight


def driven(*margins: float, gap: float = 0.1) -> Look:
    """b over the serving cell a, in dB, at moments `gap` seconds apart."""
    sights = [sight(number * gap, "a", {"a": -80.0, "b": -80.0 + margin}) for number, margin in enumerate(margins)]
    return Look(sights[-1], History(tuple(sights[:-1])))


@pytest.mark.parametrize(("margin", "target"), [(1.9, "a"), (2.0, "a"), (2.1, "b"), (-5.0, "a")])
def test_a_neighbour_must_be_better_by_more_than_the_hysteresis(margin: float, target: str) -> None:
    assert A3(2.0, 0.0).target(driven(margin)).cell == target


@pytest.mark.parametrize(
    ("margins", "target"),
    [
        ([4.0, 4.0, 4.0, 4.0], "b"),
        ([4.0, 4.0, 4.0], "a"),
        ([4.0, 2.9, 4.0, 4.0], "a"),
        ([0.0, 4.0, 4.0, 4.0, 4.0], "b"),
        ([4.0, 4.0, 4.0, 2.0], "a"),
    ],
)
def test_it_must_stay_so_for_the_time_to_trigger(margins: list[float], target: str) -> None:
    assert A3(3.0, 0.256).target(driven(*margins)).cell == target


def test_of_those_that_trigger_the_strongest_is_taken() -> None:
    look = Look(sight(0.0, "a", {"a": -90.0, "b": -80.0, "c": -75.0}), EMPTY)
    assert A3().target(look).cell == "c"
    assert A3().target(Look(sight(0.0, None, {"b": -80.0, "c": -75.0}), EMPTY)).cell == "c"
    assert A3(2.0, 5.0).target(Look(sight(0.0, "gone", {"b": -80.0, "c": -75.0}), EMPTY)).cell == "c"


def test_shares_agree_with_the_rule() -> None:
    for margin in (1.0, 3.0):
        look = driven(margin)
        shares = A3().shares(look)
        cells = [candidate.cell for candidate in look.sight.candidates]
        assert cells[shares.index(max(shares))] == A3().target(look).cell


@settings(max_examples=40)
@given(any_looks(), st.floats(0, 15), st.floats(0, 10))
def test_it_answers_a_cell_that_is_heard(look: Look, hysteresis: float, seconds: float) -> None:
    rule = A3(hysteresis, seconds)
    assert rule.target(look) in look.sight.candidates
    assert math.isclose(sum(rule.shares(look)), 1.0)


def test_four_decibels_are_a_factor_of_e() -> None:
    one, other = shares_of([-80.0, -84.0])
    assert one / other == pytest.approx(math.e)
