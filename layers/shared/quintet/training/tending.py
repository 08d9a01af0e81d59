"""Looking after jobs: those that wait are started, those whose task died go on, what was not told is told.

Anything may be looked after twice, or at once by two: the ledger lets one of them win.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound, Overloaded, QuintetError
from quintet.training import jobs
from quintet.training.jobs import Job, JobKey, Superseded
from quintet.training.ledger import Ledger
from quintet.training.nudges import Nudge, Nudges
from quintet.training.ports import Tasks
from quintet.training.waiting import Waiting

STALE = timedelta(seconds=20)
"""A message this long in the outbox has been forgotten by whoever wrote it."""


@dataclass(frozen=True)
class Tending:
    ledger: Ledger
    tasks: Tasks
    nudges: Nudges
    waiting: Waiting
    clock: Clock
    at_once: int
    patience: timedelta

    def look_after(self, nudge: Nudge) -> None:
        """Raises Unavailable where something is away; the next look goes on."""
        if nudge.about == "job":
            self.see_to(JobKey.parse(nudge.job))
            return
        if nudge.about == "stopped":
            self.task_stopped(JobKey.parse(nudge.job), nudge.attempt, nudge.reason, nudge.task)
        else:
            self.remind()
        self.see_to_all()

    def see_to_all(self) -> None:
        """The oldest first. What is in the way of one is raised when all were seen to."""
        known = [job for key in self.ledger.active() if (job := self.ledger.find(key))]
        failure: QuintetError | None = None
        for job in sorted(known, key=lambda job: job.accepted_at):
            try:
                self.see_to(job.key)
            except QuintetError as error:
                failure = failure or error
        if failure:
            raise failure

    def see_to(self, key: JobKey) -> None:
        job = self.ledger.find(key)
        if job is None or job.ended:
            self.waiting.wake(key)
        elif job.kind == "inference":
            self.waiting.see_to(job)
        elif job.in_hands:
            self._see_to_task(job)
        else:
            self._begin(job)

    def task_stopped(self, key: JobKey, attempt: int, reason: str, task: str = "") -> None:
        """The task of `attempt` has ended, of itself or not."""
        try:
            after = self.ledger.amend(
                key,
                partial(
                    jobs.died, attempt=attempt, reason=reason or "no reason was given", now=self.clock.now(), task=task
                ),
            )
        except (Superseded, NotFound):
            return  # it said so itself, or another attempt has the job
        self._told(after)

    def remind(self) -> None:
        """Ask for whatever lies in the outbox for long: who wrote it may be gone."""
        old = [one for one in self.ledger.unpublished() if self.clock.now() - one.written_at >= STALE]
        for name in dict.fromkeys("#".join(one.name.split("#")[:2]) for one in old):
            self.nudges.publish(JobKey.parse(name))

    def _begin(self, job: Job) -> None:
        if job.cancel_requested:
            self._cancel(job)
            return
        for slot in self._free(job):
            try:
                begun = self.ledger.amend(
                    job.key, partial(jobs.begun, slot=slot, now=self.clock.now(), patience=self.patience)
                )
            except Conflict:
                continue  # the slot or the job was taken meanwhile
            self._start(begun)
            return

    def _cancel(self, job: Job) -> None:
        with suppress(Conflict):  # it has ended meanwhile
            self._told(self.ledger.amend(job.key, partial(jobs.cancelled, now=self.clock.now())))

    def _start(self, job: Job) -> None:
        try:
            task = self.tasks.start(job)
        except Overloaded:
            return  # no capacity yet: the slot waits, and the next look asks again
        self._hand_to(job, task)

    def _hand_to(self, job: Job, task: str) -> None:
        try:
            self.ledger.amend(
                job.key,
                partial(jobs.handed_to, attempt=job.attempt, task=task, now=self.clock.now(), patience=self.patience),
            )
        except Superseded:
            return  # it was quicker than we: claimed, or even ended

    def _see_to_task(self, job: Job) -> None:
        if job.holder is None and job.cancel_requested:
            self._cancel(job)  # a task that begins after all finds that it has ended
            if job.task:
                self.tasks.stop(job.task, "the job is cancelled")
        elif job.holder is None and job.task is None:
            self._start(job)
        elif job.lease_until is not None and job.lease_until <= self.clock.now():
            self._miss(job)

    def _miss(self, job: Job) -> None:
        """Its task is late. One that has no machine yet may be so for as long as others have all of them."""
        if job.holder is None and job.task and self.tasks.state(job.task) == "waiting":
            self._hand_to(job, job.task)
        else:
            self._bury(job)

    def _bury(self, job: Job) -> None:
        """Nothing was heard of its task for a lease: alive or not, it has lost the job."""
        if job.task:
            self.tasks.stop(job.task, "nothing was heard of it")
        self.task_stopped(job.key, job.attempt, "nothing was heard of it")
        again = self.ledger.find(job.key)
        if again and not again.ended and not again.in_hands:
            self._begin(again)

    def _free(self, job: Job) -> Iterable[int]:
        taken = self.ledger.slots(job.kind)
        return [slot for slot in range(self.at_once) if slot not in taken]

    def _told(self, job: Job) -> None:
        if job.ended:
            self.nudges.publish(job.key)
            self.waiting.wake(job.key)
