"""From samples to what a model learns from."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.handover.circumstances import Windows
from quintet.handover.examples import examples_of
from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.messages import FeedbackSample, TrainingSample
from quintet.kernel.errors import InvalidInput
from tests.handover.choosing.drawn import bodies

NOW = 1000.0


def sample(ue: str | None, serving: str, best: str, rsrp: float = -80.0, **more: Any) -> TrainingSample:
    cells = {"b": {"rsrp": rsrp}, "a": {"rsrp": -90.0}}
    said = {"ue_id": ue, "connected_to": serving, "optimal_antenna": best, "rf_metrics": cells}
    return TrainingSample.model_validate(said | more)


def test_the_answer_is_a_place_among_the_candidates() -> None:
    first, second = examples_of([sample("u", "a", "b"), sample("u", "a", "a")], NOW)
    assert [one.cell for one in first.look.sight.candidates] == ["a", "b"]
    assert (first.answer, second.answer, first.ue, first.success) == (1, 0, "u", True)


def test_samples_of_one_ue_are_each_others_history() -> None:
    samples = [sample("u", "a", "b"), sample("v", "a", "b"), sample("u", "b", "b"), sample("u", "b", "b")]
    looks = [one.look for one in examples_of(samples, NOW)]
    assert [len(look.history.sights) for look in looks] == [0, 0, 1, 2]
    assert looks[2].history.sights[0].serving == "a"
    assert [(done.source, done.target) for done in looks[3].history.handovers] == [("a", "b")]
    assert [look.sight.at for look in looks] == [996, 997, 998, 999]


def test_timestamps_order_them() -> None:
    samples = [sample("u", "b", "b", timestamp=20.0), sample("u", "a", "b", timestamp="1970-01-01T00:00:10Z")]
    late, early = examples_of(samples, NOW)
    assert (late.look.sight.at, early.look.sight.at) == (20, 10)
    assert [one.at for one in late.look.history.sights] == [10]
    assert early.look.history.sights == ()


def test_where_one_has_no_timestamp_the_list_orders_them() -> None:
    samples = [sample("u", "a", "b", timestamp=2000.0), sample("u", "a", "b"), sample("u", "a", "b", timestamp=5.0)]
    looks = [one.look for one in examples_of(samples, NOW)]
    assert [look.sight.at for look in looks] == [997, 998, 999]
    assert [len(look.history.sights) for look in looks] == [0, 1, 2]


def test_without_a_name_each_stands_alone() -> None:
    assert all(one.look.history.sights == () for one in examples_of([sample(None, "a", "b")] * 3, NOW))


def test_histories_are_bounded() -> None:
    last = examples_of([sample("u", "a", "b")] * 30, NOW)[-1]
    assert len(last.look.history.sights) == 10


def test_windows_go_into_the_looks() -> None:
    samples = [sample("u", "b", "b", rsrp) for rsrp in (-60.0, -80.0, -82.0)]
    at = PAIR_FEATURES.index("rsrp_stddev")
    wide, narrow = (examples_of(samples, NOW, Windows(signal=size))[-1].look for size in (3, 2))
    assert pair_features(wide)[0, at] > pair_features(narrow)[0, at] == 1.0


def test_how_it_went_is_told_along() -> None:
    told = FeedbackSample.model_validate(sample("u", "a", "b").model_dump() | {"success": False})
    assert [one.success for one in examples_of([told], NOW)] == [False]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"optimal_antenna": "c"}, "sample 1: optimal_antenna"),
        ({"rf_metrics": None}, "sample 1: rf_metrics"),
        ({"timestamp": "soon"}, "sample 1: timestamp"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(broken: Any, words: str) -> None:
    wrong = TrainingSample.model_validate(sample("u", "a", "b").model_dump() | broken)
    with pytest.raises(InvalidInput, match=words) as refusal:
        examples_of([sample("u", "a", "b"), wrong], NOW)
    assert refusal.value.status == 400


def test_of_nothing_nothing_is_learnt() -> None:
    with pytest.raises(InvalidInput, match="no sample"):
        examples_of([], NOW)


@settings(max_examples=40)
@given(st.lists(bodies(), max_size=8))
def test_any_samples_make_as_many_examples(drawn: list[dict[str, Any]]) -> None:
    samples = [TrainingSample.model_validate(one | {"optimal_antenna": min(one["rf_metrics"])}) for one in drawn]
    examples = examples_of(samples, NOW) if samples else []
    answered = [one.look.sight.candidates[one.answer].cell for one in examples]
    assert answered == [one.optimal_antenna for one in samples]
