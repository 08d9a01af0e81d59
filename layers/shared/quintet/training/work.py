"""A task's own view of its job: what it may write, and what it learns while writing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from quintet.kernel.clock import Clock
from quintet.training import jobs, messages
from quintet.training.jobs import Claim, Job, JobKey, Step, Telling
from quintet.training.ledger import Ledger


@dataclass(frozen=True)
class Work:
    """One attempt at one job. Everything raises Superseded once another attempt has the job: stop, say nothing."""

    ledger: Ledger
    key: JobKey
    claim: Claim
    clock: Clock
    _seen: dict[JobKey, Job] = field(default_factory=dict, init=False, repr=False, compare=False)

    def job(self) -> Job:
        return self.ledger.read(self.key)

    def start_training(self, config: Mapping[str, Any], total_epochs: int) -> Job:
        """Claim the job; the first task that does tells `training_started`."""
        body = messages.training_started(self.key.job_id, total_epochs, messages.finite(config))
        return self._claim(total_epochs, body)

    def start_conversion(self, *, model_path: str, target_format: str, options: Mapping[str, Any]) -> Job:
        body = messages.conversion_started(
            self.key.job_id, model_path=model_path, target_format=target_format, options=options
        )
        return self._claim(0, body)

    def alive(self) -> Job:
        """Prolong the lease; `cancel_requested` of the answer says whether to go on."""
        return self._amend(partial(jobs.renewed, claim=self.claim, now=self.clock.now()))

    def finish_epoch(self, epoch: int, metrics: Mapping[str, Any]) -> Job:
        """`epoch` counts from 1. Told once, whichever attempt gets there first."""
        return self._amend(
            partial(jobs.epoch_done, claim=self.claim, epoch=epoch, metrics=metrics, now=self.clock.now())
        )

    def suspend(self) -> Job:
        """Give the job back: a checkpoint lies where the next task finds it."""
        return self._amend(partial(jobs.suspended, claim=self.claim))

    def complete_training(self, *, model_path: str, metrics: Mapping[str, Any], epochs: int, seconds: float) -> Job:
        body = messages.training_completed(
            self.key.job_id, model_path=model_path, metrics=metrics, epochs=epochs, seconds=seconds
        )
        return self._end(partial(jobs.completed, body=body, now=self.clock.now()))

    def complete_conversion(self, *, output_path: str, seconds: float, model_info: Mapping[str, Any]) -> Job:
        body = messages.conversion_completed(
            self.key.job_id, output_path=output_path, seconds=seconds, model_info=model_info
        )
        return self._end(partial(jobs.completed, body=body, now=self.clock.now()))

    def give_up(self, reason: str) -> Job:
        """This task can't go on, for a reason that may pass: another one tries again, a few times."""
        claim = self.claim
        return self._amend(
            partial(jobs.died, attempt=claim.attempt, reason=reason, now=self.clock.now(), task=claim.holder)
        )

    def fail(self, reason: str) -> Job:
        return self._end(partial(jobs.failed, reason=reason, now=self.clock.now()))

    def cancel(self) -> Job:
        return self._end(partial(jobs.cancelled, now=self.clock.now()))

    def _claim(self, total_epochs: int, body: messages.Body) -> Job:
        return self._amend(
            partial(
                jobs.claimed,
                claim=self.claim,
                now=self.clock.now(),
                total_epochs=total_epochs,
                tellings=(Telling("update", body),),
            )
        )

    def _end(self, happening: Callable[[Job], Step]) -> Job:
        """A cancel that was asked for before is kept, however the work ended."""

        def if_held(job: Job) -> Step:
            jobs.held(job, self.claim)
            return jobs.cancelled(job, now=self.clock.now()) if job.cancel_requested else happening(job)

        return self._amend(if_held)

    def _amend(self, happening: Callable[[Job], Step]) -> Job:
        after = self.ledger.amend(self.key, happening, known=self._seen.get(self.key))
        self._seen[self.key] = after
        return after
