"""The jobs' side of the room over adapters in memory: nothing happens in it but what a test does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_jobs import MemoryJobKeys
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.driving import Driver
from quintet.aggregation.jobs import Job
from quintet.aggregation.ledger import Ledger, Standing
from quintet.aggregation.messages import Nudge, Outcome, Update
from quintet.aggregation.orchestration import Orchestrator, UpdateAnswer
from quintet.aggregation.owners import Owners
from quintet.aggregation.ports import Aggregator
from quintet.aggregation.releasing import Release
from quintet.aggregation.settings import Jobs
from quintet.aggregation.watching import Watch
from quintet.entry.caller import Caller
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import NotFound, QuintetError
from quintet.kernel.rows import Create, Place, Rows

JOB = "j1"
OPERATOR = Caller("operator", administrator=True)
AGE = {"name": "age", "dataType": "NUMERIC"}
ACTIVE = {"name": "isActive", "dataType": "BOOLEAN"}
SCHEMA = [AGE, ACTIVE]
SUM = ("1000", "54", "270", "45000", "90", "130.5", "180", "1000", "750")
OUTBOX = "aggregation#outbox"


@dataclass
class ScriptedAggregator:
    """Its outcome is what a test makes it; `started` are the cohorts that it was asked to sum, `trouble` is raised."""

    result: Outcome = field(default_factory=lambda: Outcome(status="RUNNING"))
    started: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    refusal: QuintetError | None = None
    trouble: QuintetError | None = None
    looks: int = 0

    def start(
        self, job: str, clients: Sequence[str], *, size: int | None, minimum: int, round_seconds: float | None
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.started.append((job, tuple(clients)))
        self.asked.append({"size": size, "minimum": minimum, "round_seconds": round_seconds})

    def outcome(self, job: str) -> Outcome:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        if job not in {name for name, _ in self.started}:
            raise NotFound("nothing was started")
        return self.result

    def complete(self, *clients: str, output: Sequence[str] = SUM) -> None:
        self.result = Outcome(status="COMPLETED", output=tuple(output), clients=clients)


@dataclass
class NoSessions:
    """Sessions that the sweep finds; `finished` are those that were finished."""

    names: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)

    def running(self) -> list[str]:
        return self.names

    def finish(self, job: str) -> Outcome:
        if job not in self.names:
            raise NotFound("there is no such session")
        self.finished.append(job)
        return Outcome(status="RUNNING")


@dataclass
class JobRoom:
    clock: SteppedClock = field(default_factory=SteppedClock)
    settings: Jobs = field(default_factory=lambda: Jobs(minimum_cohort=2))
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    nudges: MemoryQueue = field(default_factory=MemoryQueue)
    deliveries: MemoryQueue = field(default_factory=MemoryQueue)
    sessions: NoSessions = field(default_factory=NoSessions)
    scripted: ScriptedAggregator = field(default_factory=ScriptedAggregator)
    aggregator: Aggregator | None = None
    watch: Watch | None = None
    rows: Rows | None = None
    with_redis: bool = True
    ended: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = self.rows or MemoryRows(self.clock)
        self.stored = rows
        self.memory = MemoryJobKeys(self.clock)
        keys = self.memory if self.with_redis else None
        self.ledger = Ledger(rows, self.clock)
        self.owners = Owners(rows, self.clock)
        self.orchestrator = Orchestrator(
            self.ledger, keys, self.owners, self.objects, self.nudges, self.clock, self.settings
        )
        self.release = Release(self.ledger, self.objects, outbox_rows, self.clock)
        self.driver = Driver(
            ledger=self.ledger,
            keys=keys,
            aggregator=self.aggregator or self.scripted,
            sessions=self.sessions,
            objects=self.objects,
            release=self.release,
            nudges=self.nudges,
            deliveries=self.deliveries,
            clock=self.clock,
            settings=self.settings,
            watch=self.watch,
            on_end=self.ended.append,
        )

    def update(
        self, client: str, total: int = 3, job: str = JOB, *, caller: Caller = OPERATOR, **more: Any
    ) -> UpdateAnswer:
        self.clock.advance(0.001)
        sent = {"jobId": job, "clientId": client, "totalClients": total, **more}
        return self.orchestrator.update(Update.model_validate(sent), caller)

    def all_report(self, total: int = 3, job: str = JOB, **more: Any) -> None:
        for number in range(1, total + 1):
            self.update(f"c{number}", total, job, **more)

    def status(self, job: str = JOB, caller: Caller = OPERATOR) -> dict[str, Any]:
        return self.orchestrator.status(job, caller)

    def look_after(self, job: str = JOB) -> Job:
        """The job after it was looked after."""
        self.driver.look_after(Nudge(job=job))
        return self.job(job)

    def sweep(self) -> list[str]:
        """The jobs that are to be looked after."""
        self.nudges.sent.clear()
        self.driver.look_after(Nudge(about="sweep"))
        return self.nudged()

    def nudged(self) -> list[str]:
        return [Nudge.model_validate_json(body).job for body, _ in self.nudges.sent]

    def delivered(self) -> list[str]:
        return [Nudge.model_validate_json(body).job for body, _ in self.deliveries.sent]

    def standing(self, job: str = JOB) -> Standing:
        found = self.ledger.look(job)
        assert found is not None
        return found

    def job(self, job: str = JOB) -> Job:
        return self.standing(job).job

    def outbox(self) -> list[str]:
        return [name for name, _ in self.stored.list(OUTBOX)]


def outbox_rows(job: str, moment: datetime) -> list[Create]:
    return [Create(Place(OUTBOX, f"{job}#{channel}"), {"schema": 1}) for channel in ("api", "file")]
