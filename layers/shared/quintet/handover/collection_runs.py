"""Collections that are asked for now and done elsewhere: by the queue's function, or by a task where they take longer.

    waiting ──somebody takes it──▶ running ──▶ done | failed

A request's password is in no row and no message: it waits in bulk storage, and goes once the collection has ended.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from quintet.handover.collecting import (
    Collected,
    CollectionAnswer,
    Emulator,
    Span,
    Wait,
    answer,
    as_json,
    collect,
    file_name,
)
from quintet.handover.errors import NEFConnectionError, ResourceNotFoundError
from quintet.handover.messages import CollectDataRequest, CollectMessage
from quintet.handover.nef_samples import trainable
from quintet.handover.ports import Objects, Queue
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, Misconfigured, NotFound, QuintetError, Unavailable
from quintet.kernel.ids import new_id
from quintet.kernel.rows import Change, Create, Place, Rows

SCHEMA = 1
PARTITION = "handover#collections"
JSON = "application/json"
FOLDER = "handover/collected"
KEPT = timedelta(days=30)
FUNCTION_SECONDS = 14 * 60.0
"""A function may run for 15 minutes; what takes longer is a task's."""
GRACE = timedelta(minutes=2)
"""A collection that is so much later than its end has died."""
BEGUN_WITHIN = timedelta(hours=1)
"""One that nobody has taken by then is among the dead letters."""
REPORT_SECONDS = 5.0
POLL_SECONDS = 0.5

DIED = "the collection stopped before its end; ask for it again"
NOT_BEGUN = "the collection could not be begun; ask for it again"


