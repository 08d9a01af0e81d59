"""The room's use cases over adapters in memory: nothing happens in it but what a test does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from quintet.adapters.memory import MemoryPublisher, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_tasks import MemoryTasks
from quintet.kernel.clock import SteppedClock
from quintet.training.access import Access
from quintet.training.jobs import Claim, Job, JobKey
from quintet.training.ledger import Ledger
from quintet.training.messages import Kind
from quintet.training.nudges import Nudge, Nudges
from quintet.training.outbox import Outbox
from quintet.training.settings import Defaults, QueueNames
from quintet.training.submission import Submissions
from quintet.training.tending import Tending
from quintet.training.waiting import Waiting
from quintet.training.work import Work

CALLER = "broker"
TRAIN: dict[str, Any] = {"job_id": "a", "dataset": {"s3_prefix": "datasets/x/"}, "hyperparams": {"epochs": 3}}
CONVERT: dict[str, Any] = {"job_id": "a", "model_path": "models/a.pt", "target_format": "onnx"}
DETECT: dict[str, Any] = {"job_id": "a", "image_path": "images/a.png", "model_path": "models/a.pt"}
KEY = JobKey(CALLER, "a")
PATIENCE = timedelta(minutes=15)


def for_ever(job: Job, task: str) -> Iterator[None]:
    while True:
        yield


@dataclass
class SmallRoom:
    clock: SteppedClock = field(default_factory=SteppedClock)
    to_tend: MemoryQueue = field(default_factory=MemoryQueue)
    to_publish: MemoryQueue = field(default_factory=MemoryQueue)
    to_detect: MemoryQueue = field(default_factory=MemoryQueue)
    broker: MemoryPublisher = field(default_factory=MemoryPublisher)
    tasks: MemoryTasks[Job] = field(default_factory=lambda: MemoryTasks(for_ever))
    names: QueueNames = field(default_factory=QueueNames)

    def __post_init__(self) -> None:
        self.rows = MemoryRows(self.clock)
        self.ledger = Ledger(self.rows, self.clock)
        self.nudges = Nudges(self.to_tend, self.to_publish)
        self.waiting = Waiting(self.ledger, self.to_detect, self.clock)
        access = Access({CALLER: ["datasets/", "models/", "images/"]}, "bucket")
        self.submissions = Submissions(self.ledger, access, Defaults(), self.nudges, self.clock)
        self.outbox = Outbox(self.ledger, self.broker, self.names)
        self.tending = Tending(
            self.ledger, self.tasks, self.nudges, self.waiting, self.clock, at_once=2, patience=PATIENCE
        )

    def take(self, kind: Kind, content: dict[str, Any], *, anew: bool = False) -> Job:
        return self.submissions.take(kind, content, CALLER, correlation="c", anew=anew)

    def tend(self, job_id: str = "a") -> Job:
        """The job after it was looked after."""
        key = JobKey(CALLER, job_id)
        self.tending.look_after(Nudge(job=str(key)))
        return self.ledger.read(key)

    def sweep(self) -> None:
        self.tending.look_after(Nudge(about="sweep"))

    def work(self, job: Job, holder: str = "") -> Work:
        """What the task of this attempt holds in its hands."""
        return Work(self.ledger, job.key, Claim(job.attempt, holder or job.task or "task"), self.clock)

    def training(self, job_id: str = "a") -> Work:
        """The task of a training that has just begun."""
        self.take("train", {**TRAIN, "job_id": job_id})
        work = self.work(self.tend(job_id))
        work.start_training({"model": "yolov8n"}, 3)
        return work

    def told(self, job_id: str = "a") -> list[str]:
        """The types of what lies in the outbox."""
        return [_type(one.body) for one in self.ledger.unpublished(JobKey(CALLER, job_id))]

    def nudged(self) -> tuple[list[str], list[str]]:
        """The jobs that were to be looked after, and those to be published."""
        tend, publish = ([_job(body) for body, _ in queue.sent] for queue in (self.to_tend, self.to_publish))
        return tend, publish


def _type(body: str) -> str:
    return str(json.loads(body)["type"])


def _job(body: str) -> str:
    return JobKey.parse(Nudge.model_validate_json(body).job).job_id
