"""Looking at an aggregator that tells nobody when it is done: again and again, by one at a time."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from quintet.aggregation.jobs import Job
from quintet.aggregation.ledger import Ledger
from quintet.aggregation.messages import Outcome
from quintet.aggregation.ports import Aggregator
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unavailable

QUEUED = Outcome(status="IN_QUEUE")
ENDED = frozenset({"COMPLETED", "FAILED"})


@dataclass(frozen=True)
class Watch:
    """One look every `every` seconds, for `patience` seconds in all. One look may take `look` seconds."""

    every: float
    patience: float = 25.0
    look: float = 15.0
    sleep: Callable[[float], None] = field(default=time.sleep)

    @property
    def longest(self) -> timedelta:
        return timedelta(seconds=self.patience + self.every + 2 * self.look)


def looked_at(aggregator: Aggregator, job: Job) -> Outcome:
    """One look. It was told of the job: where it does not know it, it does not know it yet.

    Raises Unavailable and Misconfigured.
    """
    try:
        return aggregator.outcome(job.id)
    except NotFound:
        return QUEUED
    except (Conflict, InvalidInput, PermissionDenied) as refusal:
        return Outcome(status="FAILED", message=refusal.message)


def watched(aggregator: Aggregator, ledger: Ledger, clock: Clock, watch: Watch, job: Job) -> tuple[Job, Outcome | None]:
    """The outcome as far as it came within the watch's patience; None: somebody else is watching.

    Raises Overtaken where the job changed meanwhile.
    """
    now = clock.now()
    if job.watched_until is not None and job.watched_until > now:
        return job, None
    job = ledger.amend(job, watched_until=now + watch.longest)
    outcome, end = QUEUED, now + timedelta(seconds=watch.patience)
    while True:
        with suppress(Unavailable):
            outcome = looked_at(aggregator, job)
        if outcome.status in ENDED or clock.now() >= end:
            return ledger.amend(job, watched_until=None), outcome
        watch.sleep(watch.every)
