"""Detection as a job, over adapters in memory and a detector that sees the same in every image."""

import io
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from PIL import Image

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_detector import FixedDetector
from quintet.adapters.pillow_images import PillowImages
from quintet.kernel.errors import ModelUnavailable, NotFound, Unavailable
from quintet.training import jobs
from quintet.training.access import Access
from quintet.training.image_source import ImageSource
from quintet.training.inference import TRIED_AGAIN_AFTER, BeingConverted, Detecting
from quintet.training.jobs import Job, JobKey
from quintet.training.messages import DetectionOptions
from tests.training.small_room import CALLER, DETECT, KEY, SmallRoom

OPTIONS = DetectionOptions()


@dataclass
class Models:
    """Holds a detector for the keys that were put; `trouble` is raised instead."""

    known: set[str] = field(default_factory=set)
    trouble: Exception | None = None

    def get(self, key: str) -> FixedDetector:
        if self.trouble:
            raise self.trouble
        if key not in self.known:
            raise NotFound("no such model")
        return FixedDetector()


class Room(SmallRoom):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.objects = MemoryObjects()
        self.objects.put("images/a.png", picture())
        self.models = Models({"models/a.pt"})
        self.detecting = Detecting(
            models=self.models,
            images=PillowImages(),
            source=ImageSource(self.objects),
            objects=self.objects,
            access=Access({CALLER: ["models/", "images/"]}),
            ledger=self.ledger,
            nudges=self.nudges,
            waiting=self.waiting,
            clock=self.clock,
            default_model="yolov8n.pt",
            models_dir="models",
        )

    def perform(self) -> Job:
        self.detecting.perform(self.take("inference", DETECT))
        return self.ledger.read(KEY)

    def conversion(self) -> JobKey:
        with pytest.raises(BeingConverted) as raised:
            self.detecting.detect(CALLER, picture(), "models/new.pt", OPTIONS)
        return raised.value.conversion


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_detection_is_done_told_and_not_done_again(room: Room) -> None:
    job = room.perform()
    assert (job.status, room.told()) == ("completed", ["inference_started", "inference_completed"])
    room.models.trouble = AssertionError("asked again")
    room.detecting.perform(job)
    assert room.ledger.read(KEY) == job


@pytest.mark.parametrize("trouble", [ModelUnavailable("it was altered"), NotFound("gone")])
def test_what_no_second_try_would_mend_fails_the_job_with_the_reason(room: Room, trouble: Exception) -> None:
    room.models.trouble = trouble
    job = room.perform()
    assert (job.status, room.told()[-1]) == ("failed", "inference_failed")
    assert job.error


def test_what_may_pass_leaves_the_job_to_a_second_delivery(room: Room) -> None:
    room.models.trouble = Unavailable("the bucket is away")
    with pytest.raises(Unavailable):
        room.perform()
    room.models.trouble = None
    assert room.perform().status == "completed"


def test_weights_without_onnx_are_converted_once_and_in_silence(room: Room) -> None:
    room.objects.put("models/new.pt", b"weights")
    first = room.conversion()
    assert room.conversion() == first
    job = room.ledger.read(first)
    assert (job.kind, job.quiet, job.request["output_dir"], room.told(first.job_id)) == ("convert", True, "models", [])


def test_other_weights_are_another_conversion(room: Room) -> None:
    room.objects.put("models/new.pt", b"weights")
    first = room.conversion()
    room.objects.put("models/new.pt", b"changed")
    assert room.conversion() != first


def test_a_conversion_that_failed_is_told_at_first_and_tried_again_later(room: Room) -> None:
    room.objects.put("models/new.pt", b"weights")
    key = room.conversion()
    room.ledger.amend(key, partial(jobs.failed, reason="no disk", now=room.clock.now()))
    with pytest.raises(NotFound, match="could not be made: no disk"):
        room.detecting.detect(CALLER, picture(), "models/new.pt", OPTIONS)
    room.clock.advance((TRIED_AGAIN_AFTER + timedelta(seconds=1)).total_seconds())
    assert room.conversion() == key
    assert (room.ledger.read(key).run, room.ledger.read(key).status) == (2, "pending")


def test_a_model_that_is_nowhere_is_named(room: Room) -> None:
    with pytest.raises(NotFound, match=r"models/none\.pt"):
        room.detecting.detect(CALLER, picture(), "models/none.pt", OPTIONS)
