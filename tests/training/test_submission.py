"""Each request becomes one job, and whoever sent it hears of it."""

from functools import partial
from typing import Any

import pytest

from quintet.kernel.errors import Conflict, InvalidInput, PermissionDenied
from quintet.training import jobs
from quintet.training.jobs import JobKey
from quintet.training.messages import Kind, TrainRequest
from tests.training.small_room import CONVERT, DETECT, KEY, TRAIN, SmallRoom

REQUESTS: list[tuple[Kind, dict[str, Any]]] = [("train", TRAIN), ("convert", CONVERT), ("inference", DETECT)]


@pytest.fixture
def room() -> SmallRoom:
    return SmallRoom()


@pytest.mark.parametrize(("kind", "content"), REQUESTS)
def test_a_request_becomes_a_job(room: SmallRoom, kind: Kind, content: dict[str, Any]) -> None:
    job = room.take(kind, content)
    assert room.ledger.read(KEY) == job
    assert (job.kind, job.request, job.caller, job.correlation, job.run) == (kind, content, "broker", "c", 1)


def test_what_a_task_does_waits_to_be_looked_after(room: SmallRoom) -> None:
    assert room.take("train", TRAIN).status == "pending"
    assert room.take("convert", {**CONVERT, "job_id": "b"}).status == "pending"
    assert room.nudged() == (["a", "b"], [])


def test_a_detection_begins_at_once_and_says_so(room: SmallRoom) -> None:
    assert room.take("inference", DETECT).status == "running"
    assert room.told() == ["inference_started"]
    assert room.nudged() == ([], ["a"])


def test_what_a_request_leaves_open_are_our_defaults(room: SmallRoom) -> None:
    asked = {"job_id": "a", "dataset": {"s3_prefix": "datasets/x"}}
    request = room.submissions.checked("train", asked, "broker")
    assert isinstance(request, TrainRequest)
    settings = request.hyperparams
    assert (settings.model, settings.epochs, settings.batch, settings.imgsz) == ("yolov8n", 100, 16, 640)
    assert (request.output.prefix, request.output.model_name) == ("models/job_a", "best.pt")
    assert room.take("train", asked).total_epochs == 100
    assert room.take("train", {**TRAIN, "job_id": "b"}).total_epochs == 3


BAD: list[tuple[Kind, dict[str, Any], str, str]] = [
    ("train", {}, "dataset: Field required", "training_failed"),
    ("train", {"dataset": {"s3_prefix": "secrets/"}}, "not among the folders", "training_failed"),
    ("train", {"dataset": {"s3_prefix": "datasets/"}}, "name one within it", "training_failed"),
    ("train", {"dataset": {"s3_prefix": "datasets/../x"}}, "is not a key", "training_failed"),
    ("train", {"dataset": {"s3_prefix": "s3://other/datasets/x"}}, "not in this deployment", "training_failed"),
    ("train", {**TRAIN, "output": {"prefix": "elsewhere"}}, "not among the folders", "training_failed"),
    ("train", {**TRAIN, "hyperparams": {"model": "secrets/a.pt"}}, "not among the folders", "training_failed"),
    ("train", {**TRAIN, "hyperparams": {"pretrained": "secrets/a.pt"}}, "not among the folders", "training_failed"),
    ("train", {**TRAIN, "hyperparams": 7}, "hyperparams: ", "training_failed"),
    ("convert", {}, "model_path: Field required", "conversion_failed"),
    ("convert", {**CONVERT, "model_path": "secrets/a.pt"}, "not among the folders", "conversion_failed"),
    ("convert", {**CONVERT, "output_dir": "secrets"}, "not among the folders", "conversion_failed"),
    ("inference", {}, "image_path: Field required", "inference_failed"),
    ("inference", {**DETECT, "model_path": "secrets/a.pt"}, "not among the folders", "inference_failed"),
]


@pytest.mark.parametrize(("kind", "content", "reason", "told"), BAD)
def test_what_cannot_be_done_fails_with_its_reason(
    room: SmallRoom, kind: Kind, content: dict[str, Any], reason: str, told: str
) -> None:
    job = room.take(kind, {**content, "job_id": "a"})
    assert job.status == "failed"
    assert reason in (job.error or "")
    assert room.told() == [told]
    assert room.nudged() == ([], ["a"])
    assert [*room.ledger.active()] == []


