"""The committed model is better than saying that nothing will change, on people and a sensor it never saw."""

from pathlib import Path

import numpy as np
import pytest

from quintet.glucose.accuracy import band, glucobench, point_errors
from tests.bench.glucose_accuracy import compare, people, unbroken


@pytest.fixture(scope="module")
def figures(shared_data: Path) -> dict[str, dict[str, float]]:
    return compare(people(shared_data / "glucose" / "iglu_5_subjects.csv"))


@pytest.mark.parametrize("measure", ["rmse_30", "rmse_60", "mae_30", "mae_60"])
def test_better_than_persistence(figures: dict[str, dict[str, float]], measure: str) -> None:
    assert figures["forecaster"][measure] < 0.95 * figures["persistence"][measure]


def test_the_band_holds_about_what_it_says(figures: dict[str, dict[str, float]]) -> None:
    assert 0.7 < figures["forecaster"]["band80_coverage"] < 0.9


def test_long_gaps_part_a_trace_and_short_ones_are_bridged() -> None:
    minutes = np.array([0, 5, 10, 40, 45, 100, 105])
    stretches = list(unbroken(np.column_stack([minutes * 60.0, 100.0 + minutes])))
    assert [len(stretch) for stretch in stretches] == [10, 2]
    assert stretches[0] == pytest.approx(np.arange(100, 150, 5))


def test_measures_are_what_they_are_called() -> None:
    truth = np.full((3, 12), 100.0)
    forecast = truth + np.array([[1.0], [2.0], [6.0]])
    errors = point_errors(forecast, truth)
    assert errors.mae[30] == pytest.approx(3)
    assert errors.rmse[60] == pytest.approx(np.sqrt((1 + 4 + 36) / 3))
    assert tuple(glucobench(forecast, truth)) == pytest.approx((2, 2))
    assert tuple(band(truth - 3, truth + 3, forecast)) == pytest.approx((2 / 3, 6))
