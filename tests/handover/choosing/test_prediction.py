"""The answer to a UE."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.handover.drift import looks
from quintet.handover.errors import ModelNotReadyError, Unanswerable
from quintet.handover.features import LABEL_FEATURES
from quintet.handover.messages import Prediction, PredictionRequest
from quintet.handover.selectors import LabelSelector
from quintet.handover.settings import Guards
from quintet.kernel.errors import InvalidInput
from tests.handover.choosing.drawn import LEVELS, NAMES, bodies
from tests.handover.choosing.world import START, World

TWO = {"antenna_1": -80.0, "antenna_2": -75.0}
THREE = {"AAAAA1001": -80.0, "AAAAA1002": -77.0, "AAAAA1003": -90.0}


LABELS = ("antenna_1", "antenna_2", "antenna_3")


@dataclass(frozen=True)
class Constant:
    """A graph that answers the same to everybody."""

    answer: list[float]
    inputs: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)

    def run(self, feed: Mapping[str, Any]) -> Any:
        return np.array([self.answer], np.float32)


@pytest.fixture
def world() -> World:
    return World()


def test_the_likeliest_cell_is_answered_with_a_reason(world: World) -> None:
    answer = world.ask("AAAAA1001", THREE)
    assert (answer.predicted_antenna, answer.ue_id, answer.model_type, answer.model_version) == (
        "AAAAA1002",
        "ue-1",
        "lightgbm",
        "1.0.7",
    )
    assert [one.antenna for one in answer.ranking] == ["AAAAA1002", "AAAAA1001", "AAAAA1003"]
    assert answer.confidence == answer.ranking[0].confidence
    assert sum(one.confidence for one in answer.ranking) == pytest.approx(1.0)
    assert answer.reason == "RSRP 3.0 dB above the serving cell"
    assert answer.ranking[1].reason == "serving, RSRP 3.0 dB below the best other cell"
    assert "rsrp_over_serving" in answer.features_used
    assert (answer.anti_pingpong_applied, answer.suppression_reason, answer.original_prediction) == (False, None, None)
    assert (answer.handover_count_1min, answer.time_since_last_handover) == (0, None)


def test_how_long_it_has_been_so_is_told(world: World) -> None:
    for _ in range(3):
        answer = world.ask("a", {"a": -75.0, "b": -80.0, "c": -70.0}, ue="x")
        world.clock.advance(1)
    third = next(one for one in answer.ranking if one.antenna == "c")
    assert third.reason == "RSRP 5.0 dB above the serving cell for 2.0 s"


def test_without_measurements_there_is_no_answer_and_no_trace(world: World) -> None:
    with pytest.raises(Unanswerable, match="rf_metrics"):
        world.ask("antenna_1", {})
    assert world.total("ml_prediction_requests_total") == 0


def test_the_same_request_at_once_is_held_back(world: World) -> None:
    first = world.ask("antenna_1", TWO)
    assert (first.predicted_antenna, first.anti_pingpong_applied) == ("antenna_2", False)
    world.clock.advance(0.5)
    second = world.ask("antenna_1", TWO)
    assert (second.predicted_antenna, second.suppression_reason) == ("antenna_1", "too_recent")
    assert (second.original_prediction, second.confidence, second.anti_pingpong_applied) == ("antenna_2", 1.0, True)
    assert (second.time_since_last_handover, second.handover_count_1min) == (0.5, 0)
    assert second.reason == "stays with the serving cell: the last handover was 0.5 s ago, less than 2.0 s"
    world.clock.advance(1.5)
    assert world.ask("antenna_1", TWO).predicted_antenna == "antenna_2"
    assert world.ask("antenna_1", TWO, ue="another").predicted_antenna == "antenna_2"


def test_a_ue_that_follows_is_handed_over_once(world: World) -> None:
    world.ask("antenna_1", TWO)
    world.clock.advance(1)
    there = world.ask("antenna_2", TWO)
    assert (there.predicted_antenna, there.handover_count_1min, there.time_since_last_handover) == ("antenna_2", 1, 0)
    world.clock.advance(3)
    back = world.ask("antenna_2", {"antenna_1": -80.0, "antenna_2": -82.0})
    assert (back.predicted_antenna, back.suppression_reason) == ("antenna_2", "immediate_return")
    world.clock.advance(10)
    assert world.ask("antenna_2", {"antenna_1": -80.0, "antenna_2": -82.0}).predicted_antenna == "antenna_1"


def test_who_was_handed_over_often_needs_confidence(world: World) -> None:
    for serving in ("a", "b", "c", "d"):
        world.ask(serving, {serving: -80.0, "e": -90.0})
        world.clock.advance(5)
    unsure = world.ask("d", {"d": -80.0, "e": -79.0})
    assert (unsure.suppression_reason, unsure.handover_count_1min) == ("too_many", 3)
    assert world.ask("d", {"d": -90.0, "e": -70.0}).predicted_antenna == "e"
    assert world.total("ml_handover_interval_seconds") == 10.0


def test_a_ue_is_not_held_on_a_cell_that_it_does_not_hear(world: World) -> None:
    world.ask("antenna_1", TWO)
    assert world.ask("antenna_1", {"antenna_2": -75.0}).predicted_antenna == "antenna_2"


def test_time_is_that_of_the_measurement(world: World) -> None:
    world.ask("antenna_1", TWO, timestamp=100.0)
    assert world.ask("antenna_1", TWO, timestamp=101.0).time_since_last_handover == 1.0
    assert world.ask("antenna_1", TWO, timestamp=103.0).predicted_antenna == "antenna_2"


def test_a_drive_that_begins_anew_is_not_held_up_by_its_future(world: World) -> None:
    for at in (500.0, 505.0, 510.0):
        world.ask("antenna_1", TWO, timestamp=at)
    again = world.ask("antenna_1", TWO, timestamp=100.0)
    assert (again.predicted_antenna, again.time_since_last_handover) == ("antenna_2", None)


def test_ties_stay_with_the_serving_cell_then_go_by_name() -> None:
    world = World(weights={})
    assert world.ask("b", {"a": -80.0, "b": -80.0, "c": -80.0}).predicted_antenna == "b"
    ranking = world.ask(None, {"c": -80.0, "b": -80.0, "a": -85.0}, ue="y").ranking
    assert [one.antenna for one in ranking] == ["b", "c", "a"]


def test_counts_are_kept(world: World) -> None:
    world.ask("antenna_1", TWO)
    world.ask("antenna_1", TWO)
    assert world.total("ml_prediction_requests_total") == 2
    assert world.total("ml_pingpong_suppressions_total") == 1
    assert len(world.telemetry.kept(looks(100))) == 2


def test_no_memory_is_no_reason_not_to_answer(world: World) -> None:
    world.ues.away = True
    for _ in range(3):
        answer = world.ask("antenna_1", TWO)
        assert (answer.predicted_antenna, answer.anti_pingpong_applied) == ("antenna_2", False)
    assert len(world.troubles) == 1
    world.ues.away = False
    world.clock.advance(5)
    world.ask("antenna_1", TWO)
    assert world.ask("antenna_1", TWO).suppression_reason == "too_recent"


def test_without_a_model_the_error_says_so(world: World) -> None:
    world.model.selector = None
    with pytest.raises(ModelNotReadyError):
        world.ask("antenna_1", TWO)


class TestFixedLabels:
    """The original's behaviour, by name alone."""

    @pytest.fixture
    def world(self, world: World) -> World:
        world.model.selector = LabelSelector("1.0.1", Constant([0.0, 0.0, 3.0]), LABELS, LABEL_FEATURES)
        return world

    def test_a_label_is_answered_that_is_not_heard(self, world: World) -> None:
        answer = world.ask("antenna_1", TWO)
        assert (answer.predicted_antenna, answer.reason) == ("antenna_3", "a fixed label that is not heard")
        assert answer.confidence == pytest.approx(0.909, abs=1e-3)
        assert sorted(one.antenna for one in answer.ranking) == ["antenna_1", "antenna_2"]
        assert len(answer.features_used) == 35

    def test_the_guards_hold_it_back_too(self, world: World) -> None:
        world.ask("antenna_1", TWO)
        assert world.ask("antenna_1", TWO).predicted_antenna == "antenna_1"


