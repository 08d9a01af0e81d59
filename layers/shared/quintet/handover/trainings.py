"""Trainings that are asked for now and done elsewhere: by the queue's function, or by a task where they take torch."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from quintet.handover.collection_runs import Promises
from quintet.handover.health import TrainingHealth
from quintet.handover.messages import Kind, TrainingSample, TrainMessage
from quintet.handover.ports import Objects, Queue
from quintet.handover.runs import Reason, Run, Runs
from quintet.handover.sights import sight_of
from quintet.kernel.clock import Clock
from quintet.kernel.errors import InvalidInput, QuintetError
from quintet.kernel.ids import new_id

FOLDER = "handover/trainings"
JSON = "application/json"
POLL_SECONDS = 0.5
FORGOTTEN = timedelta(minutes=2)
"""A run waits no longer than this for the message that it came with, when nothing else is done."""
GIVEN_UP_AFTER = timedelta(hours=2)
LATE = "the training was not begun in time; ask for it again"
TYPES = {400: "RequestValidationError", 422: "RequestValidationError"}


@dataclass(frozen=True)
class Trainings:
    """What the doors, the watch and the feedback ask for."""

    runs: Runs
    objects: Objects
    queue: Queue
    promises: Promises
    clock: Clock

    def begin(
        self,
        kind: Kind,
        *,
        reason: Reason = "request",
        samples: Sequence[TrainingSample] = (),
        caller: str = "",
        job: str = "",
        once: str = "",
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> Run:
        """The run that waits to be done; the same one for the same name `once`. Its answer says `more` besides.

        Raises InvalidInput, which names the sample and its field, where a requested training can't be: none is queued.
        Raises Unavailable.
        """
        if reason == "request":
            check(samples)
        key = self._stored(samples) if samples else ""
        run, new = self.runs.add(kind, reason, caller=caller, job=job, samples_key=key, once=once, more=more)
        if new:
            self.send(run.id)
        return run

    def retrain(self, kind: Kind, once: str) -> bool:
        """A drift asks; False where a retraining waits or is done, and nothing is queued."""
        if any(run.reason == "drift" for run in self.runs.open()):
            return False
        return not self.begin(kind, reason="drift", once=f"drift#{once}").ended

    def bootstrap(self, kind: Kind, *, tune: bool) -> Run | None:
        """The first training of a deployment whose packaged model is not what was asked for; asked for once."""
        if kind == "lightgbm" and not tune:
            return None
        return self.begin(kind, reason="bootstrap", once=f"bootstrap#{kind}{'#tuned' * tune}")

    def waiting(self, run: str, seconds: float, wait: Callable[[float], None]) -> Run:
        """The run once it has ended, or as it is after `seconds`."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while not (known := self.runs.read(run)).ended and self.clock.now() < until:
            wait(POLL_SECONDS)
        return known

    def look_after(self) -> None:
        """By the minute: no run stays as it is for ever. What waits is sent again, what is silent goes on or fails."""
        self.bury()
        now = self.clock.now()
        for run in self.runs.open():
            if run.status == "waiting" and now - run.created_at > GIVEN_UP_AFTER and not self.runs.busy:
                self._give_up(run)
        self.next(older_than=FORGOTTEN)

    def bury(self) -> None:
        """The run whose lease is over waits again, or has failed."""
        if buried := self.runs.bury():
            self.tell(buried)

    def next(self, *, older_than: timedelta = timedelta()) -> None:
        """Send those that wait, the oldest first, where none is being done: the first to be claimed is."""
        if self.runs.busy:
            return
        now = self.clock.now()
        for run in self.runs.open():
            if run.status == "waiting" and now - run.created_at >= older_than:
                self.send(run.id)

    def send(self, run: str) -> None:
        self.queue.send(TrainMessage(run=run).model_dump_json(), {"message_id": f"{run}-{self.clock.now():%H%M%S%f}"})

    def tell(self, run: Run) -> None:
        """Whoever follows the job reads what came of it."""
        if run.job and run.ended:
            status, body = said_of(run)
            self.promises.fulfil(run.caller, run.job, status, body)

    def health(self) -> TrainingHealth | None:
        run = self.runs.newest()
        if run is None:
            return None
        reason = run.error or run.said
        return TrainingHealth(run=run.id, status=run.status, kind=run.kind, since=run.since.isoformat(), reason=reason)

    def _give_up(self, run: Run) -> None:
        if failed := self.runs.give_up(run, LATE, 500):
            self.tell(failed)

    def _stored(self, samples: Sequence[TrainingSample]) -> str:
        key = f"{FOLDER}/{self.clock.now():%Y%m%d}/{new_id()}.json"
        content = json.dumps([sample.model_dump(mode="json", exclude_none=True) for sample in samples])
        self.objects.put(key, content.encode(), content_type=JSON)
        return key


def check(samples: Sequence[TrainingSample]) -> None:
    """Raises InvalidInput, naming sample and field, where they can't be learnt from."""
    if not samples:
        raise InvalidInput("There is no sample: send a list of at least one.")
    for number, sample in enumerate(samples):
        try:
            cells = {candidate.cell for candidate in sight_of(sample, 0.0).candidates}
        except QuintetError as error:
            raise InvalidInput(f"sample {number}: {error.message}") from None
        if sample.optimal_antenna not in cells:
            raise InvalidInput(f"sample {number}: optimal_antenna is none of the cells that its rf_metrics measure")


def said_of(run: Run) -> tuple[int, bytes]:
    """HTTP status and body of an ended run's answer."""
    if run.status == "done":
        return 200, json.dumps((run.answer or {}) | run.more).encode()
    kind = TYPES.get(run.error_status, "ModelError")
    said = {"error": run.error, "type": kind, "correlation_id": run.job or run.id}
    return run.error_status or 500, json.dumps(said).encode()
