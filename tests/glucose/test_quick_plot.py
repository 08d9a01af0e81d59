"""From an export to the figure, with a forecaster that foresees nothing."""

import base64
from datetime import timedelta

import numpy as np
import pytest

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose.messages import ProcessRequest, QuickPlotResponse
from quintet.glucose.ports import Forecaster
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.wiring import MODEL
from quintet.kernel.settings import read

SAMPLES = next(iter(virtual_patients().values()))
SETTINGS = read(GlucoseForecast, {})


def plot(content: bytes, forecaster: Forecaster | None = None) -> QuickPlotResponse:
    request = ProcessRequest(csv_base64=base64.b64encode(content).decode())
    return quick_plot(request, forecaster or PersistenceForecaster(), SETTINGS)


def unified(samples: list[Sample], *more: str) -> bytes:
    rows = [f"{it.time.isoformat()},{it.glucose},,,," for it in samples]
    return "\n".join(["datetime,glucose,carbs,insulin_slow,insulin_fast,exercise", *rows, *more, ""]).encode()


def test_the_last_hour_is_foreseen_from_before_it_and_the_next_from_its_end() -> None:
    answer = plot(write_dexcom(SAMPLES))
    truth, median = answer.plot_data["data"][12:]
    assert median["y"] == pytest.approx([truth["y"][11]] * 13, abs=0.1)
    assert answer.forecast is not None
    assert answer.forecast.median == pytest.approx([truth["y"][-1]] * 12, abs=0.1)
    assert answer.forecast.notice.endswith("no basis for treatment.")


@pytest.mark.parametrize(("readings", "enough"), [(107, False), (109, True), (300, True)])
def test_nine_hours_are_needed(readings: int, enough: bool) -> None:
    answer = plot(unified(SAMPLES[:readings]))
    assert (answer.error is None) == enough
    assert bool(answer.plot_data) == enough


def test_a_meal_noted_after_the_last_reading_costs_nothing() -> None:
    samples = SAMPLES[:144]
    meal = (samples[-1].time + timedelta(minutes=20)).isoformat()
    answer = plot(unified(samples, f"{meal},,30,,,"))
    assert answer.error is None
    assert answer.forecast is not None


def test_only_what_follows_the_last_long_gap_counts() -> None:
    early, late = SAMPLES[:150], SAMPLES[200:320]
    answer = plot(unified([*early, *late]))
    assert answer.error is None
    assert answer.plot_data["data"][12]["x"][-1][:16] == late[-1].time.isoformat()[:16]


def test_a_short_gap_is_filled_and_said() -> None:
    answer = plot(unified([*SAMPLES[:100], *SAMPLES[102:150]]))
    assert answer.error is None
    assert answer.warnings.imputation


def test_low_and_high_are_read() -> None:
    export = write_dexcom([Sample(it.time, 450.0, 0, 0) for it in SAMPLES[:150]])
    answer = plot(export)
    assert answer.warnings.out_of_range
    assert np.isfinite(answer.plot_data["data"][12]["y"]).all()


def test_forecasts_that_touch_the_sensors_limit_are_drawn() -> None:
    falling = np.linspace(601, 501, 130).round(2).tolist()
    samples = [Sample(it.time, level, 0, 0) for it, level in zip(SAMPLES, falling, strict=False)]
    answer = plot(unified(samples), OnnxForecaster(MODEL))
    assert answer.error is None
    assert {trace["name"] for trace in answer.plot_data["data"][-2:]} == {"True Values", "Median Forecast"}
