"""A job is taken to its end, whatever dies in between.

Everything is told by nudges; the sweep sends one for each job that still wants something. A nudge leads as far as it
can go: the cohort is fixed once, the aggregator is started for it (again, where it is not known to have been), its
outcome is released or the job fails. By their deadlines all jobs have ended.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from quintet.aggregation.counting import durable_of
from quintet.aggregation.jobs import Job
from quintet.aggregation.kept import failed_result, final_key
from quintet.aggregation.ledger import Ledger, Overtaken, Standing
from quintet.aggregation.messages import Nudge, Outcome
from quintet.aggregation.ports import Aggregator, Objects, Queue
from quintet.aggregation.releasing import Release
from quintet.aggregation.settings import Jobs
from quintet.aggregation.watching import Watch, looked_at, watched
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Misconfigured, NotFound, QuintetError, TooLarge, Unavailable
from quintet.kernel.job_keys import JobKeys

AFTER = timedelta(seconds=60)
"""Beyond its own deadline the aggregator may take so long to say how it went."""

REASON_CHARACTERS = 2000
"""Of a failure: one that names all clients would find no room in the job's row, and the job no end."""

REMEMBERED = 1000
"""Jobs that ended last, whose keys the sweep restores."""


class Sessions(Protocol):
    """Runs of our own aggregator, also those that no job of ours stands behind."""

    def running(self) -> Iterable[str]: ...
    def finish(self, job: str) -> Outcome:
        """Raises NotFound."""
        ...


@dataclass(frozen=True)
class Driver:
    """`watch`: for an aggregator that tells nobody when it is done. `due`: whether a delivery is. `on_end` hears of
    each job that ends, once at most.
    """

    ledger: Ledger
    keys: JobKeys | None
    aggregator: Aggregator
    sessions: Sessions
    objects: Objects
    release: Release
    nudges: Queue
    deliveries: Queue
    clock: Clock
    settings: Jobs
    watch: Watch | None = None
    due: Callable[[], bool] = lambda: False
    on_end: Callable[[Job], None] = lambda job: None

    def look_after(self, nudge: Nudge) -> None:
        """Raises Unavailable and Misconfigured; the same nudge then goes on."""
        if nudge.about == "sweep":
            self._sweep()
        else:
            self._advance(nudge.job)

    def _sweep(self) -> None:
        """A nudge each: no job's trouble is another's."""
        wanting = dict.fromkeys([*self.ledger.opens(), *self.sessions.running(), *self._lost()])
        for name in wanting:
            self.nudges.send(Nudge(job=name).model_dump_json())
        if self.due():
            self.deliveries.send(Nudge(about="sweep").model_dump_json())

    def _lost(self) -> list[str]:
        """The ended jobs whose keys Redis has lost."""
        if self.keys is None:
            return []
        with suppress(Unavailable):
            return self.keys.absent(self.ledger.ended(limit=REMEMBERED))
        return []

    def _advance(self, name: str) -> None:
        standing = self.ledger.look(name)
        if standing is None or standing.job.state != "AGGREGATING":
            with suppress(NotFound):
                self.sessions.finish(name)  # one that the coordinator's routes began, or that outlived its job
        if standing is None:
            return
        try:
            job = self._led(standing)
        except Overtaken:
            self._advance(name)
        else:
            if job.ended:
                self._told(standing._replace(job=job))

    def _led(self, standing: Standing) -> Job:
        """The job as far as it goes now. Raises Overtaken where another leads it at the same time."""
        if standing.job.ended:
            return standing.job
        self._restore(standing)
        job = self._begun(standing)
        return self._followed(job) if job.state == "AGGREGATING" else job

    def _begun(self, standing: Standing) -> Job:
        job, present = standing.job, len(standing.reports)
        if job.state != "OPEN":
            return job
        if present < job.total and not job.is_late(self.clock.now()):
            return job
        if present < job.minimum:
            when = f" by {job.deadline.isoformat(timespec='seconds')}" if present < job.total else ""
            come = f"{present} of {job.total} clients reported{when}"
            return self._failed(job, f"{come}, and {job.minimum} are the least")
        try:
            return self.ledger.start(job, standing.clients)
        except TooLarge:
            return self._failed(job, "the names of its clients are too long to be kept")

    def _followed(self, job: Job) -> Job:
        """Once it is overdue nothing keeps it from ending. Raises Overtaken, Unavailable and Misconfigured."""
        try:
            job = self._handed_over(job)
            job, outcome = self._outcome(job)
            return self._ended(job, outcome) if outcome is not None else job
        except Overtaken:
            raise
        except QuintetError as error:
            if may_pass(error) and not self._is_overdue(job):
                raise
            return self._failed(job, error.message)

    def _handed_over(self, job: Job) -> Job:
        if job.handed_over:
            return job
        self.aggregator.start(
            job.id, job.clients, size=job.layout.size, minimum=job.minimum, round_seconds=job.round_seconds
        )
        return self.ledger.amend(job, handed_over=True)

    def _outcome(self, job: Job) -> tuple[Job, Outcome | None]:
        if self.watch is None:
            return job, looked_at(self.aggregator, job)
        return watched(self.aggregator, self.ledger, self.clock, self.watch, job)

    def _ended(self, job: Job, outcome: Outcome) -> Job:
        if outcome.status == "COMPLETED":
            return self._over(self.release.completed(job, outcome))
        if outcome.status == "FAILED":
            return self._failed(job, outcome.message or "the aggregator does not say why")
        if self._is_overdue(job):
            return self._failed(job, f"no result within {self.settings.aggregation_seconds:g} seconds")
        if self.watch is not None:
            self.nudges.send(Nudge(job=job.id).model_dump_json())
        return job

    def _is_overdue(self, job: Job) -> bool:
        longest = timedelta(seconds=self.settings.aggregation_seconds) + AFTER
        return job.started_at is not None and self.clock.now() >= job.started_at + longest

    def _failed(self, job: Job, reason: str) -> Job:
        told = reason if len(reason) <= REASON_CHARACTERS else f"{reason[: REASON_CHARACTERS - 1]}…"
        return self._over(self.ledger.fail(job, told))

    def _over(self, job: Job) -> Job:
        self.on_end(job)
        return job

    def _told(self, standing: Standing) -> None:
        """What follows from a job's end; it stays among the open ones until all that is done."""
        job = standing.job
        if job.state == "COMPLETED":
            self.deliveries.send(Nudge(job=job.id).model_dump_json())
        if self._restore(standing, self._final(job)):
            self.ledger.close(job)

    def _final(self, job: Job) -> str:
        if job.state == "FAILED":
            return failed_result(job.id, job.reason)
        return self.objects.get(final_key(job.id))[0].decode()

    def _restore(self, standing: Standing, final: str = "") -> bool:
        """Bring Redis's keys to what is durable; false where it is away, which stops nothing."""
        if self.keys is None:
            return True
        try:
            self.keys.write(standing.job.id, durable_of(standing, final))
        except Unavailable:
            return False
        return True


def may_pass(error: QuintetError) -> bool:
    return error.retry or isinstance(error, Misconfigured)
