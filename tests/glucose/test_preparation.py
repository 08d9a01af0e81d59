"""Preparation against the library that the original uses, and by itself."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from quintet.glucose import unified
from quintet.glucose.errors import ZeroValidInput
from quintet.glucose.preparation import STEP, Prepared, prepare
from quintet.glucose.readers import read
from quintet.glucose.unified import UnifiedTrace, merge, trace
from tests.glucose import oracle
from tests.glucose.vendor_exports import LAYOUTS

SEEDS = 30
DURATIONS = ((60, 480), (540, 1080), (540, 540), (15, 100))
START = np.datetime64("2025-05-01T00:00:40", "ms")


def as_here(content: bytes, minimum: int, maximum: int) -> tuple[list[datetime], list[float], list[str]] | None:
    try:
        found = prepared(read(content), minimum, maximum)
    except ZeroValidInput:
        return None
    raised = [name for name in oracle.WARNINGS if getattr(found.warnings, name)]
    return found.times, found.glucose.tolist(), raised


@pytest.mark.parametrize("layout", LAYOUTS)
def test_generated_exports_are_prepared_as_by_the_original(layout: str) -> None:
    for seed in range(SEEDS):
        content, durations = LAYOUTS[layout](seed), DURATIONS[seed % len(DURATIONS)]
        assert as_here(content, *durations) == oracle.prepared(content, *durations), f"seed {seed}"


@pytest.mark.parametrize("name", ["Clarity_Export_synthetic", "FreeStyle_Libre_3_synthetic", "Unified_synthetic"])
@pytest.mark.parametrize("durations", DURATIONS)
def test_real_exports_are_prepared_as_by_the_original(shared_data: Path, name: str, durations: tuple[int, int]) -> None:
    content = (shared_data / "glucose" / f"{name}.csv").read_bytes()
    assert as_here(content, *durations) == oracle.prepared(content, *durations)


def readings(minutes: list[float], glucose: float = 100.0) -> UnifiedTrace:
    times = START + np.array([round(minute * 60_000) for minute in minutes]).astype("timedelta64[ms]")
    return trace(times, event_type=unified.GLUCOSE, glucose=glucose)


def every_five_minutes(count: int, start: float = 0.0) -> list[float]:
    return [start + 5 * place for place in range(count)]


def prepared(trace: UnifiedTrace, minimum: int = 60, maximum: int = 480) -> Prepared:
    return prepare(trace, minimum_minutes=minimum, maximum_minutes=maximum)


def test_the_grid_has_no_holes() -> None:
    result = prepared(merge([readings([*every_five_minutes(10), *every_five_minutes(10, 60)])]))
    steps = set(np.diff(np.array(result.times, "datetime64[ms]")))
    assert steps == {STEP}
    assert len(result.times) == len(result.glucose) == 22
    assert result.warnings.imputation
    assert result.warnings.messages == ["IMPUTATION: Contains imputed gaps"]


def test_the_grid_starts_at_the_nearest_minute() -> None:
    assert prepared(readings(every_five_minutes(20))).times[0] == datetime(2025, 5, 1, 0, 1)


def test_the_latest_sequence_that_is_long_enough_is_taken() -> None:
    long, short = readings(every_five_minutes(40), 100), readings(every_five_minutes(5, 300), 200)
    assert set(prepared(merge([long, short])).glucose) == {100.0}
    assert set(prepared(merge([long, short]), minimum=20).glucose) == {200.0}


def test_the_last_minutes_are_kept() -> None:
    result = prepared(readings(every_five_minutes(200)), maximum=100)
    assert result.times[-1] - result.times[0] == timedelta(minutes=100)


def test_glucose_between_readings_lies_on_the_line_between_them() -> None:
    late = merge([readings([0.0], 100), readings([12.0], 160), readings(every_five_minutes(15, 15), 160)])
    assert prepared(late).glucose[:3] == pytest.approx(
        [100 + 60 * 20 / 720, 100 + 60 * 320 / 720, 100 + 60 * 620 / 720]
    )


def test_without_a_sequence_that_is_long_enough_there_is_nothing() -> None:
    with pytest.raises(ZeroValidInput, match="540 minutes"):
        prepared(readings(every_five_minutes(50)), minimum=540)
    with pytest.raises(ZeroValidInput):
        prepared(trace([START], event_type=unified.CARBS, carbs=20.0), minimum=0)


def test_readings_without_a_value_are_no_readings() -> None:
    with pytest.raises(ZeroValidInput):
        prepared(readings(every_five_minutes(50), np.nan))


def test_many_sequences_that_are_too_short_cost_little() -> None:
    with pytest.raises(ZeroValidInput):
        prepared(readings([400.0 * place for place in range(100_000)]))


def test_what_was_out_of_range_or_calibrated_is_said() -> None:
    base = readings(every_five_minutes(30))
    strip = trace([START + 60_000], event_type=unified.CALIBRATION, glucose=101.0)
    high = trace([START + 150 * 60_000], event_type=unified.GLUCOSE, glucose=401.0, quality=unified.OUT_OF_RANGE)
    warnings = prepared(merge([base, strip, high])).warnings
    assert (warnings.calibration, warnings.out_of_range, warnings.time_duplicates) == (True, True, True)
    assert not warnings.too_short