class TestA3:
    @pytest.fixture
    def world(self) -> World:
        return World({"rsrp_over_serving": -1.0}, Guards(mode="a3", hysteresis_db=4.0))

    def test_the_rule_answers(self, world: World) -> None:
        answer = world.ask("antenna_1", TWO)
        assert (answer.predicted_antenna, answer.model_type, answer.fallback_reason) == ("antenna_2", "a3", None)
        assert world.ask("antenna_1", {"antenna_1": -80.0, "antenna_2": -76.1}, ue="x").predicted_antenna == "antenna_1"

    def test_it_is_not_guarded(self, world: World) -> None:
        world.ask("antenna_1", TWO)
        assert world.ask("antenna_1", TWO).predicted_antenna == "antenna_2"

    def test_a_model_asked_for_by_name_answers(self, world: World) -> None:
        asked = PredictionRequest.model_validate(
            {
                "ue_id": "u",
                "connected_to": "antenna_1",
                "rf_metrics": {"antenna_1": {"rsrp": -80.0}, "x": {"rsrp": -70}},
            }
        )
        assert world.predictor.predict(asked, "lightgbm").model_type == "lightgbm"


class TestHybrid:
    @pytest.fixture
    def world(self) -> World:
        return World({"rsrp_over_serving": -1.0}, Guards(mode="hybrid"))

    def test_with_few_cells_the_rule_answers(self, world: World) -> None:
        answer = world.ask("antenna_1", TWO)
        assert (answer.predicted_antenna, answer.fallback_reason) == ("antenna_2", "too_few_antennas")
        assert answer.reason.endswith("(A3 rule: too few cells are heard for the model)")

    def test_a_model_that_is_sure_answers(self, world: World) -> None:
        answer = world.ask("AAAAA1001", THREE)
        assert (answer.predicted_antenna, answer.model_type, answer.fallback_reason) == ("AAAAA1003", "lightgbm", None)

    def test_one_that_is_not_leaves_it_to_the_rule(self, world: World) -> None:
        answer = world.ask("a", {"a": -80.0, "b": -80.1, "c": -77.0, "d": -80.2})
        assert (answer.predicted_antenna, answer.fallback_reason) == ("c", "low_confidence")
        assert answer.original_prediction == "d"
        assert world.ask("a", {"a": -80.0, "b": -80.1, "c": -77.0, "d": -80.2}).suppression_reason == "too_recent"

    def test_without_a_model_the_rule_answers(self, world: World) -> None:
        world.model.selector = None
        assert world.ask("AAAAA1001", THREE).fallback_reason == "model_not_ready"


