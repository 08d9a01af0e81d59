"""What services ask for and get."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.handover.messages import PredictionWithQosRequest, QosObservation
from quintet.handover.qos import (
    PRESETS,
    Outcomes,
    Rate,
    Requirements,
    base_confidence,
    biased,
    compliance,
    required_confidence,
    requirements_of,
)

EMBB = PRESETS["embb"]
NONE_YET = Rate()


def wanted(**more: Any) -> Requirements:
    return requirements_of(PredictionWithQosRequest.model_validate({"ue_id": "u"} | more))


def test_presets_are_the_originals() -> None:
    assert tuple(PRESETS["urllc"]) == (10, 5, 1, 99.99, 1)
    assert tuple(PRESETS["embb"]) == (7, 50, 100, 99, 15)
    assert tuple(PRESETS["mmtc"]) == (3, 1000, 0.1, 95, 100)
    assert tuple(PRESETS["default"]) == (5, 100, 5, 98, 20)
    assert wanted() == PRESETS["default"]
    assert wanted(service_type="urllc") == PRESETS["urllc"]


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), -(10**13), True, "5", None, [5]])
def test_what_no_requirement_can_be_asks_for_nothing(value: object) -> None:
    assert wanted(edge_service_requirements={"latency_ms": value}) == PRESETS["default"]


def test_a_priority_may_be_written_as_any_number_that_is_whole() -> None:
    said = '{"ue_id": "u", "service_priority": 7.0}'
    assert PredictionWithQosRequest.model_validate_json(said, strict=True).service_priority == 7


def test_what_is_asked_for_goes_first() -> None:
    own = wanted(
        service_type="embb",
        service_priority=5,
        qos_requirements={"latency_requirement_ms": 20.0, "throughput_mbps": 30.0, "colour": 1.0},
        edge_service_requirements={"jitter_ms": 3, "latency_ms": 99, "region": "eu", "reliability_pct": True},
    )
    assert own == Requirements(5, 20.0, 30.0, 99, 3)


@pytest.mark.parametrize("priority", range(1, 11))
def test_required_confidence_rises_with_priority(priority: int) -> None:
    assert base_confidence(priority) == pytest.approx(0.5 + (priority - 1) * 0.05)
    assert required_confidence(priority) == base_confidence(priority)


def test_feedback_boosts_and_relaxes_what_is_required() -> None:
    assert required_confidence(5, 0, 4) == 0.7
    assert required_confidence(5, 5, 5) == 0.6
    assert required_confidence(5, 45, 50) == 0.7
    assert required_confidence(5, 0, 50) == 0.9
    assert required_confidence(10, 0, 50) == 1.0


@given(st.integers(1, 10), st.integers(0, 100), st.integers(0, 100))
def test_it_never_moves_by_more_than_it_may(priority: int, successes: int, failures: int) -> None:
    required = required_confidence(priority, successes, successes + failures)
    assert base_confidence(priority) - 0.1 - 1e-9 <= required <= min(1.0, base_confidence(priority) + 0.2) + 1e-9
    if failures:
        assert required_confidence(priority, successes + 1, successes + failures) <= required + 1e-9 or (
            successes + failures < 5
        )


def test_cells_that_served_badly_count_less() -> None:
    outcomes = Outcomes(cells={"a": Rate(45, 100), "b": Rate(95, 100), "c": Rate(0, 4)})
    shares, applied = biased([0.5, 0.3, 0.2], ["a", "b", "c"], outcomes)
    assert applied
    assert shares == pytest.approx([0.25 / 0.75, 0.3 / 0.75, 0.2 / 0.75])
    worst, _ = biased([0.5, 0.5], ["a", "b"], Outcomes(cells={"a": Rate(0, 100)}))
    assert worst[0] / worst[1] == pytest.approx(0.35)


def test_where_all_went_well_nothing_is_changed() -> None:
    assert biased([0.7, 0.3], ["a", "b"], Outcomes(cells={"a": Rate(90, 100)})) == ([0.7, 0.3], False)


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=6),
    st.lists(st.builds(lambda good, bad: Rate(good, good + bad), st.integers(0, 100), st.integers(0, 100)), min_size=6),
)
def test_biased_shares_add_up(shares: list[float], rates: list[Rate]) -> None:
    given_ = [share / sum(shares) for share in shares]
    cells = [str(number) for number in range(len(shares))]
    other, _ = biased(given_, cells, Outcomes(cells=dict(zip(cells, rates, strict=False))))
    assert sum(other) == pytest.approx(1.0)


def verdict(confidence: float = 0.9, rate: Rate = NONE_YET, **observed: float) -> dict[str, Any]:
    told: dict[str, Any] = compliance("embb", EMBB, QosObservation(**observed), confidence, rate)
    assert json.loads(json.dumps(told)) == told
    return told


def test_a_service_that_gets_what_it_asks_for() -> None:
    told = verdict(latency_ms=50, throughput_mbps=100, jitter_ms=15, packet_loss_rate=1)
    assert (told["service_priority_ok"], told["confidence_ok"], told["violations"]) == (True, True, [])
    assert (told["required_confidence"], told["observed_confidence"]) == (0.8, 0.9)
    assert told["metrics"]["latency"] == {"passed": True, "required": 50, "observed": 50, "delta": 0}


def test_what_it_lacks_is_listed() -> None:
    told = verdict(latency_ms=60, throughput_mbps=80, jitter_ms=16, packet_loss_rate=1.5)
    assert not told["service_priority_ok"]
    assert told["violations"] == [
        {"metric": "latency", "required": 50, "observed": 60, "delta": 10},
        {"metric": "throughput", "required": 100, "observed": 80, "delta": -20},
        {"metric": "jitter", "required": 15, "observed": 16, "delta": 1},
        {"metric": "reliability", "required": 1, "observed": 1.5, "delta": 0.5},
    ]


def test_what_was_not_observed_violates_nothing() -> None:
    told = verdict()
    assert told["violations"] == []
    assert told["metrics"]["latency"] == {"passed": True, "required": 50, "observed": None, "delta": None}


def test_confidence_is_part_of_it() -> None:
    assert not verdict(0.79)["service_priority_ok"]
    assert verdict(0.79, Rate(100, 100))["service_priority_ok"]
    assert not verdict(0.9, Rate(0, 100))["service_priority_ok"]


def test_zero_asks_for_nothing() -> None:
    free = Requirements(1, 0, 0, 0, 0)
    told = compliance("default", free, QosObservation(latency_ms=1e6, packet_loss_rate=100, jitter_ms=9), 0.5, Rate())
    assert told["service_priority_ok"]
