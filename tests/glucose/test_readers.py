"""Readers against the library that the original uses, byte for byte."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.local.demo.exports import Sample, write_dexcom, write_libre
from quintet.glucose.readers import read
from tests.glucose import oracle
from tests.glucose.vendor_exports import LAYOUTS

SEEDS = 30
EXPORTS = ("Clarity_Export_synthetic.csv", "FreeStyle_Libre_3_synthetic.csv", "Unified_synthetic.csv")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_generated_exports_are_read_as_by_the_original(layout: str) -> None:
    for seed in range(SEEDS):
        content = LAYOUTS[layout](seed)
        assert read(content).to_csv() == oracle.converted(content), f"seed {seed}"


@pytest.mark.parametrize("name", EXPORTS)
def test_real_exports_are_read_as_by_the_original(shared_data: Path, name: str) -> None:
    content = (shared_data / "glucose" / name).read_bytes()
    assert read(content).to_csv() == oracle.converted(content)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_written_is_read_again_unchanged(layout: str) -> None:
    for seed in range(SEEDS):
        once = read(LAYOUTS[layout](seed)).to_csv()
        assert read(once.encode()).to_csv() == once


@pytest.mark.parametrize("write", [write_dexcom, write_libre])
def test_the_demo_writes_what_the_vendors_write(write: Callable[[list[Sample]], bytes]) -> None:
    start = datetime(2026, 3, 2, 12)
    levels = [35.0, 39.6, 120.0, 401.0, 520.0]
    samples = [Sample(start + timedelta(minutes=5 * place), level) for place, level in enumerate(levels)]
    content = write([*samples, Sample(start + timedelta(minutes=25), 110.0, carbs=40.0, insulin=3.5)])
    assert read(content).to_csv() == oracle.converted(content)
    assert read(content).event_type.tolist().count("EGV_READ") == 6
    assert {"CARBS_IN", "INS_FAST"} < set(read(content).event_type.tolist())


def test_an_export_is_converted_at_once(shared_data: Path) -> None:
    content = (shared_data / "glucose" / EXPORTS[0]).read_bytes()
    assert fastest(lambda: read(content).to_csv()) < 0.1


def fastest(action: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of some runs: the others waited for a busy machine."""
    spans = []
    for _ in range(times):
        start = time.process_time()
        action()
        spans.append(time.process_time() - start)
    return min(spans)
