"""Publishing: in order, at least once, the same bytes under the same name, on the queues where somebody waits."""

import json

import pytest

from quintet.kernel.errors import Unavailable
from quintet.training.ledger import Ledger, Outgoing
from quintet.training.messages import Kind
from quintet.training.settings import QueueNames
from tests.training.small_room import DETECT, KEY, SmallRoom


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


def outgoing(room: SmallRoom, kind: Kind, audience: str) -> Outgoing:
    return Outgoing("n", kind, audience, "{}", "m", "c", room.clock.now())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "outcomes"),
    [
        ("train", ["train_result_q"]),
        ("convert", ["convert_result_q", "train_update_q"]),
        ("inference", ["inference_result_q", "train_update_q"]),
    ],
)
def test_who_hears_what(room: SmallRoom, kind: Kind, outcomes: list[str]) -> None:
    assert room.outbox.targets(outgoing(room, kind, "update")) == ["train_update_q"]
    assert room.outbox.targets(outgoing(room, kind, "result")) == outcomes
    once = SmallRoom(names=QueueNames(outcomes_on_update_queue=False, train_update="u", convert_result="c"))
    assert once.outbox.targets(outgoing(room, kind, "update")) == ["u"]
    assert once.outbox.targets(outgoing(room, "convert", "result")) == ["c"]


def test_everything_is_told_in_order_and_then_forgotten(room: SmallRoom) -> None:
    work = room.training()
    work.finish_epoch(1, {})
    work.complete_training(model_path="m", metrics={}, epochs=3, seconds=1)
    waiting = room.ledger.unpublished()
    assert room.outbox.drain(KEY) == 3
    told = [(one.queue, json.loads(one.body)["type"]) for one in room.broker.published]
    assert told == [
        ("train_update_q", "training_started"),
        ("train_update_q", "epoch_update"),
        ("train_result_q", "training_completed"),
    ]
    assert [(one.body, one.message_id) for one in room.broker.published] == [(w.body, w.message_id) for w in waiting]
    assert {one.correlation_id for one in room.broker.published} == {"c"}
    assert room.ledger.unpublished() == []
    assert room.outbox.drain(KEY) == 0


def test_only_the_jobs_own(room: SmallRoom) -> None:
    room.take("inference", DETECT)
    room.take("inference", {**DETECT, "job_id": "ab"})
    assert room.outbox.drain(KEY) == 1
    assert room.told("ab") == ["inference_started"]


def test_while_the_broker_is_away_it_stays(room: SmallRoom) -> None:
    room.training().finish_epoch(1, {})
    room.broker.away = True
    with pytest.raises(Unavailable):
        room.outbox.drain(KEY)
    assert room.told() == ["training_started", "epoch_update"]
    room.broker.away = False
    assert room.outbox.drain(KEY) == 2


def test_what_could_not_be_forgotten_is_told_again_with_the_same_name(
    room: SmallRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.training()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "published", lambda ledger, outgoing: unavailable())
        with pytest.raises(Unavailable):
            room.outbox.drain(KEY)
    room.outbox.drain(KEY)
    first, second = room.broker.published
    assert first == second


def unavailable() -> None:
    raise Unavailable("the state table does not answer")
