"""Trainings: which are asked for, which one is done, and what came of each. One is done at a time.

    waiting ──claimed──▶ running ──▶ done | failed
       ▲                    │
       └── its lease is over, or what it needs is away; at most ATTEMPTS times

    partition            name                 record
    handover#runs        <when>-<random>      the Run; names rise with time
    handover#retraining  lease                which run is being done, until when, and the lease's number
                         once#<name>          the run that was asked for under this name

Whoever does a run holds the lease. Everything it writes expects the lease's number in the run's row: one that was taken
for dead and comes back can't end what is another's by now.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from quintet.handover.errors import ResourceNotFoundError
from quintet.handover.messages import Kind
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.ids import new_id
from quintet.kernel.rows import Change, Create, Place, Rows, Write

PARTITION, CONTROL = "handover#runs", "handover#retraining"
LEASE = Place(CONTROL, "lease")
KEPT = timedelta(days=90)
LATELY = timedelta(days=2)
"""What waits for longer is looked after no more: it was given up long before, unless all that time was taken."""
PAGE = 200
MOMENT = "%Y%m%dt%H%M%S%f"
ATTEMPTS = 3
SILENT = (
    "the training stopped before its end, again and again: it may have run out of time or memory; send fewer samples"
)

Reason = Literal["request", "drift", "bootstrap"]
Status = Literal["waiting", "running", "done", "failed"]


class Superseded(Conflict):
    """The run is somebody else's by now, or has ended."""