class TestQos:
    def test_the_verdict_comes_along(self, world: World) -> None:
        answer = world.ask_for_service("antenna_1", TWO, service_type="urllc", observed_qos={"latency_ms": 9.0})
        assert (answer.service_type, answer.service_priority, answer.qos_bias_applied) == ("urllc", 10, False)
        assert answer.qos_compliance["required_confidence"] == 0.95
        assert [one["metric"] for one in answer.qos_compliance["violations"]] == ["latency"]

    def test_where_a_service_fared_badly_it_is_not_sent(self, world: World) -> None:
        cells = {"antenna_1": -80.0, "antenna_2": -79.5}
        assert world.ask_for_service("antenna_1", cells, service_type="embb").predicted_antenna == "antenna_2"
        world.clock.advance(60)
        for _ in range(5):
            world.outcomes.add("embb", "antenna_2", success=False)
        answer = world.ask_for_service("antenna_1", cells, service_type="embb")
        assert (answer.predicted_antenna, answer.qos_bias_applied) == ("antenna_1", True)
        assert answer.qos_compliance["required_confidence"] == 1.0
        other = world.ask_for_service("antenna_1", cells, service_type="mmtc")
        assert (other.predicted_antenna, other.qos_bias_applied) == ("antenna_2", False)


@settings(max_examples=40)
@given(bodies(NAMES))
def test_the_answer_is_always_a_cell_that_is_heard(body: dict[str, Any]) -> None:
    for mode in ("ml", "a3", "hybrid"):
        world = World(guards=Guards(mode=mode))
        for _ in range(2):
            answer = world.predictor.predict(PredictionRequest.model_validate(body))
            assert answer.predicted_antenna in body["rf_metrics"]
            assert sorted(one.antenna for one in answer.ranking) == sorted(body["rf_metrics"])
            assert sum(one.confidence for one in answer.ranking) == pytest.approx(1.0)
            assert 0 <= answer.confidence <= 1
            assert answer.reason
            assert Prediction.model_validate_json(answer.model_dump_json()) == answer


@settings(max_examples=40)
@given(st.lists(bodies(values=LEVELS), min_size=1, max_size=4), st.randoms())
def test_the_order_of_cells_changes_nothing(drawn: list[dict[str, Any]], random: Any) -> None:
    one, other = World(), World()
    for body in drawn:
        names = list(body["rf_metrics"])
        random.shuffle(names)
        shuffled = body | {"ue_id": "u", "rf_metrics": {name: body["rf_metrics"][name] for name in names}}
        straight = PredictionRequest.model_validate(body | {"ue_id": "u"})
        assert other.predictor.predict(PredictionRequest.model_validate(shuffled)) == one.predictor.predict(straight)


def test_a_timestamp_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="timestamp"):
        world.ask("antenna_1", TWO, timestamp="noon")
    assert world.ask("antenna_1", TWO, timestamp=START).time_since_last_handover is None
