"""Synthetic drives: reproducible, of any cells, and labelled as they say."""

import numpy as np
import pytest

from quintet.handover import bootstrap
from quintet.handover.messages import TrainingSample


@pytest.fixture(scope="module")
def samples() -> list[TrainingSample]:
    return bootstrap.drawn(np.random.default_rng(3), samples=1500)


def test_the_same_seed_drives_the_same() -> None:
    first, again, other = (bootstrap.drawn(np.random.default_rng(seed), samples=80) for seed in (42, 42, 43))
    assert first == again
    assert first != other


def test_as_many_as_the_original() -> None:
    assert len(bootstrap.drawn(np.random.default_rng(bootstrap.SEED))) == 500


def test_the_right_cell_is_always_one_that_is_heard(samples: list[TrainingSample]) -> None:
    for sample in samples:
        assert sample.rf_metrics
        assert sample.optimal_antenna in sample.rf_metrics
        assert len(sample.rf_metrics) <= bootstrap.REPORTED


def test_cells_names_counts_and_reports_vary(samples: list[TrainingSample]) -> None:
    counts = {len(sample.rf_metrics or {}) for sample in samples}
    assert {2, 3, 5, 8} <= counts
    labels = {sample.optimal_antenna for sample in samples}
    assert {"antenna_1", "antenna_2", "antenna_3"} <= labels
    assert any(label.startswith("AAAAA1") for label in labels)
    assert len({sample.connected_to is None for sample in samples}) == 2
    for name in ("sinr", "rsrq", "cell_load"):
        given = {getattr(radio, name) is None for sample in samples for radio in (sample.rf_metrics or {}).values()}
        assert given == {True, False}


def test_some_positions_are_degrees_and_some_are_negative_metres(samples: list[TrainingSample]) -> None:
    farthest = max(abs(sample.latitude or 0) for sample in samples)
    assert farthest > 180
    assert min(sample.latitude or 0 for sample in samples) < 0


def test_the_label_is_the_cell_that_gives_most_soon() -> None:
    drive = bootstrap.drawn_drive(0, np.random.default_rng(8))
    assert drive.names == ("antenna_1", "antenna_2", "antenna_3")
    rates, ahead = bootstrap.rate(drive), max(1, round(bootstrap.HORIZON / drive.step))
    labelled = list(bootstrap.labelled(drive))
    assert len(labelled) == len(drive.path) - ahead
    for moment, sample in enumerate(labelled):
        soon = rates[moment + 1 : moment + 1 + ahead].mean(axis=0)
        chosen, serving = drive.names.index(sample.optimal_antenna), int(drive.serving[moment])
        heard = [drive.names.index(name) for name in sample.rf_metrics or {}]
        assert chosen == serving or soon[chosen] >= max(soon[heard])
        if serving in heard:
            assert soon[chosen] >= soon[serving]


def test_the_serving_cell_is_kept_unless_another_gives_more() -> None:
    cells = np.arange(2)
    assert bootstrap.best_of(cells, np.array([2.0, 1.95]), np.int64(1)) == 1
    assert bootstrap.best_of(cells, np.array([2.0, 1.5]), np.int64(1)) == 0
