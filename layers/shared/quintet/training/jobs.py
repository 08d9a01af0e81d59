"""A job and everything that can happen to it. Every happening is a pure function: the job before → a `Step`.

    pending ──begun──▶ pending, a task is being started ──claimed──▶ running ──▶ completed | failed | cancelled
       ▲                              │                                 │
       └──────── died, suspended ─────┴─────────────────────────────────┘

`attempt` counts the starts and is the fencing token: who holds an older one has been superseded. `holder` is the task
that claimed it. A job that dies too often without an epoch in between fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict

from quintet.kernel.errors import Conflict
from quintet.training import messages
from quintet.training.messages import Body, Kind

SCHEMA = 1
Status = Literal["pending", "running", "completed", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})

LEASE = timedelta(seconds=60)
"""How long a running task is believed alive without a sign of it."""

DEATHS_ALLOWED = 3
"""Tasks that may die in a row without an epoch (or an outcome) in between."""

Audience = Literal["update", "result"]
"""Update: train_update_q. Result: the result queue of the job's kind."""


class Superseded(Conflict):
    """Another task, or another attempt, has taken the job over; this one must stop and say nothing."""


class JobKey(NamedTuple):
    """As text it is safe in the names of rows and objects, and no job's text begins with another's and a `#`."""

    caller: str
    job_id: str

    def __str__(self) -> str:
        return f"{quote(self.caller, safe='')}#{quote(self.job_id, safe='')}"

    @classmethod
    def parse(cls, text: str) -> "JobKey":
        """
        >>> JobKey.parse(str(JobKey("broker", "a#b/c")))
        JobKey(caller='broker', job_id='a#b/c')
        """
        caller, _, job_id = text.partition("#")
        return cls(unquote(caller), unquote(job_id))


class Job(BaseModel):
    """What the ledger knows of a job. `request` is what was asked for, word by word; moments are UTC."""

    model_config = ConfigDict(frozen=True)

    schema_: int = SCHEMA
    caller: str
    job_id: str
    kind: Kind
    request: dict[str, Any]
    fingerprint: str
    correlation: str
    accepted_at: datetime
    run: int = 1
    version: int = 1
    status: Status = "pending"
    attempt: int = 0
    slot: int | None = None
    task: str | None = None
    holder: str | None = None
    lease_until: datetime | None = None
    deaths: int = 0
    cancel_requested: bool = False
    quiet: bool = False
    waits_for: str | None = None
    current_epoch: int = 0
    total_epochs: int = 0
    metrics: dict[str, Any] | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    told: int = 0
    outcome: dict[str, Any] | None = None
    error: str | None = None

    @property
    def key(self) -> JobKey:
        return JobKey(self.caller, self.job_id)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def in_hands(self) -> bool:
        """Whether a task has it, or is being started for it."""
        return self.slot is not None or self.status == "running"


class Telling(NamedTuple):
    """Something the job's backend is to be told."""

    audience: Audience
    body: Body


@dataclass(frozen=True)
class Step:
    """The job after a happening, what is told of it, and the epoch that it finished, if any."""

    job: Job
    tellings: tuple[Telling, ...] = ()
    epoch: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Claim:
    """A task's right to write of a job."""

    attempt: int
    holder: str = field(default="")


def entered(job: Job, *tellings: Telling) -> Step:
    return Step(job, tellings)


def begun(job: Job, *, slot: int, now: datetime, patience: timedelta) -> Step:
    """A task is about to be started for it; it must be claimed within `patience`."""
    if job.ended or job.in_hands:
        raise Conflict("the job is not waiting to be started")
    return Step(changed(job, slot=slot, attempt=job.attempt + 1, task=None, holder=None, lease_until=now + patience))


def handed_to(job: Job, *, attempt: int, task: str, now: datetime, patience: timedelta) -> Step:
    """The task that was started for `attempt` is called `task`; it may take `patience` until it claims the job."""
    held(job, Claim(attempt))
    claimed_by = job.lease_until if job.holder else now + patience
    return Step(changed(job, task=task, lease_until=claimed_by))


