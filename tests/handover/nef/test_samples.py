"""Samples: their fields, and what is derived where the emulator does not say it."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.demo.nef_world import CELLS
from quintet.handover.messages import TrainingSample
from quintet.handover.nef_radio import with_radio
from quintet.handover.nef_samples import FIELDS, Sample, Tracks, optimal, radios_of, trainable
from quintet.kernel.errors import InvalidInput
from tests.handover.nef_emulators import RECORDED_FORK, RECORDED_ORIGINAL

UE = "202010000000001"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLAIN = json.loads(RECORDED_ORIGINAL)[UE]
FEATURES = json.loads(RECORDED_FORK)
METRE_NORTH = 1 / 111_195

THE_FIELDS = [
    "timestamp", "ue_id", "latitude", "longitude", "altitude", "speed", "velocity", "acceleration",
    "heading_change_rate", "path_curvature", "cell_load", "handover_count", "time_since_handover", "signal_trend",
    "environment", "rsrp_stddev", "sinr_stddev", "connected_to", "optimal_antenna", "rf_metrics",
]  # fmt: skip
CELLS_TOLD = [
    {"cell_id": cell.name, "latitude": cell.latitude, "longitude": cell.longitude, "radius": cell.radius}
    for cell in CELLS
]


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_the_fields_of_a_sample() -> None:
    assert list(Tracks().sample(UE, NOON, PLAIN, None)) == list(FIELDS) == THE_FIELDS


class TestFork:
    def test_what_it_says_is_kept(self) -> None:
        sample = Tracks().sample(UE, NOON, PLAIN, FEATURES)
        said = {name: sample[name] for name in FEATURES if name in sample}
        assert said == {name: FEATURES[name] for name in said}
        assert (sample["latitude"], sample["longitude"]) == (-22.3, -53.7)
        assert sample["timestamp"] == "2026-01-02T12:00:00+00:00"
        assert sample["rf_metrics"] == {
            "AAAAA1001": {"rsrp": -71.2, "sinr": 8.1, "rsrq": -10.5, "cell_load": 0.25},
            "AAAAA1002": {"rsrp": -69.9, "sinr": 9.9, "rsrq": -9.1, "cell_load": 0.5},
            "AAAAA1003": {"rsrp": -90.0, "rsrq": -17.0, "cell_load": 0.0},
        }
        assert (sample["connected_to"], sample["optimal_antenna"]) == ("AAAAA1001", "AAAAA1002")

    def test_a_training_takes_it(self) -> None:
        sample = Tracks().sample(UE, NOON, PLAIN, FEATURES)
        assert trainable([sample]) == [sample]
        TrainingSample.model_validate_json(json.dumps(sample, allow_nan=False))

    def test_the_trend_of_the_serving_cell(self) -> None:
        tracks = Tracks()
        for second in range(3):
            heard = {**FEATURES["neighbor_rsrp_dbm"], "AAAAA1001": -80 + 2 * second}
            sample = tracks.sample(UE, after(second), PLAIN, {**FEATURES, "neighbor_rsrp_dbm": heard})
        assert sample["signal_trend"] == pytest.approx(2.0)

    def test_equal_strength_goes_to_the_better_sinr(self) -> None:
        assert optimal({"a": {"rsrp": -80}, "b": {"rsrp": -80, "sinr": -3}, "c": {"rsrp": -81, "sinr": 30}}) == "b"
        assert optimal({}) is None


class TestOriginal:
    def test_nothing_is_invented(self) -> None:
        """The first look: no radio, no best cell, no speed of somebody who is LOW."""
        sample = Tracks().sample(UE, NOON, PLAIN, None)
        assert sample["connected_to"] == "AAAAA1004"
        assert (sample["rf_metrics"], sample["optimal_antenna"]) == ({}, None)
        unknown = {name for name, value in sample.items() if value is None}
        assert unknown == {
            "altitude", "speed", "velocity", "acceleration", "heading_change_rate", "path_curvature", "cell_load",
            "time_since_handover", "signal_trend", "environment", "rsrp_stddev", "sinr_stddev", "optimal_antenna",
        }  # fmt: skip
        assert trainable([sample]) == []

    def test_how_fast_low_is_is_seen_from_two_positions(self) -> None:
        tracks = Tracks()
        speeds = []
        for second, way in enumerate((0, 1, 3, 6)):
            state = {**PLAIN, "latitude": PLAIN["latitude"] + way * METRE_NORTH}
            speeds.append(tracks.sample(UE, after(second), state, None))
        assert [sample["speed"] for sample in speeds[1:]] == pytest.approx([1, 2, 3], rel=1e-3)
        assert speeds[2]["acceleration"] == pytest.approx(1, rel=1e-2)
        assert speeds[3]["heading_change_rate"] == pytest.approx(0, abs=1e-6)

    def test_who_stands_has_no_speed(self) -> None:
        assert Tracks().sample(UE, NOON, {**PLAIN, "speed": "STATIONARY"}, None)["speed"] == 0.0

    def test_a_corner_is_a_change_of_heading(self) -> None:
        tracks = Tracks()
        east = METRE_NORTH / math.cos(math.radians(PLAIN["latitude"]))
        for second, (north, eastward) in enumerate([(0, 0), (5 * METRE_NORTH, 0), (5 * METRE_NORTH, 5 * east)]):
            state = {
                **PLAIN, "latitude": PLAIN["latitude"] + north, "longitude": PLAIN["longitude"] + eastward,
            }  # fmt: skip
            sample = tracks.sample(UE, after(second), state, None)
        assert sample["heading_change_rate"] == pytest.approx(math.pi / 2, rel=1e-2)
        assert sample["path_curvature"] == pytest.approx(math.pi / 2 / 5, rel=1e-2)

    def test_handovers_are_counted_and_timed(self) -> None:
        tracks = Tracks()
        cells = ["AAAAA1004", "AAAAA1001", "AAAAA1001", None, "AAAAA1001", "AAAAA1002"]
        samples = [
            tracks.sample(UE, after(second), {**PLAIN, "cell_id_hex": cell, "Cell_id": None}, None)
            for second, cell in enumerate(cells)
        ]
        assert [sample["handover_count"] for sample in samples] == [0, 1, 1, 1, 1, 2]
        assert [sample["time_since_handover"] for sample in samples] == [None, 0, 1, 2, 3, 0]
        assert samples[3]["connected_to"] is None

    def test_a_cell_without_a_name_is_told_by_its_number(self) -> None:
        state = {name: value for name, value in PLAIN.items() if name != "cell_id_hex"}
        assert Tracks().sample(UE, NOON, state, None)["connected_to"] == "4"

    def test_ues_are_kept_apart(self) -> None:
        tracks = Tracks()
        tracks.sample("a", NOON, {**PLAIN, "cell_id_hex": "x"}, None)
        assert tracks.sample("b", after(1), {**PLAIN, "cell_id_hex": "y"}, None)["handover_count"] == 0


JUNK = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
TABLES = st.one_of(JUNK, st.dictionaries(st.sampled_from("abc"), JUNK, max_size=3))


@given(
    st.dictionaries(st.sampled_from([*FEATURES, *PLAIN]), TABLES),
    st.dictionaries(st.sampled_from(list(FEATURES)), TABLES),
)
def test_whatever_an_emulator_says_becomes_json(state: dict[str, Any], radio: dict[str, Any]) -> None:
    tracks = Tracks()
    for second in range(2):
        sample = tracks.sample(UE, after(second), state, radio)
        assert json.loads(json.dumps(sample, allow_nan=False)) == sample
    for measures in radios_of(radio).values():
        assert math.isfinite(measures["rsrp"])


class TestSynthesisedRadio:
    def drive(self) -> list[Sample]:
        tracks = Tracks()
        return [
            tracks.sample(
                ue, after(second), {**PLAIN, "latitude": PLAIN["latitude"] + (second + shift) * 5 * METRE_NORTH}, None
            )
            for second in range(20)
            for ue, shift in (("a", 0), ("b", 7))
        ]

    def test_every_sample_can_be_trained_on_and_keeps_its_place(self) -> None:
        bare = self.drive()
        made = with_radio(bare, CELLS_TOLD, seed=1)
        assert trainable(made) == made
        assert [(one["ue_id"], one["timestamp"], one["latitude"]) for one in made] == [
            (one["ue_id"], one["timestamp"], one["latitude"]) for one in bare
        ]
        for sample in made:
            TrainingSample.model_validate(sample)
            assert sample["optimal_antenna"] == optimal(sample["rf_metrics"])

    def test_the_seed_decides(self) -> None:
        first, again, other = (with_radio(self.drive(), CELLS_TOLD, seed=seed) for seed in (1, 1, 2))
        assert first == again != other

    def test_near_cells_are_louder(self) -> None:
        """Over many draws, the cell beside the path against the one 250 m away."""
        levels = [
            (sample["rf_metrics"]["AAAAA1004"]["rsrp"], sample["rf_metrics"]["AAAAA1002"]["rsrp"])
            for seed in range(10)
            for sample in with_radio(self.drive(), CELLS_TOLD, seed=seed)
        ]
        assert sum(near - far for near, far in levels) / len(levels) > 5

    def test_measured_radio_stays(self) -> None:
        measured = Tracks().sample(UE, NOON, PLAIN, FEATURES)
        assert with_radio([measured], CELLS_TOLD, seed=1) == [measured]

    def test_without_cells_there_is_none(self) -> None:
        with pytest.raises(InvalidInput, match="no cells"):
            with_radio(self.drive(), [{"cell_id": "x", "latitude": None}], seed=1)
