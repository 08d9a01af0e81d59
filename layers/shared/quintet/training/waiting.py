"""Detections that wait for the ONNX file of their weights to be made."""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict
from quintet.training import jobs
from quintet.training.jobs import Job, JobKey, Step
from quintet.training.ledger import Ledger
from quintet.training.ports import Queue

GIVEN_UP_AFTER = timedelta(hours=1)
"""A detection that could go on and has no end by then has used up its deliveries."""

LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True)
class Waiting:
    ledger: Ledger
    to_detect: Queue
    clock: Clock

    def wait(self, job: Job, conversion: JobKey) -> None:
        """Put the detection off until `conversion` has ended; at once where it has."""
        self.ledger.amend(
            job.key, lambda known: Step(known if known.ended else jobs.changed(known, waits_for=str(conversion)))
        )
        self.wake(conversion)

    def wake(self, ended: JobKey) -> None:
        """Go on with whatever waits for the job that has ended."""
        known = self.ledger.find(ended)
        if known is None or not known.ended or not known.quiet:
            return
        for key in self.ledger.active():
            job = self.ledger.find(key)
            if job is not None and job.waits_for == str(ended):
                self._resume(job)

    def see_to(self, job: Job) -> None:
        conversion = self.ledger.find(JobKey.parse(job.waits_for)) if job.waits_for else None
        if self._is_too_late(job, conversion):
            self.give_up(job)
        elif conversion is not None and conversion.ended:
            self._resume(job)

    def _is_too_late(self, job: Job, conversion: Job | None) -> bool:
        now = self.clock.now()
        if conversion is not None and not conversion.ended:
            return now - job.accepted_at > LONGEST_WAIT
        since = conversion.ended_at if conversion is not None else None
        return now - (since or job.accepted_at) > GIVEN_UP_AFTER

    def give_up(self, job: Job) -> None:
        reason = "The detection could not be done in time: send the request again."
        try:
            self.ledger.amend(job.key, partial(jobs.failed, reason=reason, now=self.clock.now()))
        except Conflict:
            return  # it has ended meanwhile

    def _resume(self, job: Job) -> None:
        self.to_detect.send(json.dumps(job.request), {"user_id": job.caller})
