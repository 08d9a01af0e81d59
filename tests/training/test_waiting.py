"""Detections that wait for an ONNX file to be made."""

import json
from datetime import timedelta
from functools import partial

import pytest

from quintet.training import jobs
from quintet.training.jobs import Job, JobKey
from quintet.training.submission import new_job
from quintet.training.waiting import GIVEN_UP_AFTER, LONGEST_WAIT
from tests.training.small_room import CONVERT, DETECT, KEY, SmallRoom

MAKING = JobKey("broker", "onnx")


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


def making(room: SmallRoom) -> Job:
    """The conversion that nobody asked for but the room itself."""
    job = new_job("convert", {**CONVERT, "job_id": "onnx"}, "broker", "", room.clock.now())
    return room.ledger.enter(jobs.entered(jobs.changed(job, quiet=True)))


def made(room: SmallRoom) -> None:
    room.ledger.amend(MAKING, partial(jobs.completed, body={"type": "conversion_completed"}, now=room.clock.now()))


def waiting(room: SmallRoom) -> Job:
    room.waiting.wait(room.take("inference", DETECT), making(room).key)
    return room.ledger.read(KEY)


def test_it_waits_for_the_conversion_and_goes_on_when_that_has_ended(room: SmallRoom) -> None:
    assert waiting(room).waits_for == "broker#onnx"
    room.sweep()
    assert room.to_detect.sent == []
    made(room)
    room.tend("onnx")
    [(body, attributes)] = room.to_detect.sent
    assert (json.loads(body), attributes) == (DETECT, {"user_id": "broker"})
    assert room.take("inference", json.loads(body)) == room.ledger.read(KEY)


def test_it_goes_on_at_once_where_the_conversion_has_ended_meanwhile(room: SmallRoom) -> None:
    job = room.take("inference", DETECT)
    making(room)
    made(room)
    room.waiting.wait(job, MAKING)
    assert len(room.to_detect.sent) == 1


def test_a_conversion_that_failed_ends_the_waiting_too(room: SmallRoom) -> None:
    waiting(room)
    room.tend("onnx")
    for attempt in (1, 2, 3):
        room.tending.task_stopped(MAKING, attempt, "killed")
        room.tend("onnx")
    assert room.ledger.read(MAKING).status == "failed"
    assert room.to_detect.sent


def test_nobody_else_is_woken(room: SmallRoom) -> None:
    waiting(room)
    room.take("inference", {**DETECT, "job_id": "b"})
    room.take("convert", {**CONVERT, "job_id": "c"})
    room.ledger.amend(JobKey("broker", "c"), partial(jobs.cancelled, now=room.clock.now()))
    room.waiting.wake(JobKey("broker", "c"))
    room.waiting.wake(JobKey("broker", "none"))
    assert room.to_detect.sent == []


def test_a_sweep_makes_up_for_a_word_that_was_lost(room: SmallRoom) -> None:
    waiting(room)
    made(room)
    room.sweep()
    assert len(room.to_detect.sent) == 1


def test_a_detection_without_an_end_is_given_up(room: SmallRoom) -> None:
    room.take("inference", DETECT)
    room.clock.advance(GIVEN_UP_AFTER.total_seconds())
    room.sweep()
    assert room.ledger.read(KEY).status == "running"
    room.clock.advance(1)
    room.sweep()
    assert room.ledger.read(KEY).error == "The detection could not be done in time: send the request again."
    assert room.told() == ["inference_started", "inference_failed"]


def test_as_long_as_its_conversion_is_under_way_it_may_take_longer(room: SmallRoom) -> None:
    waiting(room)
    room.clock.advance(2 * GIVEN_UP_AFTER.total_seconds())
    room.tend()
    assert room.ledger.read(KEY).status == "running"
    made(room)
    room.clock.advance(GIVEN_UP_AFTER.total_seconds() + 1)
    room.sweep()
    assert room.ledger.read(KEY).status == "failed"


def test_but_not_for_ever(room: SmallRoom) -> None:
    waiting(room)
    room.clock.advance((LONGEST_WAIT + timedelta(seconds=1)).total_seconds())
    room.tend()
    assert room.ledger.read(KEY).status == "failed"


def test_what_has_ended_meanwhile_neither_waits_nor_is_given_up(room: SmallRoom) -> None:
    job = room.take("inference", DETECT)
    ended = room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()))
    room.waiting.wait(job, making(room).key)
    room.waiting.give_up(job)
    assert room.ledger.read(KEY) == ended
