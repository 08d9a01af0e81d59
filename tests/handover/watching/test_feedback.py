"""Feedback: kept, watched for a drift, and one retraining of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from quintet.handover.feedback import FeedbackAnswer, Manner
from quintet.handover.feedback_rows import IN_A_ROW
from quintet.handover.messages import QosFeedback
from quintet.handover.performance import Rule
from quintet.kernel.errors import Conflict, Unavailable
from quintet.kernel.ids import fingerprint
from quintet.kernel.rows import Write
from tests.handover.watching.feedback_room import FeedbackRoom, sample, samples


@pytest.fixture
def room() -> FeedbackRoom:
    return FeedbackRoom()


def test_the_answer_is_the_originals(room: FeedbackRoom) -> None:
    answer = room.feedback.take(samples("11011"))
    assert answer.model_dump() == {"status": "received", "samples": 5, "retrained": False}
    assert room.feedback.take([]).model_dump() == {"status": "received", "samples": 0, "retrained": False}


def test_what_was_told_is_in_the_buffer_in_its_order_with_pseudonyms(room: FeedbackRoom) -> None:
    told = [sample(number % 3 > 0, number, ue=f"ue-{number}", latitude=-22.3) for number in range(30)]
    room.feedback.take(told[:10])
    room.another().take(told[10:11])
    room.feedback.take(told[11:])
    expected = [one.model_copy(update={"ue_id": fingerprint(one.ue_id or "")}) for one in told]
    assert room.kept.samples() == expected
    learn, held_back = room.feedback.examples()
    assert sorted(learn + held_back, key=lambda one: float(one.timestamp or 0)) == expected
    assert "ue-1" not in str(room.kept.samples())


def test_the_buffer_has_room_for_the_newest_alone() -> None:
    room = FeedbackRoom(room=100)
    for first in range(0, 260, 20):
        room.feedback.take([sample(True, first + place) for place in range(20)])
    assert [one.timestamp for one in room.kept.samples()] == [1000.0 * number for number in range(160, 260)]
    room.feedback.take([sample(True, number) for number in range(1000, 1250)])
    assert [one.timestamp for one in room.kept.samples()] == [1000.0 * number for number in range(1150, 1250)]


def test_what_has_no_room_any_more_is_removed() -> None:
    room = FeedbackRoom(room=50)
    for first in range(0, 150, 30):
        room.feedback.take([sample(True, first + place, latitude=float(place)) for place in range(30)])
    before = room.kept.samples()
    assert room.kept.trim() == 3
    assert room.kept.trim() == 0
    assert room.kept.samples() == before
    assert len(before) == 50


def test_however_many_requests_came_the_newest_samples_count_and_the_rest_goes() -> None:
    room = FeedbackRoom(room=40)
    for number in range(330):
        room.feedback.take([sample(True, number)])
    newest = [1000.0 * number for number in range(290, 330)]
    assert [one.timestamp for one in room.kept.samples()] == newest
    assert room.kept.trim() == 290
    assert [one.timestamp for one in room.kept.samples()] == newest


def test_megabytes_are_an_object_and_come_back(room: FeedbackRoom) -> None:
    cells = {f"cell_{number}": {"rsrp": -80.5, "sinr": 1.25, "rsrq": -10.0} for number in range(100)}
    told = [sample(number % 2 == 0, number, rf_metrics=cells, optimal_antenna="cell_1") for number in range(300)]
    assert sum(len(one.model_dump_json()) for one in told) > 1_000_000
    room.feedback.take(told)
    assert len(room.objects.keys()) == 1
    assert len(room.objects.get(room.objects.keys()[0])[0]) > IN_A_ROW
    kept = room.kept.samples()
    assert len(kept) == 300
    assert kept[7].rf_metrics == told[7].rf_metrics
    before = room.objects.keys()
    room.feedback.take(samples("1" * 1000, first=2000))
    assert room.kept.trim() == 1
    assert not set(before) & set(room.objects.keys())


def test_letters_of_all_scripts_fit_into_a_row(room: FeedbackRoom) -> None:
    for number, letter in enumerate("aя\N{CJK UNIFIED IDEOGRAPH-65E5}\N{GRINNING FACE}"):
        cells = {letter * 90 + str(cell): {"rsrp": -80.5} for cell in range(250)}
        told = [sample(True, number, rf_metrics=cells, optimal_antenna=f"{letter * 90}1") for _ in range(3)]
        room.feedback.take(told)
    assert len(room.kept.samples()) == 12


def test_a_month_later_nobody_knows_where_phones_were(room: FeedbackRoom) -> None:
    room.feedback.take(samples("111"))
    room.clock.advance(timedelta(days=30, seconds=1).total_seconds())
    assert room.kept.samples() == []
    assert room.feedback.examples() == ([], [])


@pytest.mark.parametrize(
    "useless",
    [
        sample(False, optimal_antenna="unheard"),
        sample(False, rf_metrics=None),
        sample(False, rf_metrics={"b": {"cell_load": 0.5}}),
        sample(False, timestamp="yesterday"),
    ],
    ids=["a cell it does not hear", "no measurement", "an empty one", "no time"],
)
def test_what_no_model_can_learn_from_counts_as_an_outcome_alone(room: FeedbackRoom, useless: object) -> None:
    told = [sample(), useless, sample(number=1)]
    assert room.feedback.take(told).samples == 3  # type: ignore[arg-type]
    assert len(room.kept.samples()) == 2
    assert room.kept.state().outcomes == "101"
    assert len(room.learned) <= 2


def test_a_window_of_failures_queues_one_retraining(room: FeedbackRoom) -> None:
    assert not room.feedback.take(samples("1" * 39 + "0" * 10)).retrained
    assert room.feedback.take(samples("0", first=49)).retrained
    assert [reason for _, reason in room.asked] == ["performance"]
    assert room.counted("ml_drift_events_total") == {("performance",): 1}
    assert room.counted("ml_retrainings_queued_total") == {("performance",): 1}


def test_all_in_one_request_will_do(room: FeedbackRoom) -> None:
    assert room.feedback.take(samples("0" * 60)).retrained


def test_what_the_rule_allows_may_be_a_drift_for_the_detector(room: FeedbackRoom) -> None:
    assert not room.feedback.take(samples("1" * 300)).retrained
    told = [room.feedback.take(samples("01", first=300 + 2 * number)).retrained for number in range(12)]
    assert told.count(True) == 1


def test_the_same_outcomes_ask_no_second_time(room: FeedbackRoom) -> None:
    room.feedback.take(samples("0" * 50))
    room.clock.advance(room.manner.rest_seconds + 1)
    assert not room.feedback.take(samples("0" * 10, first=50)).retrained
    assert not room.feedback.take(samples("0" * 39, first=60)).retrained
    assert room.feedback.take(samples("0", first=99)).retrained, "fifty new ones do"
    assert len(room.asked) == 2


def test_nothing_is_asked_for_in_the_rest_after(room: FeedbackRoom) -> None:
    room.feedback.take(samples("0" * 50))
    room.clock.advance(room.manner.rest_seconds - 1)
    assert not room.feedback.take(samples("0" * 200, first=50)).retrained
    room.clock.advance(2)
    assert room.feedback.take(samples("0", first=250)).retrained


def test_outcomes_of_another_version_do_not_count(room: FeedbackRoom) -> None:
    room.feedback.take(samples("0" * 49))
    room.version = "1.0.1"
    assert not room.feedback.take(samples("0" * 49, first=49)).retrained
    assert room.feedback.take(samples("0", first=98)).retrained


def test_where_one_is_running_no_other_is_queued(room: FeedbackRoom) -> None:
    room.busy = True
    assert not room.feedback.take(samples("0" * 50)).retrained
    assert room.kept.state().wanted is None
    assert room.counted("ml_retrainings_queued_total") == {}


def test_a_retraining_that_could_not_be_queued_is_by_the_watch(room: FeedbackRoom) -> None:
    room.failure = Unavailable("the queue does not answer")
    answer = room.feedback.take(samples("0" * 50))
    assert answer == FeedbackAnswer(samples=50, retrained=False)
    assert len(room.kept.samples()) == 50, "what was told is kept"
    with pytest.raises(Unavailable):
        room.feedback.queue()
    room.failure = None
    assert room.feedback.queue()
    assert not room.feedback.queue()
    assert len(room.asked) == 1


def test_one_that_was_queued_and_not_noted_is_asked_for_by_its_name_again(
    room: FeedbackRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quintet.handover.feedback.Feedback._forget", lambda *_: None)
    assert room.feedback.take(samples("0" * 50)).retrained
    assert room.another().queue()
    assert len(set(room.asked)) == 1


def test_many_environments_at_once_queue_one_and_lose_nothing(room: FeedbackRoom) -> None:
    start = Barrier(12)

    def tell(number: int) -> FeedbackAnswer:
        environment = room.another()
        start.wait()
        return environment.take(samples("0" * 10, first=100 * number))

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(tell, range(12)))
    assert [answer.retrained for answer in answers].count(True) == 1
    assert len(room.asked) == 1
    assert len(room.kept.samples()) == 120
    assert len({one.timestamp for one in room.kept.samples()}) == 120
    assert room.counted("ml_feedback_samples_total") == {("failure",): 120}


def test_somebody_quicker_is_seen(room: FeedbackRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    write, quicker = room.rows.write, room.another()
    turns = iter([True, False, False, False, False, False])

    def overtaken(*step: Write) -> None:
        if next(turns):
            quicker.take(samples("0" * 49, first=500))
        write(*step)

    monkeypatch.setattr(room.rows, "write", overtaken)
    assert room.feedback.take(samples("0")).retrained, "the fiftieth failure, though it had seen none before"
    assert len(room.kept.samples()) == 50


def test_a_wish_that_was_overtaken_undoes_nothing(room: FeedbackRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room.feedback.take(samples("1" * 20))
    write, quicker = room.rows.write, room.another()
    turns = iter([True, False])

    def overtaken(*step: Write) -> None:
        if next(turns):
            quicker.take(samples("0" * 5, first=500))
        write(*step)

    monkeypatch.setattr(room.rows, "write", overtaken)
    assert not room.feedback.want("data")
    assert room.kept.state().outcomes == "1" * 20 + "0" * 5
    assert len(room.kept.samples()) == 25


def test_who_is_always_overtaken_is_told_so(room: FeedbackRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: Write) -> None:
        raise Conflict("the record has changed meanwhile")

    monkeypatch.setattr(room.rows, "write", taken)
    with pytest.raises(Exception, match="too much feedback comes at one time"):
        room.feedback.take(samples("0"))


def test_the_online_model_learns_from_what_is_not_held_back(room: FeedbackRoom) -> None:
    told = samples("1" * 200)
    room.feedback.take(told)
    learn, held_back = room.feedback.examples()
    assert room.learned == learn
    assert 20 <= len(held_back) <= 60
    assert room.counted("ml_online_updates_total") == {("learned",): float(len(learn))}


@pytest.mark.parametrize("failure", [Unavailable("away"), Conflict("others were quicker")], ids=repr)
def test_feedback_is_kept_though_the_online_model_can_not_learn(
    room: FeedbackRoom, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def refuse(*_: object) -> int:
        raise failure

    monkeypatch.setattr(room, "learn", refuse)
    assert room.another().take(samples("1")).samples == 1
    assert len(room.kept.samples()) == 1
    assert sum(room.counted("ml_online_updates_total").values()) == room.counted("ml_online_updates_total").get(
        ("failed",), 0
    )


def test_what_is_told_is_measured(room: FeedbackRoom) -> None:
    room.feedback.take(samples("1" * 30 + "0" * 10))
    assert room.counted("ml_feedback_samples_total") == {("success",): 30, ("failure",): 10}
    assert room.counted("ml_feedback_success_rate") == {(): 0.75}


def test_a_data_drift_queues_one_too(room: FeedbackRoom) -> None:
    assert not room.feedback.want("data"), "there is nothing to learn from"
    room.feedback.take(samples("1" * 5))
    assert room.feedback.want("data")
    assert not room.feedback.want("data"), "it rests"
    assert [reason for _, reason in room.asked] == ["data"]
    assert room.counted("ml_retrainings_queued_total") == {("data",): 1}


def test_the_rule_may_be_another() -> None:
    room = FeedbackRoom(manner=Manner(rule=Rule(window=10, threshold=0.5)))
    assert not room.feedback.take(samples("1111100000")).retrained
    assert room.feedback.take(samples("0", first=10)).retrained


def qos(success: bool, **more: object) -> QosFeedback:
    return QosFeedback.model_validate(
        {"ue_id": "ue-1", "antenna_id": "a", "service_type": "urllc", "service_priority": 1, "success": success} | more
    )


def test_feedback_on_a_service_moves_the_confidence_that_it_asks_for(room: FeedbackRoom) -> None:
    first = room.feedback.qos(qos(True)).model_dump()
    assert first == {"status": "accepted", "adaptive_required_confidence": 0.5}
    failing = [room.feedback.qos(qos(False)).adaptive_required_confidence for _ in range(20)]
    assert failing[-1] > 0.65
    assert max(failing) <= 0.7
    assert room.feedback.qos(qos(True, service_type="embb")).adaptive_required_confidence == 0.5
    assert room.counted("ml_qos_feedback_events_total") == {
        ("urllc", "success"): 1, ("urllc", "failure"): 20, ("embb", "success"): 1,
    }  # fmt: skip
    assert room.counted("ml_qos_adaptive_confidence")[("urllc",)] == pytest.approx(failing[-1])


def test_feedback_on_a_service_is_taken_though_there_is_no_memory(room: FeedbackRoom) -> None:
    room.trails.away = True
    assert room.feedback.qos(qos(False, service_priority=10)).adaptive_required_confidence == 0.95
