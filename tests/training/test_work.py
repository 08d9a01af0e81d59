"""What a task may write of its job."""

from dataclasses import replace
from functools import partial

import pytest

from quintet.kernel.errors import NotFound
from quintet.training import jobs
from quintet.training.jobs import Claim, JobKey, Superseded
from quintet.training.work import Work
from tests.training.small_room import CONVERT, KEY, TRAIN, SmallRoom


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


def test_a_training_from_start_to_end(room: SmallRoom) -> None:
    work = room.training()
    assert work.job().status == "running"
    for epoch in (1, 2, 3):
        assert work.finish_epoch(epoch, {"train_loss": 1.0}).current_epoch == epoch
    job = work.complete_training(model_path="m", metrics={"train_loss": 1.0}, epochs=3, seconds=9.5)
    assert (job.status, (job.outcome or {})["training_time"]) == ("completed", 9.5)
    assert room.told() == ["training_started", *["epoch_update"] * 3, "training_completed"]
    assert room.ledger.slots("train") == {}


def test_a_conversion_from_start_to_end(room: SmallRoom) -> None:
    room.take("convert", CONVERT)
    work = room.work(room.tend())
    work.start_conversion(model_path="models/a.pt", target_format="onnx", options={"opset": 17})
    work.complete_conversion(output_path="models/a.onnx", seconds=1.5, model_info={"file_size_mb": 1.0})
    assert room.told() == ["conversion_started", "conversion_completed"]


def test_nothing_can_be_written_before_the_claim_of_another_task(room: SmallRoom) -> None:
    work = room.training()
    twin = room.work(work.job(), "twin")
    for write in (twin.alive, twin.suspend, twin.cancel, partial(twin.finish_epoch, 1, {}), partial(twin.fail, "no")):
        with pytest.raises(Superseded):
            write()
    assert room.told() == ["training_started"]


def test_who_comes_back_after_another_attempt_says_nothing_more(room: SmallRoom) -> None:
    old = room.training()
    old.finish_epoch(1, {})
    room.clock.advance(61)
    new = room.work(room.tend())
    new.start_training({}, 3)
    told = room.told()
    for write in (
        old.alive,
        old.suspend,
        old.cancel,
        partial(old.finish_epoch, 2, {}),
        partial(old.fail, "no"),
        partial(old.give_up, "no"),
        partial(old.complete_training, model_path="m", metrics={}, epochs=3, seconds=1),
    ):
        with pytest.raises(Superseded):
            write()
    assert room.told() == told
    assert new.finish_epoch(2, {}).current_epoch == 2


def test_a_cancel_is_learnt_of_while_working(room: SmallRoom) -> None:
    work = room.training()
    assert not work.alive().cancel_requested
    room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()))
    assert work.alive().cancel_requested
    assert work.finish_epoch(1, {}).cancel_requested
    assert work.cancel().status == "cancelled"
    assert room.told()[-1] == "training_cancelled"


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_cancel_that_was_accepted_is_kept_however_the_work_ends(room: SmallRoom, end: str) -> None:
    work = room.training()
    room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()))
    if end == "fail":
        job = work.fail("CUDA out of memory")
    else:
        job = work.complete_training(model_path="m", metrics={}, epochs=3, seconds=1)
    assert (job.status, room.told()[-1]) == ("cancelled", "training_cancelled")


def test_given_back_it_goes_on_where_it_was(room: SmallRoom) -> None:
    work = room.training()
    work.finish_epoch(1, {})
    assert work.suspend().status == "pending"
    next_one = room.work(room.tend())
    assert next_one.claim == Claim(2, "broker#a/2")
    next_one.start_training({}, 3)
    next_one.finish_epoch(1, {})
    next_one.finish_epoch(2, {})
    assert room.told() == ["training_started", "epoch_update", "epoch_update"]


def test_given_up_it_is_tried_again_a_few_times(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    for _ in range(2):
        work = room.work(room.tend())
        work.start_training({}, 3)
        assert work.give_up("the disk is full").status == "pending"
    work = room.work(room.tend())
    assert work.give_up("the disk is full").error == "The task died 3 times without progress, last: the disk is full"


def test_work_on_what_is_not_there(room: SmallRoom) -> None:
    with pytest.raises(NotFound):
        Work(room.ledger, JobKey("broker", "none"), Claim(1), room.clock).alive()


def test_what_another_did_meanwhile_is_seen_without_a_look_before(room: SmallRoom) -> None:
    work = room.training()
    room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()))
    assert work.finish_epoch(1, {"train_loss": 1.0}).cancel_requested
    room.ledger.amend(
        KEY, partial(jobs.died, attempt=work.claim.attempt, reason="?", now=room.clock.now(), task=work.claim.holder)
    )
    with pytest.raises(Superseded):
        work.finish_epoch(2, {"train_loss": 1.0})


def test_whoever_writes_a_message_is_told_of_it_once_it_is_durable(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    heard: list[bool] = []
    ledger = replace(room.ledger, on_outgoing=lambda one: heard.append(one in room.ledger.unpublished(KEY)))
    work = Work(ledger, KEY, Claim(room.tend().attempt, "task"), room.clock)
    work.start_training({}, 3)
    work.alive()
    work.finish_epoch(1, {"train_loss": 1.0})
    assert heard == [True, True]
