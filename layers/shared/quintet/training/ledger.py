"""The ledger: every job, what its backend is still to be told, and who works on what. Durable before anybody is told.

    partition                     name                              record
    training#job#<caller>#<id>    job                               the Job
                                  epoch#<run>#<epoch>               its metrics
    training#outbox               <caller>#<id>#<run>#<number>      a message to publish
    training#active               <caller>#<id>                     a job that has not ended
    training#slots#<kind>         0 … MAX_CONCURRENT_JOBS - 1       the job that occupies it
    training#jobs#<caller>        <accepted at>#<id>                a line of the caller's list

A happening changes all rows that it concerns in one step, against the job's `version`: two that happen at once are put
in an order by whoever writes first.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Change, Create, Place, Remove, Rows, Write
from quintet.training.jobs import Audience, Job, JobKey, Step, Telling
from quintet.training.messages import Kind, as_text

RETENTION = timedelta(days=90)
"""How long an ended job is known."""

OUTBOX = "training#outbox"
ACTIVE = "training#active"
_ORDERED = ("request", "metrics", "outcome")
_NAMESPACE = uuid.UUID("5a4c5d5e-6f1d-5d0c-9d0e-7a5b3f0f9f11")


@dataclass(frozen=True)
class Outgoing:
    """A message of the outbox; `name` orders the messages of a job."""

    name: str
    kind: Kind
    audience: Audience
    body: str
    message_id: str
    correlation: str
    written_at: datetime


@dataclass(frozen=True)
class Ledger:
    rows: Rows
    clock: Clock
    retention: timedelta = field(default=RETENTION)
    on_outgoing: Callable[[Outgoing], None] = lambda outgoing: None
    """Told of each message to publish, once it is durable, by whoever wrote it."""

    def enter(self, step: Step) -> Job:
        """A new job. Raises Conflict where there is one of this name already."""
        writes, job = self._told(step)
        self.rows.write(
            Create(place_of(job.key), record_of(job), self._expiry(job)),
            self._line(job),
            *writes,
            *occupied(None, job),
        )
        return job

    def replace(self, before: Job, step: Step) -> Job:
        """A new run in the place of an ended one. Raises Conflict where another came first."""
        return self._write(before, step, entering=True)

    def read(self, key: JobKey) -> Job:
        """Raises NotFound."""
        return job_of(self.rows.read(place_of(key)))

    def find(self, key: JobKey) -> Job | None:
        try:
            return self.read(key)
        except NotFound:
            return None

    def amend(self, key: JobKey, happening: Callable[[Job], Step], *, known: Job | None = None) -> Job:
        """Let `happening` befall the job as it is now; anew where another happening came between.

        `known` is the job as it was last seen: it saves a look. Raises NotFound, what `happening` raises, and Conflict
        where a slot is taken.
        """
        before = known or self.read(key)
        while True:
            step = happening(before)
            if step.job == before and not step.tellings:
                if before is not known:
                    return before
                before = self.read(key)  # what was seen last may be old
                continue
            try:
                return self._write(before, step)
            except Conflict:
                now = self.read(key)
                if now.version == before.version:
                    raise
                before = now

    def active(self) -> Iterator[JobKey]:
        """The jobs that have not ended."""
        for name, _ in self._all(ACTIVE):
            yield JobKey.parse(name)

    def slots(self, kind: Kind) -> dict[int, JobKey]:
        """The occupied slots."""
        return {int(name): JobKey.parse(record["job"]) for name, record in self._all(f"training#slots#{kind}")}

    def jobs_of(self, caller: str, *, limit: int) -> list[Job]:
        """The caller's jobs, newest first."""
        lines = self.rows.list(f"training#jobs#{caller}", limit=limit, newest_first=True)
        found = (self.find(JobKey(caller, record["job_id"])) for _, record in lines)
        return [job for job in found if job is not None]

    def epochs(self, job: Job, *, after: int = 0) -> list[dict[str, Any]]:
        """Metrics of each finished epoch: {"epoch": 1, …}."""
        prefix = f"epoch#{job.run:04d}#"
        known = self.rows.list(place_of(job.key).partition, prefix=prefix, after=f"{prefix}{after:04d}")
        return [{"epoch": record["epoch"], **record["metrics"]} for _, record in known]

    def unpublished(self, key: JobKey | None = None) -> list[Outgoing]:
        """What is still to be published of a job, or of all, in the order in which it must be."""
        prefix = f"{key}#" if key else ""
        return [outgoing_of(name, record) for name, record in self._all(OUTBOX, prefix)]

    def published(self, outgoing: Outgoing) -> None:
        self.rows.write(Remove(Place(OUTBOX, outgoing.name)))

    def tell_again(self, job: Job) -> None:
        """The outcome of an ended job once more: the same bytes under the same name."""
        if job.outcome is None or job.quiet:
            return
        again = Telling("result", job.outcome)
        for write in self._messages(job, [(job.told, again)], moment=job.ended_at or self.clock.now()):
            try:
                self.rows.write(write)
            except Conflict:
                continue  # it is still in the outbox

    def _write(self, before: Job, step: Step, *, entering: bool = False) -> Job:
        writes, job = self._told(step)
        job = job.model_copy(update={"version": before.version + 1})
        known = record_of(before)
        changes = {name: value for name, value in record_of(job).items() if value != known.get(name)}
        until = self._expiry(job) or (self.clock.now() + self.retention if entering else None)
        change = Change(place_of(job.key), changes, {"version": before.version}, until)
        listed: list[Write] = (
            [self._line(job), Remove(line_of(before))] if entering and line_of(job) != line_of(before) else []
        )
        self.rows.write(change, *writes, *occupied(None if entering else before, job), *listed)
        for write in writes:
            if isinstance(write, Create) and write.place.partition == OUTBOX:
                self.on_outgoing(outgoing_of(write.place.name, write.record))
        return job

    def _line(self, job: Job) -> Create:
        """Its line in the caller's list, which is forgotten about when the job is."""
        return Create(line_of(job), {"schema": 1, "job_id": job.job_id}, job.accepted_at + self.retention)

    def _told(self, step: Step) -> tuple[list[Write], Job]:
        """The writes of what is told and of the finished epoch, and the job that counts them."""
        numbered = list(enumerate(step.tellings, start=step.job.told + 1))
        job = step.job.model_copy(update={"told": step.job.told + len(numbered)})
        writes: list[Write] = []
        if not job.quiet:
            writes += self._messages(job, numbered, moment=job.ended_at or self.clock.now())
        if step.epoch is not None:
            place = Place(place_of(job.key).partition, f"epoch#{job.run:04d}#{job.current_epoch:04d}")
            epoch = {"schema": 1, "epoch": job.current_epoch, "metrics": dict(step.epoch)}
            writes.append(Create(place, epoch, self.clock.now() + self.retention))
        return writes, job

    def _messages(self, job: Job, numbered: list[tuple[int, Telling]], *, moment: datetime) -> list[Create]:
        return [
            Create(
                Place(OUTBOX, f"{job.key}#{job.run:04d}#{number:08d}"),
                {
                    "schema": 1,
                    "kind": job.kind,
                    "audience": telling.audience,
                    "body": as_text(telling.body, moment),
                    "message_id": message_id(job, number),
                    "correlation": job.correlation,
                    "written_at": self.clock.now().isoformat(),
                },
            )
            for number, telling in numbered
        ]

    def _expiry(self, job: Job) -> datetime | None:
        return job.ended_at + self.retention if job.ended_at else None

    def _all(self, partition: str, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        after = ""
        while page := self.rows.list(partition, prefix=prefix, after=after):
            yield from page
            after = page[-1][0]


def occupied(before: Job | None, after: Job) -> list[Write]:
    """The rows of `active` and of the slots that follow from a job's change."""
    writes: list[Write] = []
    was_active, is_active = before is not None and not before.ended, not after.ended
    if is_active and not was_active:
        writes.append(Create(Place(ACTIVE, str(after.key)), {"schema": 1, "job": str(after.key)}))
    if was_active and not is_active:
        writes.append(Remove(Place(ACTIVE, str(after.key))))
    had = before.slot if before else None
    if had is not None and had != after.slot:
        writes.append(Remove(Place(f"training#slots#{after.kind}", str(had))))
    if after.slot is not None and after.slot != had:
        place = Place(f"training#slots#{after.kind}", str(after.slot))
        writes.append(Create(place, {"schema": 1, "job": str(after.key)}))
    return writes


def message_id(job: Job, number: int) -> str:
    """The same for the same message, whoever makes it and however often."""
    named = [job.caller, job.job_id, job.accepted_at.isoformat(), job.run, number]
    return str(uuid.uuid5(_NAMESPACE, json.dumps(named)))


def place_of(key: JobKey) -> Place:
    return Place(f"training#job#{key}", "job")


def line_of(job: Job) -> Place:
    return Place(f"training#jobs#{job.caller}", f"{job.accepted_at.isoformat(timespec='microseconds')}#{job.job_id}")


def record_of(job: Job) -> dict[str, Any]:
    """Objects whose order of fields is to last are kept as text: a row's values come back with their names sorted."""
    record = job.model_dump(mode="json")
    texts = {name: json.dumps(record[name]) for name in _ORDERED if record[name] is not None}
    return {"schema": record.pop("schema_"), **record, **texts}


def job_of(record: Mapping[str, Any]) -> Job:
    fields = dict(record)
    objects = {name: json.loads(fields[name]) for name in _ORDERED if fields.get(name) is not None}
    return Job.model_validate({"schema_": fields.pop("schema"), **fields, **objects})


def outgoing_of(name: str, record: Mapping[str, Any]) -> Outgoing:
    known = {key: value for key, value in record.items() if key != "schema"}
    return Outgoing(**{"name": name, **known, "written_at": datetime.fromisoformat(record["written_at"])})
