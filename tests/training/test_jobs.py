"""Everything that can happen to a job, and everything that can't."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quintet.kernel.errors import Conflict
from quintet.training import jobs
from quintet.training.jobs import DEATHS_ALLOWED, LEASE, Claim, Job, JobKey, Step, Superseded, Telling
from quintet.training.messages import Kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PATIENCE = timedelta(minutes=15)
STARTED = (Telling("update", {"type": "training_started"}),)
MINE = Claim(1, "task")


def new(kind: Kind = "train", **fields: Any) -> Job:
    job = Job(
        caller="broker", job_id="a", kind=kind, request={}, fingerprint="f", correlation="c", accepted_at=NOW
    )  # fmt: skip
    return jobs.changed(job, total_epochs=3, **fields)


def starting(**fields: Any) -> Job:
    begun = jobs.begun(new(), slot=1, now=NOW, patience=PATIENCE).job
    return jobs.changed(begun, **fields)


def running(**fields: Any) -> Job:
    step = jobs.claimed(starting(task="task"), MINE, now=NOW, total_epochs=3, tellings=STARTED)
    return jobs.changed(step.job, **fields)


def finished(epoch: int, job: Job, claim: Claim = MINE) -> Step:
    return jobs.epoch_done(job, claim, epoch=epoch, metrics={"train_loss": 0.5}, now=LATER)


def types(step: Step) -> list[str]:
    return [f"{telling.audience} {telling.body['type']}" for telling in step.tellings]


ENDED = [jobs.completed(running(), {"type": "training_completed"}, now=NOW).job,
         jobs.failed(new(), reason="no", now=NOW).job, jobs.cancelled(new(), now=NOW).job]  # fmt: skip


@pytest.mark.parametrize("job_id", ["a", "a#b", "a/b", "%23", "日本", " ", "a%"])
@pytest.mark.parametrize("caller", ["broker", "key-1f", "ada#b", "ü"])
def test_a_key_is_found_again_in_its_text(caller: str, job_id: str) -> None:
    text = str(JobKey(caller, job_id))
    assert JobKey.parse(text) == (caller, job_id)
    assert text.count("#") == 1
    assert "/" not in text


def test_begun_takes_a_slot_and_a_new_attempt() -> None:
    step = jobs.begun(new(attempt=4), slot=1, now=NOW, patience=PATIENCE)
    assert (step.job.slot, step.job.attempt, step.job.status) == (1, 5, "pending")
    assert (step.job.task, step.job.holder, step.job.lease_until) == (None, None, NOW + PATIENCE)
    assert step.tellings == ()


@pytest.mark.parametrize("job", [starting(), running(), *ENDED], ids=lambda job: job.status)
def test_what_does_not_wait_is_not_begun(job: Job) -> None:
    with pytest.raises(Conflict):
        jobs.begun(job, slot=0, now=NOW, patience=PATIENCE)


def test_handed_over_it_may_take_its_time_from_then_on() -> None:
    job = jobs.handed_to(starting(), attempt=1, task="task", now=LATER, patience=PATIENCE).job
    assert (job.task, job.lease_until) == ("task", LATER + PATIENCE)


def test_a_task_that_was_quicker_than_its_handing_over_keeps_its_lease() -> None:
    job = jobs.handed_to(running(), attempt=1, task="task", now=LATER, patience=PATIENCE).job
    assert (job.task, job.lease_until) == ("task", NOW + LEASE)


def test_the_first_claim_tells_of_the_start() -> None:
    step = jobs.claimed(starting(), MINE, now=LATER, total_epochs=3, tellings=STARTED)
    assert (step.job.status, step.job.holder, step.job.task) == ("running", "task", "task")
    assert (step.job.started_at, step.job.lease_until) == (LATER, LATER + LEASE)
    assert types(step) == ["update training_started"]


def test_a_later_attempt_does_not_tell_of_it_again() -> None:
    again = jobs.begun(jobs.suspended(running(), MINE).job, slot=0, now=LATER, patience=PATIENCE).job
    step = jobs.claimed(again, Claim(2, "other"), now=LATER, total_epochs=3, tellings=STARTED)
    assert (step.tellings, step.job.started_at) == ((), NOW)


def test_claiming_twice_is_one_claim() -> None:
    step = jobs.claimed(running(), MINE, now=LATER, total_epochs=3, tellings=STARTED)
    assert (step.tellings, step.job.lease_until) == ((), LATER + LEASE)


def test_of_two_tasks_of_an_attempt_the_first_has_the_job() -> None:
    with pytest.raises(Superseded):
        jobs.claimed(running(), Claim(1, "twin"), now=LATER, total_epochs=3, tellings=STARTED)
    with pytest.raises(Superseded):
        finished(1, running(), Claim(1, "twin"))


def test_epochs_are_told_once_each() -> None:
    first = finished(1, running(deaths=2))
    assert types(first) == ["update epoch_update"]
    assert (first.job.current_epoch, first.job.deaths, first.job.lease_until) == (1, 0, LATER + LEASE)
    assert first.epoch == first.job.metrics == {"train_loss": 0.5}
    again = finished(1, first.job)
    assert (again.tellings, again.epoch, again.job.current_epoch) == ((), None, 1)
    assert types(finished(2, again.job)) == ["update epoch_update"]


def test_a_loss_that_is_no_number_is_null() -> None:
    step = jobs.epoch_done(running(), MINE, epoch=1, metrics={"train_loss": float("nan")}, now=NOW)
    assert step.job.metrics == step.epoch == {"train_loss": None}


def test_a_sign_of_life_prolongs_the_lease() -> None:
    step = jobs.renewed(running(cancel_requested=True), MINE, now=LATER)
    assert (step.job.lease_until, step.job.cancel_requested, step.tellings) == (LATER + LEASE, True, ())


def test_suspended_it_waits_for_the_next_task() -> None:
    job = jobs.suspended(running(current_epoch=2, deaths=1), MINE).job
    assert (job.status, job.slot, job.task, job.holder, job.lease_until) == ("pending", None, None, None, None)
    assert (job.attempt, job.current_epoch, job.deaths, job.in_hands) == (1, 2, 1, False)


WRITES: dict[str, Callable[[Job, Claim], Step]] = {
    "claimed": lambda job, claim: jobs.claimed(job, claim, now=NOW, total_epochs=3, tellings=STARTED),
    "renewed": lambda job, claim: jobs.renewed(job, claim, now=NOW),
    "epoch_done": lambda job, claim: finished(1, job, claim),
    "suspended": jobs.suspended,
    "handed_to": lambda job, claim: jobs.handed_to(
        job, attempt=claim.attempt, task="task", now=NOW, patience=PATIENCE
    ),
    "died": lambda job, claim: jobs.died(job, attempt=claim.attempt, reason="?", now=NOW, task=claim.holder),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("job", [running(attempt=2), new(attempt=1), *ENDED], ids=["newer", "nobody's", *"cfx"])
def test_who_has_been_superseded_writes_nothing(write: str, job: Job) -> None:
    with pytest.raises(Superseded):
        WRITES[write](job, MINE)


def test_a_dead_task_is_followed_by_another_but_not_for_ever() -> None:
    job = running()
    for deaths in range(1, DEATHS_ALLOWED):
        job = jobs.died(job, attempt=1, reason="killed", now=NOW).job
        assert (job.status, job.deaths, job.slot) == ("pending", deaths, None)
        job = jobs.changed(job, status="running", slot=0, holder="task")
    step = jobs.died(job, attempt=1, reason="out of memory", now=NOW)
    assert (step.job.status, types(step)) == ("failed", ["result training_failed"])
    assert step.tellings[0].body["error_message"] == "The task died 3 times without progress, last: out of memory"


def test_who_dies_after_being_asked_to_stop_is_cancelled() -> None:
    step = jobs.died(running(cancel_requested=True), attempt=1, reason="killed", now=NOW)
    assert (step.job.status, types(step)) == ("cancelled", ["result training_cancelled"])


def test_the_death_of_a_twin_is_nobodys() -> None:
    with pytest.raises(Superseded):
        jobs.died(running(), attempt=1, reason="killed", now=NOW, task="twin")


def test_what_waits_is_cancelled_at_once_and_what_runs_is_asked() -> None:
    step = jobs.cancel_asked(new(), now=NOW)
    assert (step.job.status, types(step)) == ("cancelled", ["result training_cancelled"])
    for job in (starting(), running()):
        asked = jobs.cancel_asked(job, now=NOW)
        assert (asked.job.status, asked.job.cancel_requested, asked.tellings) == (job.status, True, ())


def test_a_detection_is_cancelled_at_once() -> None:
    step = jobs.cancel_asked(new("inference", status="running"), now=NOW)
    assert (step.job.status, types(step)) == ("cancelled", ["result inference_failed"])


@pytest.mark.parametrize("job", ENDED, ids=lambda job: job.status)
def test_an_end_is_an_end(job: Job) -> None:
    happenings: list[Callable[[], Step]] = [
        lambda: jobs.cancel_asked(job, now=NOW),
        lambda: jobs.cancelled(job, now=NOW),
        lambda: jobs.failed(job, reason="no", now=NOW),
        lambda: jobs.completed(job, {}, now=NOW),
    ]
    for happening in happenings:
        with pytest.raises(Conflict, match="already ended"):
            happening()


def test_an_end_frees_everything() -> None:
    job = jobs.completed(running(waits_for="x"), {"type": "t", "loss": float("inf")}, now=LATER).job
    assert (job.status, job.slot, job.task, job.holder, job.lease_until, job.waits_for) == ("completed", *[None] * 5)
    assert (job.ended_at, job.outcome, job.in_hands) == (LATER, {"type": "t", "loss": None}, False)


@pytest.mark.parametrize(
    ("kind", "failed", "cancelled"),
    [
        ("train", "training_failed", "training_cancelled"),
        ("convert", "conversion_failed", "conversion_failed"),
        ("inference", "inference_failed", "inference_failed"),
    ],
)
def test_each_kind_has_its_words(kind: Kind, failed: str, cancelled: str) -> None:
    assert types(jobs.failed(new(kind), reason="no", now=NOW)) == [f"result {failed}"]
    assert types(jobs.cancelled(new(kind), now=NOW)) == [f"result {cancelled}"]


def test_a_failure_tells_how_far_it_came() -> None:
    job = finished(2, running(current_epoch=1)).job
    step = jobs.failed(job, reason="CUDA out of memory", now=NOW)
    body = step.tellings[0].body
    assert (body["current_epoch"], body["partial_metrics"]) == (2, {"last_loss": 0.5, "last_mAP50": None})
    assert step.job.error == "CUDA out of memory"
