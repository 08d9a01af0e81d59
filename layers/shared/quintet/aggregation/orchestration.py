"""Clients report to a job; anybody who takes part in it may ask how it is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from quintet.aggregation import jobs
from quintet.aggregation.counting import Counting
from quintet.aggregation.jobs import Job
from quintet.aggregation.kept import final_key
from quintet.aggregation.ledger import Ledger, Overtaken, Standing
from quintet.aggregation.messages import Nudge, Update
from quintet.aggregation.ports import Objects, Queue
from quintet.aggregation.settings import Jobs
from quintet.aggregation.standing import told
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound
from quintet.kernel.job_keys import JobKeys

SET_SUFFIX = ":updatedClients"


class Caller(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def administrator(self) -> bool: ...


class Owners(Protocol):
    def claim(self, client: str, caller: str) -> None:
        """The name is this caller's from its first use on. Raises PermissionDenied where it is another's."""


class UpdateAnswer(NamedTuple):
    """`message` is the answer. The rest is what happened, for the log: `new` is false for a client that was known,
    `triggered` says that all have reported and the aggregation was asked for.
    """

    message: str
    job: Job
    new: bool = False
    done: int = 0
    opened: bool = False
    schema_stored: bool = False
    triggered: bool = False


@dataclass(frozen=True)
class Orchestrator:
    ledger: Ledger
    keys: JobKeys | None
    owners: Owners
    objects: Objects
    nudges: Queue
    clock: Clock
    settings: Jobs
    rounds: Callable[[str], Mapping[str, Any] | None] = lambda job: None
    """How far the rounds of a job's secure aggregation are, where it is ours."""

    def update(self, update: Update, caller: Caller) -> UpdateAnswer:
        """The client has its data ready.

        Raises InvalidInput, PermissionDenied for another's name, Conflict for what the job's state stands against, and
        Unavailable.
        """
        if update.job.endswith(SET_SUFFIX):
            raise InvalidInput(f"jobId must not end with {SET_SUFFIX!r}: Redis keeps another job's clients there")
        if not caller.administrator:
            self.owners.claim(update.client, caller.id)
        standing, opened = self._standing(update)
        if standing.job.state == "COMPLETED":
            return UpdateAnswer(f"Job {update.job} is already completed. No further updates are needed.", standing.job)
        agreed = standing._replace(job=self._agreed(standing.job, update))
        self._admit(agreed, update.client, caller)
        counted = Counting(self.ledger, self.keys).report(agreed, update.client, caller.id)
        return UpdateAnswer(
            f"Update for job {update.job}, client {update.client} recorded.",
            agreed.job,
            new=counted.new,
            done=counted.done,
            opened=opened,
            schema_stored=bool(agreed.job.layout.text) and (opened or not standing.job.layout.text),
            triggered=self._triggered(agreed.job, counted.done),
        )

    def status(self, job_id: str, caller: Caller) -> dict[str, Any]:
        """All that is known of the job. Raises NotFound, also for who takes no part in it."""
        standing = self.ledger.look(job_id)
        if standing is None or not may_see(standing, caller):
            raise NotFound(f"Unknown jobId {job_id}")
        job = standing.job
        if job.state == "OPEN" and job.is_late(self.clock.now()):  # the sweep would, within a minute
            self.nudges.send(Nudge(job=job.id).model_dump_json())
        final = self._final(job) if job.state == "COMPLETED" else None
        rounds = self.rounds(job_id) if job.state == "AGGREGATING" else None
        return told(standing, final, rounds)

    def _standing(self, update: Update) -> tuple[Standing, bool]:
        """The job as it is, and whether it is a new one."""
        there = self.ledger.look(update.job)
        if there is not None:
            return there, False
        try:
            return Standing(self.ledger.open(jobs.opened(update, self.settings, self.clock.now()))), True
        except Conflict:
            there = self.ledger.look(update.job)
            if there is None:
                raise
            return there, False

    def _triggered(self, job: Job, done: int) -> bool:
        """A duplicate triggers, too: the word of the one before it may have been lost."""
        if done < job.total or job.state != "OPEN":
            return False
        self.nudges.send(Nudge(job=job.id).model_dump_json())
        return True

    def _agreed(self, job: Job, update: Update) -> Job:
        """The job that the update is about; the first schema that comes is the job's. Raises Conflict."""
        if update.total != job.total:
            raise Conflict(
                f"totalClients of job {job.id} is {job.total}, and this update says {update.total}: "
                "send the same, or use another jobId"
            )
        layout = jobs.layout_of(update.layout)
        if not layout.digest or layout.digest == job.layout.digest:
            return job
        if job.layout.digest or job.state != "OPEN":
            raise disagreement(job, layout)
        try:
            return self.ledger.amend(job, layout=layout)
        except Overtaken:
            return self._agreed(self.ledger.find(job.id) or job, update)

    def _admit(self, standing: Standing, client: str, caller: Caller) -> None:
        """Raises Conflict where the job takes no report of this client any more."""
        job = standing.job
        if job.state == "FAILED":
            why = f": {job.reason}" if may_see(standing, caller) else ""
            raise Conflict(f"Job {job.id} has failed{why}. Use another jobId")
        if client in (job.clients if job.state == "AGGREGATING" else standing.clients):
            return
        if job.state == "AGGREGATING" and len(standing.reports) < job.total:
            raise Conflict(f"Job {job.id} was started without {client!r}: its deadline was {job.deadline.isoformat()}")
        if job.state == "OPEN" and self.clock.now() >= job.deadline:
            raise Conflict(f"Job {job.id} takes no more clients: its deadline was {job.deadline.isoformat()}")

    def _final(self, job: Job) -> dict[str, Any]:
        final: dict[str, Any] = json.loads(self.objects.get(final_key(job.id))[0])
        return final


def may_see(standing: Standing, caller: Caller) -> bool:
    return caller.administrator or any(report.caller == caller.id for report in standing.reports)


def disagreement(job: Job, layout: jobs.Layout) -> Conflict:
    if not job.layout.digest:
        return Conflict(f"Job {job.id} was started without a schema, and this update brings one")
    said = "" if job.layout.size == layout.size else f" ({job.layout.size} elements there, {layout.size} here)"
    return Conflict(
        f"schema of job {job.id} is another one than this update's{said}: send the same, or use another jobId"
    )
