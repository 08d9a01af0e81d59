"""The figure is the original's: traces, colours, places."""

import json
from datetime import datetime, timedelta
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from quintet.glucose.figure import Floats, draw, kernel_density
from quintet.glucose.unified import MMOL_TO_MGDL

START = datetime(2026, 3, 1, 8, 2, 30)
TIMES = [START + timedelta(minutes=5 * step) for step in range(24)]
TRUTH = np.linspace(100, 146, 24)
MEDIAN = np.linspace(125, 150, 12)
SAMPLES = MEDIAN + np.linspace(-20, 20, 10)[:, None]


def test_twelve_densities_the_truth_and_the_median() -> None:
    traces = draw(TIMES, TRUTH, MEDIAN, SAMPLES)["data"]
    assert len(traces) == 14
    assert [trace["fillcolor"] for trace in traces[:12]] == [f"rgba(53, 138, 217, {(k + 1) / 12})" for k in range(12)]
    assert {trace["fill"] for trace in traces[:12]} == {"tonexty"}
    assert [trace["name"] for trace in traces[12:]] == ["True Values", "Median Forecast"]


def test_the_lines_stand_where_they_should() -> None:
    truth, median = draw(TIMES, TRUTH, MEDIAN, SAMPLES)["data"][12:]
    assert truth["x"] == [time.isoformat() for time in TIMES]
    assert truth["y"] == pytest.approx(TRUTH)
    assert median["x"] == [time.isoformat() for time in TIMES[11:]]
    assert median["y"] == pytest.approx([TRUTH[11], *MEDIAN])


def test_a_density_reaches_from_its_time_nine_tenths_of_a_step_back() -> None:
    density = draw(TIMES, TRUTH, MEDIAN, SAMPLES)["data"][3]
    xs = [datetime.fromisoformat(x) for x in density["x"]]
    assert (len(xs), len(density["y"])) == (400, 400)
    assert set(xs[:200]) == {TIMES[15]}
    assert TIMES[15] - min(xs) == pytest.approx(timedelta(minutes=4.5), abs=timedelta(microseconds=2))
    assert min(density["y"]) == pytest.approx(0.8 * SAMPLES[:, 3].min())
    assert max(density["y"]) == pytest.approx(1.2 * SAMPLES[:, 3].max())


def test_the_layout_is_the_originals() -> None:
    layout = draw(TIMES, TRUTH, MEDIAN, SAMPLES)["layout"]
    assert layout["title"]["text"] == "Gluformer Prediction"
    assert (layout["width"], layout["height"]) == (1000, 600)
    assert layout["yaxis"]["title"]["text"] == "Glucose (mg/dL)"
    assert (layout["xaxis"]["dtick"], layout["xaxis"]["tick0"]) == (600_000, TIMES[11].isoformat())


def test_in_mmol_everything_is_at_the_same_place_on_another_axis() -> None:
    figure, other = draw(TIMES, TRUTH, MEDIAN, SAMPLES), draw(TIMES, TRUTH, MEDIAN, SAMPLES, "mmol/L")
    assert other["layout"]["yaxis"]["title"]["text"] == "Glucose (mmol/L)"
    for trace, converted in zip(figure["data"], other["data"], strict=True):
        assert converted["x"] == trace["x"]
        assert np.multiply(converted["y"], MMOL_TO_MGDL) == pytest.approx(trace["y"])


@given(some.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)), some.sampled_from([0, 1, 787_000]))
def test_times_are_written_as_isoformat_writes_them(start: datetime, microsecond: int) -> None:
    times = [start.replace(microsecond=microsecond) + step * timedelta(minutes=5) for step in range(24)]
    for place, trace in enumerate(draw(times, TRUTH, MEDIAN, SAMPLES)["data"][:12], 12):
        assert trace["x"] == [datetime.fromisoformat(x).isoformat() for x in trace["x"]]
        peak = min(trace["x"][200:])
        assert peak == (times[place] - timedelta(minutes=4.5)).isoformat()


def test_drawing_is_quick() -> None:
    draw(TIMES, TRUTH, MEDIAN, SAMPLES)
    taken = []
    for _ in range(20):
        start = perf_counter()
        draw(TIMES, TRUTH, MEDIAN, SAMPLES)
        taken.append(perf_counter() - start)
    assert min(taken) < 0.02


def test_a_certain_step_has_no_density() -> None:
    samples = SAMPLES.copy()
    samples[:, 4] = 120.0
    assert len(draw(TIMES, TRUTH, MEDIAN, samples)["data"]) == 13


def test_a_step_all_but_certain_has_no_density() -> None:
    samples = SAMPLES.copy()
    samples[:, 4] = [500.999, *[501.0] * 9]
    assert len(draw(TIMES, TRUTH, MEDIAN, samples)["data"]) == 13


def clipped(hairs: Floats, unclipped: int) -> Floats:
    """Samples (10, 12) at the sensor's limit but for some, which are a hair below it: one hair a step."""
    samples = np.full((10, 12), 501.0)
    samples[:unclipped] -= hairs
    return samples


ANY_SAMPLES = arrays(np.float64, (10, 12), elements=some.floats(39, 501))
CLIPPED_SAMPLES = some.builds(clipped, arrays(np.float64, 12, elements=some.floats(0, 3)), some.integers(1, 9))


@given(ANY_SAMPLES | CLIPPED_SAMPLES)
def test_any_samples_make_a_figure_of_finite_numbers(samples: Floats) -> None:
    figure = draw(TIMES, TRUTH, MEDIAN, samples)
    json.dumps(figure, allow_nan=False)
    assert {len(trace["x"]) - len(trace["y"]) for trace in figure["data"]} == {0}
    assert all(TIMES[0] <= datetime.fromisoformat(x) <= TIMES[-1] for trace in figure["data"] for x in trace["x"])


def test_the_density_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    points = np.random.default_rng(7).normal(120, 15, 10)
    grid = np.linspace(60, 180, 50)
    np.testing.assert_allclose(kernel_density(points, grid), stats.gaussian_kde(points)(grid), rtol=1e-12)


@given(arrays(np.float64, 10, elements=some.floats(39, 501), unique=True))
def test_a_density_integrates_to_one(points: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    spread = 6 * np.std(points, ddof=1)
    grid = np.linspace(points.min() - spread, points.max() + spread, 4000)
    assert np.trapezoid(kernel_density(points, grid), grid) == pytest.approx(1, abs=1e-3)
