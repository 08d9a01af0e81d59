"""A long poll answers when there is news, and in time when there is none."""

import asyncio
from collections.abc import Callable
from contextlib import closing

import pytest

from quintet.kernel.clock import SteppedClock
from quintet.training.jobs import Job, changed
from quintet.training.progress import INTERVAL, awaited

JOB = Job(
    caller="ada",
    job_id="t1",
    kind="train",
    request={},
    fingerprint="",
    correlation="",
    accepted_at=SteppedClock().now(),
    status="running",
    current_epoch=2,
    total_epochs=4,
)
News = Callable[[Job], Job]


def poll(*states: Job, wait: float, after: int | None = None) -> tuple[Job, float]:
    """What is told, and after how many seconds; the last of `states` lasts."""
    clock, looks = SteppedClock(), iter(states)
    began, now = clock.now(), states[0]

    async def look() -> Job:
        nonlocal now
        now = next(looks, now)
        return now

    async def pause(seconds: float) -> None:
        clock.advance(seconds)

    with closing(asyncio.new_event_loop()) as loop:  # asyncio.run would take away the loop that Mangum's tests expect
        told = loop.run_until_complete(awaited(look, clock, wait=wait, after=after, pause=pause))
    return told, (clock.now() - began).total_seconds()


@pytest.mark.parametrize("wait", [0, 0.1, 25])
def test_without_news_it_takes_the_whole_wait(wait: float) -> None:
    assert poll(JOB, wait=wait, after=2) == (JOB, wait)
    assert poll(JOB, wait=wait) == (JOB, wait)


@pytest.mark.parametrize("after", [0, 1])
def test_what_is_new_to_the_caller_is_told_at_once(after: int) -> None:
    assert poll(JOB, wait=25, after=after) == (JOB, 0)


CHANGES: list[News] = [
    lambda job: changed(job, current_epoch=3),
    lambda job: changed(job, status="pending"),
    lambda job: changed(job, cancel_requested=True),
    lambda job: changed(job, run=2, current_epoch=0),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [None, 2])
def test_news_ends_the_wait(change: News, after: int | None) -> None:
    later = change(JOB)
    told, seconds = poll(JOB, JOB, JOB, later, wait=25, after=after)
    assert told == later
    assert seconds == pytest.approx(3 * INTERVAL)


def test_an_epoch_that_the_caller_knows_is_no_news() -> None:
    assert poll(JOB, changed(JOB, current_epoch=3), wait=1, after=7)[1] == 1


def test_nobody_waits_for_a_job_that_has_ended() -> None:
    ended = changed(JOB, status="failed")
    assert poll(ended, wait=25, after=9) == (ended, 0)