class CollectionRun(BaseModel):
    """A row of the ledger. `caller` and `job` name the promise that the end fulfils; no job: none was made."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    duration: float
    interval: float
    caller: str = ""
    job: str = ""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    answer: CollectionAnswer | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.state in {"done", "failed"}

    def seen_at(self, now: datetime) -> "CollectionRun":
        """One that nobody took, or whose end is long over, has failed."""
        latest = self.started_at + self.span + GRACE if self.started_at else self.created_at + BEGUN_WITHIN
        if self.ended or now <= latest:
            return self
        return self.model_copy(update={"state": "failed", "error": DIED if self.started_at else NOT_BEGUN})

    @property
    def span(self) -> timedelta:
        return timedelta(seconds=self.duration)


class Promises(Protocol):
    """The jobs that callers follow."""

    def report(self, caller: str, job: str, progress: dict[str, Any]) -> None: ...
    def fulfil(self, caller: str, job: str, status: int, body: bytes) -> None:
        """The answer that the caller would have had at once."""


@dataclass(frozen=True)
class Collections:
    """`nef` makes a client that is not logged in; `login` is whose it is where a request names nobody.

    `start_task` starts the task `collect RUN`; asked again with the same run, no second one.
    """

    rows: Rows
    objects: Objects
    queue: Queue
    promises: Promises
    nef: Callable[[], Emulator]
    login: tuple[str, str]
    start_task: Callable[[str], None]
    clock: Clock

    def begin(self, request: CollectDataRequest, *, caller: str = "", job: str = "") -> CollectionRun:
        """Raises Unavailable."""
        now = self.clock.now()
        run = CollectionRun(
            id=new_id(), duration=request.duration, interval=request.interval, caller=caller, job=job, created_at=now
        )
        if request.username:
            login = {"username": request.username, "password": request.password or ""}
            self.objects.put(_login_key(run.id), json.dumps(login).encode(), content_type=JSON)
        self.rows.write(
            Create(_place(run.id), {"schema": SCHEMA, **run.model_dump(mode="json")}, expires_at=now + KEPT)
        )
        self.queue.send(CollectMessage(run=run.id).model_dump_json(), {"message_id": run.id})
        return run

    def read(self, run: str) -> CollectionRun:
        """As of now. Raises ResourceNotFoundError."""
        try:
            return CollectionRun.model_validate(self.rows.read(_place(run))).seen_at(self.clock.now())
        except NotFound:
            raise ResourceNotFoundError("there is no such collection, or none any more") from None

    def waiting(self, run: str, seconds: float, wait: Wait) -> CollectionRun:
        """The run once it has ended, or as it is after `seconds`."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while not (known := self.read(run)).ended and self.clock.now() < until:
            wait(POLL_SECONDS)
        return known

    def take(self, message: CollectMessage, wait: Wait) -> None:
        """The queue's use case: collect here, or have a task do what would outlast a function.

        Raises Unavailable and Overloaded for what may pass; a deployment without such tasks fails the collection.
        """
        run = self.read(message.run)
        if run.duration <= FUNCTION_SECONDS:
            self.perform(run.id, wait)
        elif not run.ended:
            try:
                self.start_task(run.id)
            except Misconfigured as error:
                self._fail(run, error)

    def perform(self, run: str, wait: Wait) -> None:
        """Collects, and tells who waits. Raises Unavailable where somebody else is at it."""
        taken = self._taken(run)
        if taken is None:
            return
        try:
            self._succeed(taken, self._collected(taken, wait))
        except NEFConnectionError as error:
            self._fail(taken, error)

    def _taken(self, run: str) -> CollectionRun | None:
        """None where there is nothing to do any more."""
        now = self.clock.now()
        try:
            changes = {"state": "running", "started_at": now.isoformat()}
            self.rows.write(Change(_place(run), changes, expect={"state": "waiting"}, expires_at=now + KEPT))
            return self.read(run)
        except Conflict:
            known = self.read(run)
        if known.error == DIED:
            self._fail(known, NEFConnectionError(DIED))
        elif known.ended:
            self._settle(known, *_said_of(known))
        else:
            raise Unavailable("the collection is being done elsewhere", run=run)
        return None

    def _collected(self, run: CollectionRun, wait: Wait) -> Collected:
        emulator = self.nef()
        username, password = self._login_of(run.id)
        if username:
            emulator.login(username, password)
        span = Span(run.duration, run.interval)
        return collect(emulator, span, clock=self.clock, wait=wait, progress=self._reporter(run))

    def _reporter(self, run: CollectionRun) -> Callable[[Collected], None]:
        told_at = self.clock.now()

        def report(so_far: Collected) -> None:
            nonlocal told_at
            if run.job and (self.clock.now() - told_at).total_seconds() >= REPORT_SECONDS:
                told_at = self.clock.now()
                told = {"looks": so_far.looks, "of": so_far.span.looks, "samples": len(so_far.samples)}
                self.promises.report(run.caller, run.job, told)

        return report

    def _succeed(self, run: CollectionRun, collected: Collected) -> None:
        key = f"{FOLDER}/{run.id}/{file_name(self.clock.now())}"
        self.objects.put(key, as_json(collected.samples), content_type=JSON)
        result = answer(collected, key, self._uploaded(run, collected))
        changes = {"state": "done", "answer": result.model_dump(mode="json")}
        self._end(run, changes, 200, result.model_dump_json().encode())

    def _uploaded(self, run: CollectionRun, collected: Collected) -> str | None:
        """Where an upload of the caller's own would be, so that a training can name it."""
        if not (run.caller and collected.trainable):
            return None
        key = f"uploads/{run.caller}/{run.id}"
        self.objects.put(key, as_json(trainable(collected.samples)), content_type=JSON)
        return key

    def _fail(self, run: CollectionRun, error: QuintetError) -> None:
        kind = "NEFConnectionError" if isinstance(error, NEFConnectionError) else type(error).__name__
        changes = {"state": "failed", "error": error.message}
        self._end(run, changes, error.status, _failure(run, error.message, kind))

    def _end(self, run: CollectionRun, changes: dict[str, Any], status: int, body: bytes) -> None:
        ended = {**changes, "ended_at": self.clock.now().isoformat()}
        self.rows.write(Change(_place(run.id), ended, expires_at=self.clock.now() + KEPT))
        self._settle(run, status, body)

    def _settle(self, run: CollectionRun, status: int, body: bytes) -> None:
        """What is left to do once it has ended; done again where it was interrupted."""
        self.objects.delete(_login_key(run.id))
        if run.job:
            self.promises.fulfil(run.caller, run.job, status, body)

    def _login_of(self, run: str) -> tuple[str, str]:
        try:
            login = json.loads(self.objects.get(_login_key(run))[0])
        except NotFound:
            return self.login
        return login["username"], login["password"]


def _said_of(run: CollectionRun) -> tuple[int, bytes]:
    """HTTP status and body of one that has ended."""
    if run.answer is not None:
        return 200, run.answer.model_dump_json().encode()
    return NEFConnectionError.status, _failure(run, run.error, NEFConnectionError.__name__)


def _failure(run: CollectionRun, error: str, kind: str) -> bytes:
    return json.dumps({"error": error, "type": kind, "correlation_id": run.job or run.id}).encode()


def _place(run: str) -> Place:
    return Place(PARTITION, run)


def _login_key(run: str) -> str:
    """Below `claims/`, where nothing stays for long even if nobody deletes it."""
    return f"claims/handover/collect/{run}"
