"""The ledger: every job and who has reported to it. Durable before anybody is told.

    partition                 name                       record
    aggregation#job#<job>     job                        the Job
                              client#<client>            who reported it, and on which seat
    aggregation#seats#<job>   0001 … <totalClients>      the client that has it
    aggregation#open          <job>                      a job that still wants something
    aggregation#ended         <ended at>#<job>           one that has ended

A client is written together with its seat. There are as many seats as clients, so one too many finds none, whatever
became of every other count.
"""

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from quintet.aggregation.jobs import Job
from quintet.aggregation.messages import MOST_CLIENTS
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Change, Create, Place, Remove, Rows, Write

OPEN = "aggregation#open"
ENDED = "aggregation#ended"
PACKED_FROM = 16 * 1024
"""Characters of a schema that are worth packing."""


class Overtaken(Conflict):
    """Another has changed the job since it was read: read it again."""


class Report(NamedTuple):
    """A client that has reported, the caller who said so, and its seat, from 1 on."""

    client: str
    caller: str
    seat: int


class Standing(NamedTuple):
    """A job and its reports in the order in which they came."""

    job: Job
    reports: tuple[Report, ...] = ()

    @property
    def clients(self) -> tuple[str, ...]:
        return tuple(report.client for report in self.reports)

    @property
    def free_seats(self) -> list[int]:
        taken = {report.seat for report in self.reports}
        return [seat for seat in range(1, self.job.total + 1) if seat not in taken]


@dataclass(frozen=True)
class Ledger:
    rows: Rows
    clock: Clock

    def open(self, job: Job) -> Job:
        """Raises Conflict where there is a job of this id already."""
        index = Create(Place(OPEN, job.id), {"schema": 1}, job.expires_at)
        self.rows.write(Create(place_of(job.id), record_of(job), job.expires_at), index)
        return job

    def find(self, job_id: str) -> Job | None:
        try:
            return job_of(self.rows.read(place_of(job_id)))
        except NotFound:
            return None

    def look(self, job_id: str) -> Standing | None:
        """The job with everybody who has reported, of one moment or later ones: reports only grow."""
        found = dict(self.rows.list(place_of(job_id).partition, limit=MOST_CLIENTS + 1))
        if "job" not in found:
            return None
        job = job_of(found.pop("job"))
        arrived = sorted(found.values(), key=lambda record: (record["at"], record["seat"]))
        return Standing(job, tuple(Report(one["client"], one["caller"], one["seat"]) for one in arrived))

    def report(self, job: Job, report: Report) -> None:
        """Raises Conflict where the client has reported before, or another one has its seat."""
        place = Place(place_of(job.id).partition, f"client#{report.client}")
        seat = Place(f"aggregation#seats#{job.id}", f"{report.seat:04d}")
        said = {"schema": 1, **report._asdict(), "at": self.clock.now().isoformat()}
        self.rows.write(
            Create(place, said, job.expires_at),
            Create(seat, {"schema": 1, "client": report.client}, job.expires_at),
        )

    def amend(self, job: Job, **changes: Any) -> Job:
        """Raises Overtaken where it has changed since `job` was read."""
        return self._change(job, changes)

    def start(self, job: Job, clients: Sequence[str]) -> Job:
        """OPEN → AGGREGATING over `clients`, by whoever comes first. Raises Overtaken for all others, TooLarge."""
        changes = {"state": "AGGREGATING", "clients": tuple(clients), "started_at": self.clock.now()}
        return self._change(job, changes)

    def complete(self, job: Job, summed: Sequence[str], moment: datetime, outbox: Sequence[Write] = ()) -> Job:
        """The sum is over `summed` and lies in the bucket. What is to be delivered is written in the same step."""
        return self._end(job, moment, {"state": "COMPLETED", "summed": tuple(summed)}, outbox)

    def fail(self, job: Job, reason: str) -> Job:
        return self._end(job, self.clock.now(), {"state": "FAILED", "reason": reason})

    def close(self, job: Job) -> None:
        """Nothing more is to be done for it."""
        self.rows.write(Remove(Place(OPEN, job.id)))

    def opens(self) -> Iterator[str]:
        """The jobs that still want something."""
        after = ""
        while page := self.rows.list(OPEN, after=after):
            yield from (name for name, _ in page)
            after = page[-1][0]

    def ended(self, *, limit: int) -> list[str]:
        """The jobs that ended last, newest first."""
        return [record["job"] for _, record in self.rows.list(ENDED, limit=limit, newest_first=True)]

    def _end(self, job: Job, moment: datetime, changes: Mapping[str, Any], others: Sequence[Write] = ()) -> Job:
        """Raises Overtaken where another ended it."""
        place = Place(ENDED, f"{moment.isoformat(timespec='microseconds')}#{job.id}")
        index = Create(place, {"schema": 1, "job": job.id}, job.expires_at)
        return self._change(job, {**changes, "ended_at": moment}, index, *others)

    def _change(self, before: Job, changes: Mapping[str, Any], *others: Write) -> Job:
        job = before.model_copy(update={**changes, "version": before.version + 1})
        known = record_of(before)
        differing = {name: value for name, value in record_of(job).items() if value != known[name]}
        try:
            self.rows.write(Change(place_of(job.id), differing, {"version": before.version}), *others)
        except Conflict as conflict:
            now = self.find(job.id)
            if now is None or now.version == before.version:
                raise
            raise Overtaken(f"Job {job.id} has changed meanwhile", by=now.version) from conflict
        return job


def place_of(job_id: str) -> Place:
    return Place(f"aggregation#job#{job_id}", "job")


def record_of(job: Job) -> dict[str, Any]:
    record = job.model_dump(mode="json")
    text = record["layout"][0]
    if len(text) >= PACKED_FROM:
        record["layout"][0] = base64.b64encode(zlib.compress(text.encode())).decode()
    return {"schema": 1, **record}


def job_of(record: Mapping[str, Any]) -> Job:
    known = {name: value for name, value in record.items() if name != "schema"}
    text, *rest = known["layout"]
    if text and not text.startswith("["):
        text = zlib.decompress(base64.b64decode(text)).decode()
    return Job.model_validate({**known, "layout": [text, *rest]})
