"""Data drift: none where looks are as they were in training, found where they are not."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.river_detectors import RiverDetectors
from quintet.handover.data_watch import DataWatch
from quintet.handover.drift import Baseline, Drift, baseline_of, drift, looks, looks_of, row_of, seen
from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.sights import Look
from quintet.handover.telemetry import METRICS
from quintet.kernel.telemetry import Keep
from tests.handover.watching.looks_drawn import anywhere, drawn, driving

WINDOW = looks(100)
RIVER = RiverDetectors()
ALERT = 1.0


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return baseline_of(anywhere(0, 2000))


def kept(looked: Sequence[Look], *, ue: str = "") -> list[Keep]:
    """What predictions leave; of one phone `ue`, or each of another."""
    return [seen(WINDOW, ue or f"ue-{number}", look) for number, look in enumerate(looked)]


def of(looked: Sequence[Look], baseline: Baseline, *, ue: str = "") -> Drift:
    return drift(looks_of([one.value for one in kept(looked, ue=ue)]), baseline, RIVER)


@pytest.mark.parametrize("seed", range(1, 31))
def test_looks_as_in_training_are_no_drift(seed: int, baseline: Baseline) -> None:
    found = of(anywhere(seed, 100), baseline)
    assert found.features == ()
    assert found.score < 0.2
    assert not found.found(ALERT)


@pytest.mark.parametrize("seed", range(1, 16))
def test_one_phone_that_drives_about_is_no_drift(seed: int, baseline: Baseline) -> None:
    """Its hundred looks are a hundred metres of one street: they say little of all phones."""
    assert not of(driving(seed, 100), baseline, ue="ue-1").found(ALERT)


@pytest.mark.parametrize("phones", [5, 10, 25, 50])
def test_nor_are_some_that_drive_about(phones: int, baseline: Baseline) -> None:
    for seed in range(10):
        drives = [kept(driving(100 * seed + one, 100 // phones), ue=f"ue-{one}") for one in range(phones)]
        window = looks_of([one.value for drive in drives for one in drive])
        assert not drift(window, baseline, RIVER).found(ALERT)


def test_one_phone_that_measures_what_no_other_did_is_found(baseline: Baseline) -> None:
    random = np.random.default_rng(1)
    found = of([drawn(random, (400.0, 300.0), float(at), louder=40.0) for at in range(100)], baseline, ue="ue-1")
    assert "rsrp_current" in found.features


@pytest.mark.parametrize("seed", range(1, 11))
def test_cells_that_got_louder_are_found(seed: int, baseline: Baseline) -> None:
    found = of(anywhere(seed, 100, louder=12.0), baseline)
    assert "candidate_rsrp" in found.features
    assert found.found(ALERT)


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_change_is_found_within_eighty_looks(seed: int, baseline: Baseline) -> None:
    looked = [*anywhere(seed, 100), *anywhere(seed + 50, 80, louder=12.0)]
    assert not of(looked[:100], baseline).found(ALERT)
    assert of(looked[-100:], baseline).found(ALERT)


def test_what_never_varied_and_now_does_is_found(baseline: Baseline) -> None:
    """Training knew no altitude but none."""
    assert baseline["altitude"]["std"] == 0
    climbing = [replace(look, sight=replace(look.sight, altitude=20.0)) for look in anywhere(3, 100)]
    found = of(climbing, baseline)
    assert found.features == ("altitude",)
    assert found.score < ALERT, "one odd feature does not outweigh all others"


def test_one_row_of_a_look_counts_that_of_the_loudest_cell() -> None:
    look = anywhere(1, 1)[0]
    table = pair_features(look)
    loudest = max(range(3), key=lambda place: look.sight.candidates[place].rsrp)
    assert np.array_equal(row_of(look, table), table[loudest])


def test_what_is_kept_is_the_row_to_the_bit_under_a_pseudonym() -> None:
    look = anywhere(1, 1)[0]
    text = seen(WINDOW, "202010000000001", look).value
    (found,) = looks_of([text])
    assert np.array_equal(found.row, row_of(look, pair_features(look)))
    assert (found.at, len(found.ue)) == (look.sight.at, 16)
    assert "202010000000001" not in text
    assert text == seen(WINDOW, "202010000000001", look, pair_features(look)).value


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1, 2]", '[1, "u", "!"]', '[1, "u", "AAAA"]', json.dumps([1, "u", "AADAfw==" * 44]), "[null, 1, 2]"],
)
def test_what_is_no_look_is_passed_over(text: str) -> None:
    good = seen(WINDOW, "ue", anywhere(1, 1)[0]).value
    assert len(looks_of([text, good, text])) == 1


def test_a_baseline_describes_each_feature() -> None:
    described = baseline_of(anywhere(4, 500))
    assert tuple(described) == PAIR_FEATURES
    rows = np.array([row_of(look, pair_features(look)) for look in anywhere(4, 500)], np.float64)
    signal = described["rsrp_current"]
    column = rows[:, PAIR_FEATURES.index("rsrp_current")]
    assert (signal["mean"], signal["std"]) == (pytest.approx(column.mean()), pytest.approx(column.std()))
    assert signal["deciles"][5] == pytest.approx(np.median(column))
    assert (len(signal["deciles"]), signal["deciles"][0], signal["deciles"][10]) == (11, column.min(), column.max())
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert baseline_of([]) == {}


def test_features_that_training_did_not_know_say_nothing(baseline: Baseline) -> None:
    known = {"rsrp_current": baseline["rsrp_current"]}
    found = of(anywhere(1, 100, louder=12.0), known)
    assert set(found.features) <= {"rsrp_current"}
    assert of(anywhere(1, 100, louder=12.0), {}) == Drift(0.0, ())
    assert drift([], baseline, RIVER) == Drift(0.0, ())


class Trained:
    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline


@pytest.fixture
def telemetry() -> MemoryTelemetry:
    return MemoryTelemetry(METRICS)


@pytest.fixture
def watch(telemetry: MemoryTelemetry, baseline: Baseline) -> DataWatch:
    return DataWatch(telemetry, lambda: Trained(baseline), RIVER, MemoryRows())


def events(telemetry: MemoryTelemetry) -> float:
    families = [family for family in telemetry.read() if family.metric.name == "ml_drift_events_total"]
    return {one.labels: one.value for one in families[0].series}[("data",)]


def gauge(telemetry: MemoryTelemetry, name: str) -> list[float]:
    return [one.value for family in telemetry.read() if family.metric.name == name for one in family.series]


def test_too_few_looks_say_nothing(watch: DataWatch, telemetry: MemoryTelemetry) -> None:
    telemetry.add(*kept(anywhere(1, 99, louder=12.0)))
    assert watch.look() == (None, False)
    assert gauge(telemetry, "ml_data_drift_score") == []


def test_the_score_is_told_and_no_drift_where_there_is_none(watch: DataWatch, telemetry: MemoryTelemetry) -> None:
    telemetry.add(*kept(anywhere(1, 150)))
    found, news = watch.look()
    assert found is not None
    assert not news
    assert gauge(telemetry, "ml_data_drift_score") == [found.score]
    assert gauge(telemetry, "ml_data_drift_features") == [0]
    assert events(telemetry) == 0


def test_a_drift_is_told_of_once(watch: DataWatch, telemetry: MemoryTelemetry) -> None:
    telemetry.add(*kept(anywhere(1, 100, louder=12.0)))
    assert [watch.look().news for _ in range(3)] == [True, False, False]
    telemetry.add(*kept(anywhere(2, 99, louder=12.0), ue=""))
    assert not watch.look().news, "one look of those that were told of is still there"
    telemetry.add(*kept(anywhere(3, 1, louder=12.0)))
    assert watch.look().news
    assert events(telemetry) == 2
    assert gauge(telemetry, "ml_data_drift_features")[0] > 0


def test_two_that_look_at_once_tell_of_it_once(
    watch: DataWatch, telemetry: MemoryTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.add(*kept(anywhere(1, 100, louder=12.0)))
    other = DataWatch(watch.telemetry, watch.model, watch.detector, watch.rows)
    monkeypatch.setattr("quintet.handover.data_watch.DataWatch._told", lambda self: None)
    assert [watch.look().news, other.look().news] == [True, False]
    assert events(telemetry) == 1


def test_a_model_that_says_nothing_of_its_training_is_not_compared(telemetry: MemoryTelemetry) -> None:
    telemetry.add(*kept(anywhere(1, 100)))
    assert DataWatch(telemetry, lambda: Trained({}), RIVER, MemoryRows()).look().drift is None
