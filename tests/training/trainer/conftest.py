"""A trainer's task in memory: its bucket, ledger, broker and clock, and a library that follows a script."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gpu_workers.trainer.attempt import Attempt, Provisions
from gpu_workers.trainer.runs import NoRecord, Record
from gpu_workers.trainer.telling import Teller
from gpu_workers.trainer.training_job import train
from quintet.adapters.memory import MemoryObjects, MemoryPublisher, MemoryQueue
from quintet.adapters.memory_files import MemoryFiles
from quintet.adapters.memory_rows import MemoryRows
from quintet.kernel.clock import SystemClock
from quintet.kernel.files import Files
from quintet.kernel.log import logger
from quintet.kernel.rows import Rows
from quintet.training import jobs
from quintet.training.access import Access
from quintet.training.jobs import Claim, Job, JobKey
from quintet.training.ledger import Ledger
from quintet.training.messages import ConvertRequest, Kind, TrainRequest
from quintet.training.nudges import Nudges
from quintet.training.outbox import Outbox
from quintet.training.settings import Defaults, QueueNames
from quintet.training.submission import Submissions
from quintet.training.work import Work
from tests.training.trainer.scripted_library import Scripted

BROKER = "broker"
FOLDERS = ["datasets/", "models/", "images/", "uploads/"]
PREFIX = "datasets/shapes/"
LOG = logger("training-trainer")
Body = dict[str, Any]


def picture(colour: str = "red", side: int = 16, kind: str = "JPEG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(target, kind)
    return target.getvalue()


def put_dataset(objects: MemoryObjects, prefix: str = PREFIX, *, train: int = 6, val: int = 2) -> None:
    """Two classes; the first training image has no label."""
    described = "path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: [disc, square]\n"
    objects.put(f"{prefix}data.yaml", described.encode())
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            objects.put(f"{prefix}images/{split}/{number}.jpg", picture())
            if number or split == "val":
                objects.put(f"{prefix}labels/{split}/{number}.txt", b"0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.1 0.1\n")


@dataclass
class World:
    """Everything that outlasts a task."""

    folder: Path
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    rows: Rows = field(default_factory=MemoryRows)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    library: Scripted = field(default_factory=Scripted)
    access: Access = field(default_factory=lambda: Access({BROKER: FOLDERS, "key-ada": []}))
    clock: SystemClock = field(default_factory=SystemClock)
    record: Callable[[Job], Record | NoRecord] = lambda job: NoRecord()
    lease_seconds: float = 0.02
    farewell_seconds: float = 5.0

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.rows, self.clock)

    @property
    def files(self) -> Files:
        return MemoryFiles(self.objects)

    @property
    def submissions(self) -> Submissions:
        nudges = Nudges(MemoryQueue(), MemoryQueue())
        return Submissions(self.ledger, self.access, Defaults(), nudges, self.clock)

    def ask(self, kind: Kind = "train", caller: str = BROKER, **content: Any) -> JobKey:
        """A job that waits."""
        return self.submissions.take(kind, content, caller, correlation="order-17").key

    def begin(self, key: JobKey, *, slot: int = 0) -> Job:
        """As the room does before it starts a task."""
        begun = partial(jobs.begun, slot=slot, now=self.clock.now(), patience=timedelta(minutes=15))
        return self.ledger.amend(key, begun)

    def task(self, key: JobKey, **other: Any) -> Attempt:
        """A task for the next attempt at the job."""
        job = self.begin(key)
        return self.attempt(key, Claim(job.attempt, f"task-{job.attempt}"), **other)

    def attempt(self, key: JobKey, claim: Claim, **other: Any) -> Attempt:
        teller = Teller(Outbox(self.ledger, self.publisher, QueueNames()), key, None, LOG)
        work = Work(replace(self.ledger, on_outgoing=teller.hear), key, claim, self.clock)
        has = Provisions(
            work=work,
            files=self.files,
            access=self.access,
            request=self.request,
            library=lambda: self.library,
            record=self.record,
            teller=teller,
            log=LOG,
            scratch=self.folder,
            lease_seconds=self.lease_seconds,
            farewell_seconds=self.farewell_seconds,
        )
        return Attempt(replace(has, **other))

    def request(self, job: Job) -> TrainRequest | ConvertRequest:
        asked = self.submissions.checked(job.kind, job.request, job.caller)
        assert isinstance(asked, TrainRequest | ConvertRequest)
        return asked

    def train(self, key: JobKey, **other: Any) -> int:
        return self.task(key, **other).run(train)

    def job(self, key: JobKey) -> Job:
        return self.ledger.read(key)

    def told(self, queue: str = "") -> list[Body]:
        """The messages, each once, in the order in which they were first published."""
        once = {one.message_id: one for one in reversed(self.publisher.published) if not queue or one.queue == queue}
        return [json.loads(one.body) for one in reversed(once.values())]

    def types(self) -> list[str]:
        return [body["type"] for body in self.told()]

    @property
    def outcome(self) -> Body:
        """The one result that was told."""
        (body,) = self.told("train_result_q")
        return body

    def stored(self, prefix: str = "") -> list[str]:
        return [key for key, _, _ in self.objects.list(prefix, 10_000)]

    def left_behind(self) -> list[Path]:
        return list(self.folder.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = World(scratch)
    put_dataset(made.objects)
    yield made
    assert made.left_behind() == []


def wanted(job_id: str = "abc12345", *, epochs: int = 4, **hyperparams: Any) -> dict[str, Any]:
    """The document's request, smaller."""
    return {
        "job_id": job_id,
        "dataset": {"s3_prefix": PREFIX, "name": "shapes"},
        "output": {"prefix": "models/yolov8n", "model_name": "shapes.pt"},
        "hyperparams": {"model": "yolov8n", "epochs": epochs, "batch": 2, "imgsz": 64, **hyperparams},
    }
