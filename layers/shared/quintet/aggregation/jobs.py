"""A job and what can happen to it.

    OPEN ──all have reported, or enough by the deadline──▶ AGGREGATING ──▶ COMPLETED | FAILED
      └──too few by the deadline──▶ FAILED

To the outside an open job is WAITING until the first client is counted, and IN_PROGRESS from then on.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from quintet.aggregation.messages import Status, Update
from quintet.aggregation.schema import canonical, features_of, size_of
from quintet.aggregation.settings import Jobs

State = Literal["OPEN", "AGGREGATING", "COMPLETED", "FAILED"]

LATE = timedelta(seconds=5)
"""A report that was on its way at the deadline counts: so long after it the job is started or given up."""


class Layout(NamedTuple):
    """A job's schema: the JSON text as it came, what it means as a digest, and the elements of a vector."""

    text: str = ""
    digest: str = ""
    size: int | None = None


NO_LAYOUT = Layout()


class Job(BaseModel):
    """What the ledger knows of a job. Moments are UTC; `version` counts its changes.

    `minimum` is the least number of clients that may be in the sum, `clients` are those whose sum was started,
    and `summed` those who are in it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    total: int
    minimum: int
    created_at: datetime
    deadline: datetime
    expires_at: datetime
    layout: Layout = NO_LAYOUT
    round_seconds: float | None = None
    version: int = 1
    state: State = "OPEN"
    reason: str = ""
    clients: tuple[str, ...] = ()
    handed_over: bool = False
    started_at: datetime | None = None
    watched_until: datetime | None = None
    """Somebody looks at the aggregator for it, until then or longer."""
    summed: tuple[str, ...] = ()
    ended_at: datetime | None = None

    def is_late(self, now: datetime) -> bool:
        """Whether whoever has not reported is waited for no longer."""
        return now >= self.deadline + LATE

    @property
    def ended(self) -> bool:
        return self.state in {"COMPLETED", "FAILED"}

    @property
    def schema_items(self) -> list[dict[str, Any]] | None:
        """The schema as it came."""
        items: list[dict[str, Any]] | None = json.loads(self.layout.text) if self.layout.text else None
        return items


def opened(update: Update, settings: Jobs, now: datetime) -> Job:
    """The job that its first update asks for. Raises InvalidInput for a schema that says nothing."""
    deadline = now + timedelta(seconds=update.deadline_seconds or settings.deadline_seconds)
    kept = timedelta(days=settings.retention_days, seconds=settings.aggregation_seconds)
    return Job(
        id=update.job,
        total=update.total,
        minimum=max(settings.minimum_cohort, update.minimum or usual_minimum(update.total)),
        created_at=now,
        deadline=deadline,
        expires_at=deadline + kept,
        layout=layout_of(update.layout),
        round_seconds=update.round_seconds,
    )


def usual_minimum(total: int) -> int:
    """How many of `total` clients make a sum, where nobody says: two thirds, and one.

    >>> [usual_minimum(total) for total in (1, 3, 4, 20)]
    [1, 3, 3, 14]
    """
    return total * 2 // 3 + 1


def layout_of(schema: Sequence[Mapping[str, Any]] | None) -> Layout:
    """Raises InvalidInput, naming item and field. An empty schema is none, as it was to the original."""
    if not schema:
        return NO_LAYOUT
    features = features_of(schema)
    digest = sha256(canonical(features).encode()).hexdigest()
    return Layout(json.dumps(schema, allow_nan=False), digest, size_of(features))


def status_of(job: Job, done: int) -> Status:
    if job.state == "OPEN":
        return "IN_PROGRESS" if done else "WAITING"
    return job.state
