"""From an export to the figure, with a forecaster that foresees nothing."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose.messages import ProcessRequest, QuickPlotResponse
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.wiring import MODEL
from quintet.glucose.workshop import Workshop
from tests.glucose.conftest import SOMEBODY

SAMPLES = next(iter(virtual_patients().values()))
Plot = Callable[[bytes], QuickPlotResponse]


@pytest.fixture
def plot(workshop: Workshop) -> Plot:
    def plotted(content: bytes) -> QuickPlotResponse:
        return quick_plot(ProcessRequest(csv_base64=base64.b64encode(content).decode()), SOMEBODY, workshop)

    return plotted


def unified(samples: list[Sample], *more: str) -> bytes:
    rows = [f"{it.time.isoformat()},{it.glucose},,,," for it in samples]
    return "\n".join(["datetime,glucose,carbs,insulin_slow,insulin_fast,exercise", *rows, *more, ""]).encode()


def test_the_last_hour_is_foreseen_from_before_it_and_the_next_from_its_end(plot: Plot) -> None:
    answer = plot(write_dexcom(SAMPLES))
    truth, median = answer.plot_data["data"][12:]
    assert median["y"] == pytest.approx([truth["y"][11]] * 13, abs=0.1)
    assert answer.forecast is not None
    assert answer.forecast.median == pytest.approx([truth["y"][-1]] * 12, abs=0.1)
    assert answer.forecast.notice.endswith("no basis for treatment.")


@pytest.mark.parametrize(("readings", "enough"), [(107, False), (109, True), (300, True)])
def test_nine_hours_are_needed(plot: Plot, readings: int, enough: bool) -> None:
    answer = plot(unified(SAMPLES[:readings]))
    assert (answer.error is None) == enough
    assert bool(answer.plot_data) == enough


def test_a_meal_noted_after_the_last_reading_costs_nothing(plot: Plot) -> None:
    samples = SAMPLES[:144]
    meal = (samples[-1].time + timedelta(minutes=20)).isoformat()
    answer = plot(unified(samples, f"{meal},,30,,,"))
    assert answer.error is None
    assert answer.forecast is not None


def test_only_what_follows_the_last_long_gap_counts(plot: Plot) -> None:
    early, late = SAMPLES[:150], SAMPLES[200:320]
    answer = plot(unified([*early, *late]))
    assert answer.error is None
    assert answer.plot_data["data"][12]["x"][-1][:16] == late[-1].time.isoformat()[:16]


def test_a_short_gap_is_filled_and_said(plot: Plot) -> None:
    answer = plot(unified([*SAMPLES[:100], *SAMPLES[102:150]]))
    assert answer.error is None
    assert answer.warnings.imputation


def test_low_and_high_are_read(plot: Plot) -> None:
    export = write_dexcom([Sample(it.time, 450.0, 0, 0) for it in SAMPLES[:150]])
    answer = plot(export)
    assert answer.warnings.out_of_range
    assert np.isfinite(answer.plot_data["data"][12]["y"]).all()


def test_forecasts_that_touch_the_sensors_limit_are_drawn(workshop: Workshop) -> None:
    falling = np.linspace(601, 501, 130).round(2).tolist()
    samples = [Sample(it.time, level, 0, 0) for it, level in zip(SAMPLES, falling, strict=False)]
    request = ProcessRequest(csv_base64=base64.b64encode(unified(samples)).decode())
    answer = quick_plot(request, SOMEBODY, replace(workshop, forecaster=OnnxForecaster(MODEL)))
    assert answer.error is None
    assert {trace["name"] for trace in answer.plot_data["data"][-2:]} == {"True Values", "Median Forecast"}


def test_readings_that_go_on_after_the_stretch_get_a_figure_and_no_forecast(plot: Plot) -> None:
    answer = plot(unified([*SAMPLES[:150], *SAMPLES[170:190]]))
    assert answer.error is None
    assert answer.forecast is None


def test_a_figure_in_mmol_shows_the_same_values(plot: Plot, workshop: Workshop) -> None:
    content = base64.b64encode(write_dexcom(SAMPLES)).decode()
    in_mg = quick_plot(ProcessRequest(csv_base64=content), SOMEBODY, workshop)
    in_mmol = quick_plot(ProcessRequest(csv_base64=content, unit="mmol/L"), SOMEBODY, workshop)
    for one, other in zip(in_mg.plot_data["data"], in_mmol.plot_data["data"], strict=True):
        assert other["y"] == pytest.approx([value / 18.0182 for value in one["y"]])
    assert "mmol/L" in in_mmol.plot_data["layout"]["yaxis"]["title"]["text"]
    assert in_mg.forecast is not None
    assert in_mmol.forecast is not None
    assert in_mmol.forecast.median == pytest.approx([value / 18.0182 for value in in_mg.forecast.median], abs=0.01)
