"""The chance of a low follows from the forecast's quantiles, and an alarm from the chance."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from quintet.glucose.hypoglycaemia import LOW, THRESHOLD, alarm, below, risk
from quintet.glucose.messages import Hypoglycaemia

LEVELS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)


def normal(mean: float, deviation: float) -> list[float]:
    return [NormalDist(mean, deviation).inv_cdf(level) for level in LEVELS]


@pytest.mark.parametrize(("mean", "deviation"), [(100.0, 20.0), (75, 5), (60, 10), (200, 15)])
def test_of_a_normal_forecast_the_chance_is_exact(mean: float, deviation: float) -> None:
    chances = below(np.array([normal(mean, deviation)] * 12), LEVELS)
    assert chances == pytest.approx([NormalDist(mean, deviation).cdf(LOW)] * 12)


def test_the_hour_is_as_risky_as_its_riskiest_step() -> None:
    quantiles = np.array([normal(110, 10)] * 11 + [normal(80, 10)])
    assert risk(quantiles, LEVELS) == pytest.approx(NormalDist().cdf(-1))


@given(some.lists(some.floats(39, 400), min_size=len(LEVELS), max_size=len(LEVELS)))
def test_any_forecast_has_a_chance(values: list[float]) -> None:
    quantiles = np.tile(sorted(values), (12, 1))
    chance = risk(quantiles, LEVELS)
    assert 0 <= chance <= 1
    assert risk(quantiles - 5, LEVELS) >= chance - 1e-9


def test_equal_quantiles_divide_nothing_by_zero() -> None:
    assert risk(np.full((12, 7), 60.0), LEVELS) > 0.99
    assert risk(np.full((12, 7), 90.0), LEVELS) < 0.01


def test_the_alarm_is_raised_from_its_threshold_on() -> None:
    assert alarm(THRESHOLD)
    assert not alarm(THRESHOLD - 1e-9)


def test_it_says_that_it_is_no_basis_for_treatment() -> None:
    assert "no basis for treatment" in Hypoglycaemia(probability=0.9, alarm=True).notice
