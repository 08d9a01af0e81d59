"""Windows count as the original counts them, and samples follow the quantiles they come from."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from quintet.glucose.forecast import (
    SENSOR_RANGE,
    STEPS_IN,
    STEPS_OUT,
    NoSuchSample,
    TooShort,
    all_windows,
    latest,
    sample_count,
    samples,
    window_at,
    within_sensor,
)
from quintet.kernel.errors import InvalidInput

LEVELS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)


@given(some.integers(108, 400), some.integers(0, 400))
def test_index_counts_back_from_the_last_window_with_a_known_hour(readings: int, back: int) -> None:
    series = np.arange(readings, dtype=float)
    if back >= sample_count(readings):
        with pytest.raises(NoSuchSample):
            window_at(series, -back)
        return
    window = window_at(series, -back)
    assert np.array_equal(np.concatenate([window.past, window.future]), series[window.start : window.start + 108])
    assert window.future[-1] == readings - 1 - back


def test_every_window_is_the_one_its_index_names() -> None:
    series = np.arange(150.0)
    windows = all_windows(series)
    assert len(windows.past) == sample_count(150) == 43
    assert np.array_equal(windows.past[0], window_at(series, -42).past)
    assert np.array_equal(windows.future[-1], window_at(series, 0).future)


def test_there_is_no_window_in_the_future() -> None:
    with pytest.raises(NoSuchSample, match="-42"):
        window_at(np.arange(150.0), 1)


@pytest.mark.parametrize("readings", [0, 1, 107])
def test_a_short_series_has_no_window(readings: int) -> None:
    series = np.ones(readings)
    with pytest.raises(TooShort, match="108"):
        window_at(series, 0)
    assert all_windows(series).past.shape == (0, STEPS_IN)
    assert all_windows(series).future.shape == (0, STEPS_OUT)


def test_the_latest_readings_need_no_known_hour() -> None:
    assert latest(np.arange(100.0))[0] == 4
    with pytest.raises(TooShort):
        latest(np.arange(95.0))


def test_values_stay_within_what_sensors_report() -> None:
    assert within_sensor(np.array([-5.0, 39.0, 120.0, 900.0])).tolist() == [SENSOR_RANGE[0], 39, 120, SENSOR_RANGE[1]]


def test_quantiles_of_a_normal_distribution_come_back_as_one() -> None:
    normal = NormalDist(150, 20)
    quantiles = np.tile([normal.inv_cdf(level) for level in LEVELS], (STEPS_OUT, 1))
    drawn = samples(quantiles, LEVELS, 40)
    assert drawn.shape == (40, STEPS_OUT)
    assert drawn[:, 3] == pytest.approx([normal.inv_cdf((k + 0.5) / 40) for k in range(40)])


@given(
    some.lists(some.floats(40, 400), min_size=len(LEVELS), max_size=len(LEVELS)),
    some.integers(1, 60),
)
def test_samples_rise_stay_in_range_and_repeat(values: list[float], count: int) -> None:
    quantiles = np.tile(sorted(values), (STEPS_OUT, 1))
    drawn = samples(quantiles, LEVELS, count)
    assert np.all(np.diff(drawn, axis=0) >= -1e-9)
    assert drawn.min() >= SENSOR_RANGE[0]
    assert drawn.max() <= SENSOR_RANGE[1]
    assert np.array_equal(drawn, samples(quantiles, LEVELS, count))


def test_the_middle_sample_is_the_median() -> None:
    quantiles = np.tile([80.0, 85, 95, 100, 110, 130, 140], (STEPS_OUT, 1))
    assert samples(quantiles, LEVELS, 9)[4] == pytest.approx(np.full(STEPS_OUT, 100.0))


def test_no_samples_is_not_a_number_of_samples() -> None:
    with pytest.raises(InvalidInput):
        samples(np.ones((12, 7)), LEVELS, 0)
