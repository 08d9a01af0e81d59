"""The committed model is better than the baselines, on the late part of real people's traces."""

from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from gpu_workers.forecaster.people import Person, load, unbroken
from quintet.glucose.accuracy import alarms, band, glucobench, in_ranges, log_likelihood, point_errors
from tests.bench import glucose_accuracy as bench


@pytest.fixture(scope="module")
def everyone(shared_data: Path) -> list[Person]:
    return load(shared_data / "glucose" / "iglu_5_subjects.csv")


@pytest.fixture(scope="module")
def report(everyone: list[Person]) -> bench.Report:
    return bench.report(bench.examine(everyone, with_arima=find_spec("statsmodels") is not None))


@pytest.mark.parametrize("measure", ["rmse_30", "rmse_60", "mae_30", "mae_60"])
@pytest.mark.parametrize("baseline", ["persistence", "linear", "ARIMA"])
def test_better_than_the_baselines(report: bench.Report, baseline: str, measure: str) -> None:
    if baseline not in report.errors["all"]:
        pytest.skip("the ARIMA baseline is by statsmodels, which is not installed")
    assert report.errors["all"]["forecaster"][measure] < report.errors["all"][baseline][measure]


def test_the_band_holds_what_it_says(report: bench.Report) -> None:
    assert report.band_by_last_reading["all"]["coverage"] == pytest.approx(0.8, abs=0.03)
    for name in ("70–180", ">180"):
        assert report.band_by_last_reading[name]["coverage"] == pytest.approx(0.8, abs=0.05)


def test_early_and_late_share_no_reading(everyone: list[Person]) -> None:
    early, late = everyone[0].parted()
    assert early.trace[-1, 0] < late.trace[0, 0]
    assert len(early.trace) + len(late.trace) == len(everyone[0].trace)


def test_long_gaps_part_a_trace_and_short_ones_are_bridged() -> None:
    minutes = np.array([0, 5, 10, 40, 45, 100, 105])
    stretches = list(unbroken(np.column_stack([minutes * 60.0, 100.0 + minutes])))
    assert [len(stretch) for stretch in stretches] == [10, 2]
    assert stretches[0] == pytest.approx(np.arange(100, 150, 5))


def test_the_filter_s_states_are_the_library_s_own_forecast() -> None:
    arima = pytest.importorskip("tests.bench.arima", reason="the ARIMA baseline is by statsmodels")
    random = np.random.default_rng(1)
    series = 120 + np.cumsum(random.normal(0, 3, 150))
    model = arima.fitted([series], (2, 0, 1))
    ahead = arima.ahead(model, [series])
    assert len(ahead) == 150 - 107
    assert ahead[-1] == pytest.approx(model.apply(series[:-12]).forecast(12), abs=1e-6)


def test_measures_are_what_they_are_called() -> None:
    truth = np.full((3, 12), 100.0)
    forecast = truth + np.array([[1.0], [2.0], [6.0]])
    errors = point_errors(forecast, truth)
    assert errors.mae[30] == pytest.approx(3)
    assert errors.rmse[60] == pytest.approx(np.sqrt((1 + 4 + 36) / 3))
    assert tuple(glucobench(forecast, truth)) == pytest.approx((2, 2))
    assert tuple(band(truth - 3, truth + 3, forecast)) == pytest.approx((2 / 3, 6))


def test_a_likelihood_is_that_of_the_normal_distribution_behind_the_quantiles() -> None:
    levels, normal = (0.1, 0.3, 0.5, 0.7, 0.9), NormalDist(140, 25)
    truth = np.array([[60.0, 135, 150, 230]])
    quantiles = np.tile([normal.inv_cdf(level) for level in levels], (1, 4, 1))
    expected = np.mean([np.log(normal.pdf(value)) for value in truth[0]])
    assert log_likelihood(quantiles, levels, truth) == pytest.approx(expected, abs=1e-2)


def test_ranges_and_alarms_are_counted() -> None:
    assert [int(mask.sum()) for mask in in_ranges(np.array([50.0, 70, 100, 180, 300, 400])).values()] == [1, 3, 2]
    nothing = np.zeros(3, bool)
    assert alarms(nothing, nothing) == (None, None, 0, 0)
