"""What stands in the rows: durable before anybody is told, and forgotten in time."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from quintet.adapters.memory_rows import MemoryRows
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Rows
from quintet.training import jobs
from quintet.training.jobs import Job, JobKey, Step
from quintet.training.ledger import ACTIVE, OUTBOX, RETENTION, Ledger
from tests.training.small_room import CONVERT, DETECT, KEY, TRAIN, SmallRoom


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


def names(rows: Rows, partition: str) -> list[str]:
    return [name for name, _ in rows.list(partition)]


def test_a_job_is_read_as_it_was_written(room: SmallRoom) -> None:
    work = room.training()
    work.finish_epoch(1, {"train_loss": 0.5, "mAP50": None})
    job = work.fail("no")
    assert room.ledger.read(KEY) == job
    assert list(job.outcome or {})[:2] == ["type", "job_id"]
    assert room.ledger.find(JobKey("broker", "none")) is None


def test_its_request_is_kept_word_by_word(room: SmallRoom) -> None:
    asked = {"job_id": "a", "zeta": 1, "alpha": {"y": [1.0, None, "ü"], "x": True}, **TRAIN}
    room.take("train", asked)
    assert json.dumps(room.ledger.read(KEY).request) == json.dumps(asked)


def test_a_job_of_that_name_stands_in_the_way_of_another(room: SmallRoom) -> None:
    job = room.take("train", TRAIN)
    with pytest.raises(Conflict):
        room.ledger.enter(Step(job))


def test_what_has_not_ended_is_active(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.take("convert", {**CONVERT, "job_id": "b#ü"})
    assert sorted(room.ledger.active()) == [KEY, JobKey("broker", "b#ü")]
    room.ledger.amend(KEY, partial(jobs.cancelled, now=room.clock.now()))
    assert [*room.ledger.active()] == [JobKey("broker", "b#ü")]


def test_a_slot_is_one_jobs_at_a_time(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.take("train", {**TRAIN, "job_id": "b"})
    begin = partial(jobs.begun, slot=0, now=room.clock.now(), patience=timedelta(minutes=1))
    room.ledger.amend(KEY, begin)
    assert room.ledger.slots("train") == {0: KEY}
    assert room.ledger.slots("convert") == {}
    with pytest.raises(Conflict):
        room.ledger.amend(JobKey("broker", "b"), begin)
    assert room.ledger.read(JobKey("broker", "b")).attempt == 0


def test_what_comes_between_is_not_lost(room: SmallRoom) -> None:
    """A happening that was thought of on an older state is thought of anew."""
    job = room.training().job()
    seen: list[int] = []

    def epoch_while_a_cancel_comes(known: Job) -> Step:
        seen.append(known.version)
        if len(seen) == 1:
            room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()))
        claim = jobs.Claim(job.attempt, job.holder or "")
        return jobs.epoch_done(known, claim, epoch=1, metrics={}, now=room.clock.now())

    after = room.ledger.amend(KEY, epoch_while_a_cancel_comes)
    assert len(seen) == 2
    assert (after.cancel_requested, after.current_epoch) == (True, 1)


def test_nothing_is_written_where_nothing_happened(room: SmallRoom) -> None:
    before = room.take("train", TRAIN)
    assert room.ledger.amend(KEY, Step).version == before.version


def test_what_is_told_waits_in_order_with_its_own_name(room: SmallRoom) -> None:
    work = room.training()
    for epoch in (1, 2):
        work.finish_epoch(epoch, {})
    outgoing = room.ledger.unpublished(KEY)
    assert room.told() == ["training_started", "epoch_update", "epoch_update"]
    assert [one.name.rpartition("#")[2] for one in outgoing] == ["00000001", "00000002", "00000003"]
    assert len({one.message_id for one in outgoing}) == 3
    assert {(one.kind, one.audience, one.correlation) for one in outgoing} == {("train", "update", "c")}


def test_messages_of_jobs_with_similar_names_are_kept_apart(room: SmallRoom) -> None:
    for job_id in ("a", "a#0001", "a0", "b"):
        room.training(job_id)
        room.ledger.amend(JobKey("broker", job_id), partial(jobs.cancelled, now=room.clock.now()))
    assert [one.name.split("#")[1] for one in room.ledger.unpublished(KEY)] == ["a", "a"]
    assert len(room.ledger.unpublished()) == 8


def test_an_outcome_is_told_again_with_the_same_bytes_and_name(room: SmallRoom) -> None:
    work = room.training()
    room.clock.advance(1.25)
    work.finish_epoch(1, {"train_loss": 0.1, "mAP50": 1e-7})
    job = work.complete_training(model_path="models/ü.pt", metrics={"train_loss": float("nan")}, epochs=3, seconds=1)
    first = room.ledger.unpublished(KEY)[-1]
    room.ledger.tell_again(room.ledger.read(KEY))
    assert room.ledger.unpublished(KEY)[-1] == first
    for one in room.ledger.unpublished(KEY):
        room.ledger.published(one)
    room.clock.advance(1000)
    room.ledger.tell_again(room.ledger.read(KEY))
    [again] = room.ledger.unpublished(KEY)
    assert (again.name, again.body, again.message_id) == (first.name, first.body, first.message_id)
    assert job.outcome == {key: value for key, value in json.loads(again.body).items() if key != "timestamp"}


def test_a_quiet_job_tells_nobody(room: SmallRoom) -> None:
    job = room.take("convert", CONVERT)
    room.ledger.amend(KEY, lambda known: Step(jobs.changed(known, quiet=True)))
    ended = room.ledger.amend(KEY, partial(jobs.failed, reason="no", now=room.clock.now()))
    room.ledger.tell_again(ended)
    assert (job.told, ended.told, room.told()) == (0, 1, [])


def test_epochs_are_kept_by_run(room: SmallRoom) -> None:
    work = room.training()
    for epoch in (1, 2, 3):
        work.finish_epoch(epoch, {"train_loss": 1 / epoch})
    job = work.cancel()
    assert room.ledger.epochs(job, after=1) == [{"epoch": 2, "train_loss": 0.5}, {"epoch": 3, "train_loss": 1 / 3}]
    again = room.take("train", TRAIN, anew=True)
    assert (again.run, again.current_epoch, room.ledger.epochs(again)) == (2, 0, [])


def test_a_new_run_is_a_new_job_but_for_its_name(room: SmallRoom) -> None:
    before = room.training().fail("no")
    room.clock.advance(5)
    again = room.take("train", TRAIN, anew=True)
    fresh = {"run": 2, "version": before.version + 1, "attempt": before.attempt, "accepted_at": room.clock.now()}
    assert room.ledger.read(KEY) == again
    other = SmallRoom()
    assert again == jobs.changed(other.take("train", TRAIN), **fresh)
    assert [*room.ledger.active()] == [KEY]


def test_the_callers_list_is_newest_first_and_names_a_job_once(room: SmallRoom) -> None:
    for job_id in ("a", "b", "c"):
        room.clock.advance(1)
        room.take("inference", {**DETECT, "job_id": job_id})
    room.ledger.amend(KEY, partial(jobs.cancelled, now=room.clock.now()))
    room.clock.advance(1)
    room.take("inference", DETECT, anew=True)
    assert [job.job_id for job in room.ledger.jobs_of("broker", limit=10)] == ["a", "c", "b"]
    assert [job.job_id for job in room.ledger.jobs_of("broker", limit=2)] == ["a", "c"]
    assert room.ledger.jobs_of("somebody", limit=10) == []


def test_what_has_ended_is_forgotten_after_its_time(room: SmallRoom) -> None:
    work = room.training()
    work.finish_epoch(1, {})
    job = work.fail("no")
    for one in room.ledger.unpublished():
        room.ledger.published(one)
    room.clock.advance(RETENTION.total_seconds() - 1)
    assert room.ledger.read(KEY) == job
    room.clock.advance(2)
    with pytest.raises(NotFound):
        room.ledger.read(KEY)
    assert room.ledger.epochs(job) == []
    for partition in ("training#jobs#broker", ACTIVE, OUTBOX, "training#slots#train"):
        assert names(room.rows, partition) == []
    room.training().finish_epoch(1, {})


def test_another_ledger_knows_all_of_it() -> None:
    rows, room = MemoryRows(), SmallRoom()
    ledger = Ledger(rows, room.clock)
    job = ledger.enter(Step(room.take("train", TRAIN)))
    assert Ledger(rows, room.clock).read(KEY) == job


def test_what_was_seen_last_is_not_believed_where_nothing_would_be_written(room: SmallRoom) -> None:
    seen = room.take("train", TRAIN)
    now = room.tend()
    assert room.ledger.amend(KEY, Step, known=seen) == now


def test_what_was_seen_last_saves_a_look_but_not_the_comparison(room: SmallRoom) -> None:
    seen = room.training().job()
    asked = room.ledger.amend(KEY, partial(jobs.cancel_asked, now=room.clock.now()), known=seen)
    renewed = partial(jobs.renewed, claim=jobs.Claim(seen.attempt), now=room.clock.now() + timedelta(seconds=1))
    after = room.ledger.amend(KEY, renewed, known=seen)
    assert (after.cancel_requested, after.version) == (True, asked.version + 1)


def test_who_wants_to_hears_of_each_message_once_it_is_durable(room: SmallRoom) -> None:
    heard: list[bool] = []
    work = room.training()
    listening = replace(room.ledger, on_outgoing=lambda one: heard.append(one in room.ledger.unpublished()))
    work = replace(work, ledger=listening)
    work.finish_epoch(1, {})
    work.finish_epoch(1, {})
    work.fail("no")
    assert heard == [True, True]