def test_who_waits_for_an_answer_gets_the_reason(room: SmallRoom) -> None:
    with pytest.raises(InvalidInput):
        room.submissions.refuse("train", {"job_id": "a"}, "broker")
    with pytest.raises(PermissionDenied):
        room.submissions.refuse("train", {**TRAIN, "dataset": {"s3_prefix": "secrets/"}}, "broker")
    room.submissions.refuse("train", TRAIN, "broker")


@pytest.mark.parametrize("model", ["yolov8n.pt", None, "models/a.pt"])
@pytest.mark.parametrize("image", ["cat.png", "/srv/uploads/cat.png", "elsewhere/cat.png"])
def test_a_detections_image_and_the_houses_models_are_looked_for_when_they_are_read(
    room: SmallRoom, image: str, model: str | None
) -> None:
    assert room.take("inference", {"job_id": "a", "image_path": image, "model_path": model}).status == "running"


@pytest.mark.parametrize("content", [{}, {"job_id": ""}, {"job_id": 7}])
def test_without_a_job_id_nobody_could_be_told(room: SmallRoom, content: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="job_id"):
        room.take("train", content)
    assert [*room.ledger.active()] == []


@pytest.mark.parametrize(("kind", "content"), REQUESTS)
def test_a_request_that_comes_five_times_is_one_job(room: SmallRoom, kind: Kind, content: dict[str, Any]) -> None:
    first = room.take(kind, content)
    told = room.told()
    for _ in range(4):
        room.clock.advance(1)
        assert room.take(kind, dict(reversed(content.items()))) == first
    assert room.told() == told


def test_a_duplicate_makes_up_for_a_lost_nudge(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.to_tend.sent.clear()
    room.take("train", TRAIN)
    assert room.nudged() == (["a"], [])


def test_a_duplicate_of_what_has_ended_hears_the_outcome_again(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    room.ledger.amend(KEY, partial(jobs.cancelled, now=room.clock.now()))
    [outcome] = room.ledger.unpublished(KEY)
    room.ledger.published(outcome)
    room.clock.advance(3600)
    assert room.take("train", TRAIN).status == "cancelled"
    [again] = room.ledger.unpublished(KEY)
    assert (again.body, again.message_id) == (outcome.body, outcome.message_id)


def test_after_an_end_it_is_run_again_for_who_wants_it_anew(room: SmallRoom) -> None:
    first = room.training().fail("no")
    again = room.take("train", TRAIN, anew=True)
    assert (again.run, again.status, again.attempt, again.error) == (2, "pending", first.attempt, None)
    assert room.tend().attempt == 2
    with pytest.raises(Conflict, match="'a' is pending"):
        room.take("train", TRAIN, anew=True)


def test_another_request_may_have_the_name_of_one_that_has_ended(room: SmallRoom) -> None:
    room.training().fail("no")
    again = room.take("convert", CONVERT)
    assert (again.kind, again.run, again.status) == ("convert", 2, "pending")
    names = [one.message_id for one in room.ledger.unpublished(KEY)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("other", [{**TRAIN, "hyperparams": {"epochs": 4}}, {**TRAIN, "dataset": {}}])
def test_a_name_in_use_is_not_for_another_request(room: SmallRoom, other: dict[str, Any]) -> None:
    job = room.take("train", TRAIN)
    with pytest.raises(Conflict, match="give another request a job_id of its own"):
        room.take("train", other)
    assert room.ledger.read(KEY) == job


def test_of_two_that_replace_the_same_job_at_once_one_is_the_others_duplicate(
    room: SmallRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.training().fail("no")
    before = room.ledger.read(KEY)
    other = SmallRoom.take(room, "convert", CONVERT)
    reads = iter([before])
    sound = room.rows.read

    def stale_at_first(place: Any) -> dict[str, Any]:
        from quintet.training.ledger import record_of

        known = next(reads, None)
        return record_of(known) if known else sound(place)

    monkeypatch.setattr(room.rows, "read", stale_at_first)
    assert room.take("convert", CONVERT) == other


def test_callers_do_not_meet(room: SmallRoom) -> None:
    room.take("train", TRAIN)
    content = {**TRAIN, "dataset": {"s3_prefix": "datasets/ada/x"}, "output": {"prefix": "models/ada"}}
    job = room.submissions.take("train", content, "ada", correlation="c")
    assert (job.key, job.status) == (JobKey("ada", "a"), "pending")
    assert [one.job_id for one in room.ledger.jobs_of("ada", limit=5)] == ["a"]