def claimed(job: Job, claim: Claim, *, now: datetime, total_epochs: int, tellings: tuple[Telling, ...]) -> Step:
    """The task begins its work. `tellings` are only told by the first one: a job starts once. Raises Superseded."""
    held(job, claim)
    if job.status == "running" and job.holder != claim.holder:
        raise Superseded("another task of this attempt has the job")
    told = tellings if job.started_at is None else ()
    running = changed(
        job,
        status="running",
        holder=claim.holder,
        task=job.task or claim.holder,
        lease_until=now + LEASE,
        started_at=job.started_at or now,
        total_epochs=total_epochs,
    )
    return Step(running, told)


def renewed(job: Job, claim: Claim, *, now: datetime) -> Step:
    """The task is alive. Its next look at `cancel_requested` is at the step's job."""
    held(job, claim)
    return Step(changed(job, lease_until=now + LEASE))


def epoch_done(job: Job, claim: Claim, *, epoch: int, metrics: Mapping[str, Any], now: datetime) -> Step:
    """An epoch that was told of before, by a task that died since, is not told of again."""
    held(job, claim)
    if epoch <= job.current_epoch:
        return Step(changed(job, lease_until=now + LEASE))
    known = messages.finite(dict(metrics))
    body = messages.epoch_update(job.job_id, epoch, job.total_epochs, known)
    after = changed(job, current_epoch=epoch, metrics=known, lease_until=now + LEASE, deaths=0)
    return Step(after, (Telling("update", body),), epoch=known)


def suspended(job: Job, claim: Claim) -> Step:
    """The task was asked to go (spot, a deployment) and left a checkpoint: another one goes on from it."""
    held(job, claim)
    return Step(waiting_again(job))


def died(job: Job, *, attempt: int, reason: str, now: datetime, task: str = "") -> Step:
    """`task`, which had this attempt, is gone without a word. Raises Superseded where another one has the job."""
    if job.ended or not job.in_hands:
        raise Superseded("the job is in no task's hands")
    held(job, Claim(attempt, task))
    if job.cancel_requested:
        return cancelled(job, now=now)
    deaths = job.deaths + 1
    if deaths >= DEATHS_ALLOWED:
        return failed(job, reason=f"The task died {deaths} times without progress, last: {reason}", now=now)
    return Step(changed(waiting_again(job), deaths=deaths))


def waiting_again(job: Job) -> Job:
    return changed(job, status="pending", slot=None, task=None, holder=None, lease_until=None)


def cancel_asked(job: Job, *, now: datetime) -> Step:
    """At once where no task has it, else the task is asked. Raises Conflict where the job has ended."""
    if job.ended:
        raise Conflict(f"the job has already ended: it is {job.status}")
    if not job.in_hands or job.kind == "inference":
        return cancelled(job, now=now)
    return Step(changed(job, cancel_requested=True))


def cancelled(job: Job, *, now: datetime) -> Step:
    body = {
        "train": lambda: messages.training_cancelled(job.job_id, epoch=job.current_epoch),
        "convert": lambda: messages.conversion_failed(job.job_id, reason="cancelled"),
        "inference": lambda: messages.inference_failed(job.job_id, reason="cancelled"),
    }[job.kind]()
    return ended(job, "cancelled", body, now=now)


def completed(job: Job, body: Body, *, now: datetime) -> Step:
    return ended(job, "completed", body, now=now)


def failed(job: Job, *, reason: str, now: datetime) -> Step:
    body = {
        "train": lambda: messages.training_failed(
            job.job_id, epoch=job.current_epoch, reason=reason, metrics=job.metrics
        ),
        "convert": lambda: messages.conversion_failed(job.job_id, reason=reason),
        "inference": lambda: messages.inference_failed(job.job_id, reason=reason),
    }[job.kind]()
    return ended(job, "failed", body, now=now, error=reason)


def ended(job: Job, status: Status, body: Body, *, now: datetime, error: str | None = None) -> Step:
    if job.ended:
        raise Conflict(f"the job has already ended: it is {job.status}")
    after = changed(
        waiting_again(job), status=status, ended_at=now, outcome=messages.finite(body), error=error, waits_for=None
    )
    return Step(after, (Telling("result", body),))


def held(job: Job, claim: Claim) -> None:
    """Raises Superseded unless `claim` is the one that has the job now."""
    if job.ended or job.attempt != claim.attempt or not job.in_hands:
        raise Superseded("another attempt has the job, or it has ended")
    if claim.holder and job.holder not in (None, claim.holder):
        raise Superseded("another task has the job")


def changed(job: Job, **fields: Any) -> Job:
    return job.model_copy(update=fields)
