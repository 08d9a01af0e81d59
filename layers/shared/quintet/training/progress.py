"""Waiting for news of a job: a long poll."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from quintet.kernel.clock import Clock
from quintet.training.jobs import Job

LONGEST = 25
"""Seconds that somebody may wait; API Gateway gives up after 29."""

INTERVAL = 0.3


async def awaited(
    look: Callable[[], Awaitable[Job]],
    clock: Clock,
    *,
    wait: float,
    after: int | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Job:
    """The job as soon as there is news of it, or as it is after `wait` seconds.

    News is an epoch beyond `after` (default: beyond the one it is at), another state than at first, or an end.
    """
    until = clock.now() + timedelta(seconds=wait)
    first = job = await look()
    seen = first.current_epoch if after is None else after
    while (left := (until - clock.now()).total_seconds()) > 0 and not is_news(job, first, seen):
        await pause(min(INTERVAL, left))
        job = await look()
    return job


def is_news(job: Job, first: Job, seen: int) -> bool:
    return job.ended or job.current_epoch > seen or _state(job) != _state(first)


def _state(job: Job) -> tuple[str, int, bool]:
    return job.status, job.run, job.cancel_requested