class Run(BaseModel):
    """A row. `samples_key`: where the samples are, empty where they are feedback or synthetic; `job`: the caller's.

    `error` is for the caller, with its HTTP status; `answer` is the original's to a training, and `more` is said with
    it.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_version: int = Field(1, alias="schema")
    id: str
    kind: Kind
    reason: Reason
    status: Status = "waiting"
    caller: str = ""
    job: str = ""
    samples_key: str = ""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    fence: int = 0
    attempt: int = 0
    task: str = ""
    progress: dict[str, Any] = {}
    answer: dict[str, Any] | None = None
    more: dict[str, Any] = {}
    version: str = ""
    live: bool = False
    said: str = ""
    error: str = ""
    error_status: int = 0

    @property
    def ended(self) -> bool:
        return self.status in {"done", "failed"}

    @property
    def since(self) -> datetime:
        return self.ended_at or self.started_at or self.created_at


@dataclass(frozen=True)
class Claim:
    """The right to do a run, and its number."""

    run: str
    fence: int


@dataclass(frozen=True)
class Runs:
    rows: Rows
    clock: Clock
    lease: timedelta = timedelta(minutes=20)

    def add(
        self,
        kind: Kind,
        reason: Reason,
        *,
        caller: str = "",
        job: str = "",
        samples_key: str = "",
        once: str = "",
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[Run, bool]:
        """A run that waits, and whether it is new: one that was asked for under the name `once` is not."""
        now = self.clock.now()
        run = Run(
            id=f"{now:{MOMENT}}-{new_id()[:12]}",
            kind=kind,
            reason=reason,
            caller=caller,
            job=job,
            samples_key=samples_key,
            more=dict(more),
            created_at=now,
        )
        named = [Create(_once(once), {"schema": 1, "run": run.id}, now + KEPT)] if once else []
        try:
            self.rows.write(Create(place(run.id), run.model_dump(mode="json", by_alias=True), now + KEPT), *named)
        except Conflict:
            return self.read(self.rows.read(_once(once))["run"]), False
        return run, True

    def read(self, run: str) -> Run:
        """Raises ResourceNotFoundError."""
        try:
            return Run.model_validate(self.rows.read(place(run)))
        except NotFound:
            raise ResourceNotFoundError("there is no such training, or none any more") from None

    def newest(self) -> Run | None:
        found = self.rows.list(PARTITION, limit=1, newest_first=True)
        return Run.model_validate(found[0][1]) if found else None

    def open(self) -> list[Run]:
        """Those of the last days that have not ended, the oldest first."""
        return [run for record in self._lately() if not (run := Run.model_validate(record)).ended]

    def claim(self, run: str) -> Claim | None:
        """The right to do it now; None where this one is no more to be done, or another is being done or not buried
        yet: whoever took the lease of a dead one would leave it without an end.
        """
        now, held = self.clock.now(), self._held()
        known = self.read(run)
        if known.status != "waiting" or (held and held["run"]):
            return None
        fence = (held["fence"] if held else 0) + 1
        lease = {"schema": 1, "run": run, "fence": fence, "until": (now + self.lease).isoformat()}
        taken: Write = Change(LEASE, lease, {"fence": held["fence"]}) if held else Create(LEASE, lease)
        started = {"status": "running", "fence": fence, "attempt": known.attempt + 1, "started_at": now.isoformat()}
        try:
            self.rows.write(taken, Change(place(run), started, {"status": "waiting", "fence": known.fence}))
        except Conflict:
            return None
        return Claim(run, fence)

    def progressed(self, claim: Claim, progress: Mapping[str, Any]) -> None:
        """Say that it goes on, which makes the lease longer. Raises Superseded."""
        until = (self.clock.now() + self.lease).isoformat()
        self._write(claim, {"progress": dict(progress)}, {"until": until})

    def succeed(self, claim: Claim, answer: Mapping[str, Any], *, version: str, live: bool, said: str = "") -> Run:
        """Raises Superseded."""
        changes = {"status": "done", "answer": dict(answer), "version": version, "live": live, "said": said}
        return self._end(claim, changes)

    def fail(self, claim: Claim, error: str, status: int) -> Run:
        """Raises Superseded."""
        return self._end(claim, {"status": "failed", "error": error, "error_status": status})

    def put_back(self, claim: Claim) -> Run:
        """It waits again; after ATTEMPTS it has failed. Raises Superseded."""
        if self.read(claim.run).attempt >= ATTEMPTS:
            return self.fail(claim, SILENT, 500)
        self._write(claim, {"status": "waiting", "task": ""}, {"run": "", "until": self.clock.now().isoformat()})
        return self.read(claim.run)

    def handed_to(self, run: str, task: str) -> None:
        """A task is to do it. Nothing happens where that has begun already."""
        with suppress(Conflict):
            self.rows.write(Change(place(run), {"task": task}, {"status": "waiting"}))

    def bury(self) -> Run | None:
        """What is to be done with the run whose lease is over: it waits again, or has failed; None where none is."""
        held = self._held()
        if not held or not held["run"] or datetime.fromisoformat(held["until"]) > self.clock.now():
            return None
        try:
            return self.put_back(Claim(held["run"], held["fence"]))
        except Superseded:
            return None
        except NotFound:  # its row is gone, and the lease must not outlive it
            with suppress(Conflict):
                self.rows.write(Change(LEASE, {"run": ""}, {"run": held["run"], "fence": held["fence"]}))
            return None

    def give_up(self, run: Run, error: str, status: int) -> Run | None:
        """A run that was never claimed has failed; None where it was meanwhile."""
        changes = {"status": "failed", "error": error, "error_status": status, "ended_at": self.clock.now().isoformat()}
        try:
            self.rows.write(Change(place(run.id), changes, {"status": "waiting"}, self.clock.now() + KEPT))
        except Conflict:
            return None
        return self.read(run.id)

    @property
    def busy(self) -> bool:
        """Whether one is being done."""
        held = self._held()
        return bool(held and held["run"] and datetime.fromisoformat(held["until"]) > self.clock.now())

    def _end(self, claim: Claim, changes: Mapping[str, Any]) -> Run:
        now = self.clock.now().isoformat()
        self._write(claim, {**changes, "ended_at": now}, {"run": "", "until": now})
        return self.read(claim.run)

    def _write(self, claim: Claim, changes: Mapping[str, Any], lease: Mapping[str, Any]) -> None:
        mine = {"status": "running", "fence": claim.fence}
        try:
            self.rows.write(
                Change(place(claim.run), changes, mine, self.clock.now() + KEPT),
                Change(LEASE, lease, {"run": claim.run, "fence": claim.fence}),
            )
        except Conflict:
            raise Superseded("the training is somebody else's by now, or has ended", run=claim.run) from None

    def asked_for(self, versions: Sequence[str]) -> Run | None:
        """The training on a caller's samples that made the first of these versions that one made."""
        made = {run.version: run for run in map(Run.model_validate, self._lately()) if run.version and run.samples_key}
        return next((made[version] for version in versions if version in made), None)

    def _lately(self) -> Iterator[dict[str, Any]]:
        after = f"{self.clock.now() - LATELY:{MOMENT}}"
        while page := self.rows.list(PARTITION, after=after, limit=PAGE):
            yield from (record for _, record in page)
            after = page[-1][0]

    def _held(self) -> dict[str, Any] | None:
        try:
            return self.rows.read(LEASE)
        except NotFound:
            return None


def place(run: str) -> Place:
    return Place(PARTITION, run)


def _once(name: str) -> Place:
    return Place(CONTROL, f"once#{name}")
