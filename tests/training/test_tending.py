"""Jobs are started, revived and given up; what was not told is told."""

from functools import partial

import pytest

from quintet.kernel.errors import Conflict, Misconfigured, Unavailable
from quintet.training import jobs
from quintet.training.jobs import LEASE, JobKey, Superseded
from quintet.training.nudges import Nudge
from quintet.training.tending import STALE
from tests.training.small_room import CONVERT, DETECT, KEY, PATIENCE, TRAIN, SmallRoom


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


def stopped(room: SmallRoom, attempt: int, reason: str = "killed", task: str = "") -> None:
    room.tending.look_after(Nudge(about="stopped", job=str(KEY), attempt=attempt, task=task, reason=reason))


def ask_to_cancel(room: SmallRoom, key: JobKey = KEY) -> None:
    room.ledger.amend(key, partial(jobs.cancel_asked, now=room.clock.now()))


def test_a_job_that_waits_gets_a_slot_and_a_task(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    job = room.tend()
    assert (job.slot, job.attempt, job.task) == (0, 1, "broker#a/1")
    assert room.tasks.running() == ["broker#a/1"]
    assert room.tend() == job
    assert room.tasks.running() == ["broker#a/1"]


def test_no_more_at_once_than_there_are_slots_and_conversions_have_their_own(room: SmallRoom) -> None:
    for job_id in ("a", "b", "c"):
        room.clock.advance(1)
        room.take("train", {**TRAIN, "job_id": job_id})
        room.take("convert", {**CONVERT, "job_id": f"{job_id} too"})
    room.sweep()
    room.tend("c")
    assert sorted(key.job_id for key in room.ledger.slots("train").values()) == ["a", "b"]
    assert sorted(key.job_id for key in room.ledger.slots("convert").values()) == ["a too", "b too"]
    assert len(room.tasks.running()) == 4


def test_when_a_task_ends_the_next_job_has_its_slot(room: SmallRoom) -> None:
    for job_id in ("b", "c"):
        room.take("train", {**TRAIN, "job_id": job_id})
        room.tend(job_id)
    work = room.work(room.take("train", TRAIN))
    assert room.tend().slot is None
    work = room.work(room.ledger.read(JobKey("broker", "b")))
    work.start_training({}, 3)
    work.fail("no")
    stopped(room, attempt=1)
    assert room.ledger.read(KEY).slot == 0


def test_without_capacity_it_keeps_its_slot_and_asks_again(room: SmallRoom) -> None:
    room.tasks.capacity = 0
    room.take("train", TRAIN)
    job = room.tend()
    assert (job.slot, job.attempt, job.task) == (0, 1, None)
    room.clock.advance(2 * PATIENCE.total_seconds())
    room.sweep()
    room.tasks.capacity = 1
    room.sweep()
    started = room.ledger.read(KEY)
    assert (started.attempt, started.task) == (1, "broker#a/1")
    room.sweep()
    assert room.ledger.read(KEY) == started


def test_a_cancelled_job_does_not_wait_for_capacity(room: SmallRoom) -> None:
    room.tasks.capacity = 0
    room.take("train", TRAIN)
    room.tend()
    ask_to_cancel(room)
    room.to_publish.sent.clear()
    assert room.tend().status == "cancelled"
    assert room.nudged()[1] == ["a"]


def test_while_the_cluster_is_away_the_next_look_goes_on(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.tasks.away = True
    with pytest.raises(Unavailable):
        room.tend()
    room.tasks.away = False
    assert room.tend().task == "broker#a/1"


def test_a_task_that_was_started_but_not_noted_is_the_same_task(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    begun = room.ledger.amend(KEY, partial(jobs.begun, slot=1, now=room.clock.now(), patience=PATIENCE))
    room.tasks.start(begun)
    assert room.tend().task == "broker#a/1"
    assert room.tasks.running() == ["broker#a/1"]


def test_whose_task_has_stopped_gets_another(room: SmallRoom) -> None:
    room.training()
    stopped(room, attempt=1)
    job = room.ledger.read(KEY)
    assert (job.attempt, job.deaths, job.status, job.task) == (2, 1, "pending", "broker#a/2")


@pytest.mark.parametrize(("attempt", "task"), [(0, ""), (2, ""), (1, "twin")])
def test_the_end_of_another_task_changes_nothing(room: SmallRoom, attempt: int, task: str) -> None:
    before = room.training().job()
    stopped(room, attempt=attempt, task=task)
    assert room.ledger.read(KEY) == before


def test_the_end_of_a_task_that_said_so_itself_changes_nothing(room: SmallRoom) -> None:
    job = room.training().fail("no")
    stopped(room, attempt=1)
    assert room.ledger.read(KEY) == job
    room.tending.look_after(Nudge(about="stopped", job="broker#none", attempt=1))


def test_three_deaths_without_progress_are_the_end(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.tend()
    for attempt in (1, 2, 3):
        stopped(room, attempt, "out of memory")
    job = room.ledger.read(KEY)
    assert (job.status, job.error) == ("failed", "The task died 3 times without progress, last: out of memory")
    assert room.told() == ["training_failed"]
    assert room.nudged()[1] == ["a"]


def test_of_whom_nothing_is_heard_has_lost_the_job(room: SmallRoom) -> None:
    work = room.training()
    room.clock.advance(LEASE.total_seconds() - 1)
    assert room.tend().attempt == 1
    work.alive()
    room.clock.advance(LEASE.total_seconds())
    assert room.tend().attempt == 2
    assert room.tasks.stopping("broker#a/1")


def test_a_task_that_never_claims_the_job_has_lost_it(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.tend()
    room.clock.advance(PATIENCE.total_seconds())
    assert room.tend().attempt == 2


def test_a_task_that_waits_for_a_machine_is_not_lost(room: SmallRoom) -> None:
    room.tasks.machines = False
    room.take("train", TRAIN)
    room.tend()
    for _ in range(5):
        room.clock.advance(PATIENCE.total_seconds())
        assert room.tend().attempt == 1
    room.tasks.machines = True
    room.clock.advance(PATIENCE.total_seconds() - 1)
    assert room.tend().attempt == 1
    room.clock.advance(1)
    assert room.tend().attempt == 2


def test_a_cancelled_job_does_not_wait_for_its_task_to_begin(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    work = room.work(room.tend())
    ask_to_cancel(room)
    assert room.tend().status == "cancelled"
    assert room.tasks.stopping("broker#a/1")
    with pytest.raises(Superseded):
        work.start_training({}, 3)


def test_a_cancelled_job_whose_task_dies_is_not_revived(room: SmallRoom) -> None:
    room.training()
    ask_to_cancel(room)
    room.clock.advance(LEASE.total_seconds())
    room.sweep()
    assert room.ledger.read(KEY).status == "cancelled"
    assert room.told() == ["training_started", "training_cancelled"]


def test_a_cancelled_job_that_was_given_back_is_not_begun(room: SmallRoom) -> None:
    work = room.training()
    ask_to_cancel(room)
    work.suspend()
    assert room.tend().status == "cancelled"


def test_who_ends_while_being_cancelled_stands_in_nobodys_way(room: SmallRoom) -> None:
    work = room.training()
    ask_to_cancel(room)
    given_back = work.suspend()
    room.tend()
    room.tending._begin(given_back)
    with pytest.raises(Conflict):
        ask_to_cancel(room)


def test_the_oldest_is_begun_first(room: SmallRoom) -> None:
    for job_id in ("c", "b", "a"):
        room.clock.advance(1)
        room.take("train", {**TRAIN, "job_id": job_id})
    room.sweep()
    assert [key.job_id for _, key in sorted(room.ledger.slots("train").items())] == ["c", "b"]


def test_what_lies_in_the_outbox_for_long_is_asked_for(room: SmallRoom) -> None:
    room.take("inference", DETECT)
    room.take("inference", {**DETECT, "job_id": "b#ü"})
    room.to_publish.sent.clear()
    room.sweep()
    assert room.nudged()[1] == []
    room.clock.advance(STALE.total_seconds())
    room.sweep()
    assert room.nudged()[1] == ["a", "b#ü"]


def test_what_stands_against_one_job_holds_up_no_other(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.clock.advance(STALE.total_seconds())
    work = room.work(room.take("train", {**TRAIN, "job_id": "b"}))
    room.tasks.refused = {"broker#a/1"}
    room.take("inference", DETECT | {"job_id": "c"})
    room.to_publish.sent.clear()
    room.clock.advance(STALE.total_seconds())
    with pytest.raises(Misconfigured):
        room.sweep()
    assert work.job().task == "broker#b/1"
    assert room.nudged()[1] == ["c"]


def test_a_job_that_is_not_there_is_nobodys_trouble(room: SmallRoom) -> None:
    room.tending.look_after(Nudge(job="broker#none"))
