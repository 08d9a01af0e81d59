"""What comes in and goes out, beside the examples of the document that backends were written by."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quintet.kernel.errors import InvalidInput
from quintet.training import messages
from quintet.training.messages import Order, TrainRequest, as_text, order_of, request_of

GOLDEN = Path(__file__).parent / "golden"
MOMENT = datetime(2024, 1, 15, 10, 30, 45, 123456, tzinfo=UTC)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


METRICS = {"train_loss": 0.0234, "mAP50": 0.789, "box_loss": 0.0123, "cls_loss": 0.0089, "dfl_loss": 0.0022}
TOLD = {
    "epoch_update": (messages.epoch_update("abc12345", 15, 100, dict(reversed(METRICS.items()))), MOMENT),
    "training_completed": (
        messages.training_completed(
            "abc12345",
            model_path="uploads/models/model_19/weights/best.pt",
            metrics={"train_loss": 0.0156, "mAP50": 0.892, "box_loss": 1.0},
            epochs=100,
            seconds=3600.5,
        ),
        MOMENT.replace(hour=11),
    ),
    "training_failed": (
        messages.training_failed(
            "abc12345", epoch=23, reason="CUDA out of memory", metrics={"train_loss": 0.0234, "mAP50": 0.567}
        ),
        MOMENT.replace(minute=45, second=30),
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_is_the_documents_example_field_for_field_and_in_its_order(name: str) -> None:
    body, moment = TOLD[name]
    assert as_text(body, moment) == json.dumps(golden(name))


def test_the_documents_request_is_understood() -> None:
    request = request_of("train", golden("train_request"))
    assert isinstance(request, TrainRequest)
    assert request.model_dump(exclude_unset=True) == golden("train_request")
    assert Order.model_validate(golden("train_request")).content == golden("train_request")


def test_every_golden_file_is_looked_at() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {"train_request", *TOLD}


FIELDS = {
    "training_started": "status current_epoch total_epochs progress config",
    "training_cancelled": "status current_epoch",
    "conversion_started": "model_path target_format options",
    "conversion_completed": "output_path conversion_time model_info",
    "conversion_failed": "error_message",
    "inference_started": "image_path model_path options",
    "inference_completed": "annotations total_detections model_info",
    "inference_failed": "error_message",
}
BODIES = [
    messages.training_started("a", 3, {"model": "yolov8n"}),
    messages.training_cancelled("a", epoch=2),
    messages.conversion_started("a", model_path="m.pt", target_format="onnx", options={}),
    messages.conversion_completed("a", output_path="m.onnx", seconds=1.5, model_info={}),
    messages.conversion_failed("a", reason="no"),
    messages.inference_started("a", image_path="a.png", model_path=None, options={}),
    messages.inference_completed("a", detections={"annotations": [], "total_detections": 0, "model_info": {}}),
    messages.inference_failed("a", reason="no"),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["type"])
def test_what_the_document_leaves_out_has_the_fields_of_the_original(body: dict[str, Any]) -> None:
    told = json.loads(as_text(body, MOMENT))
    assert list(told) == ["type", "job_id", *FIELDS[body["type"]].split(), "timestamp"]
    assert told["job_id"] == "a"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_say_is_null(number: float) -> None:
    update = messages.epoch_update("a", 1, 2, {**METRICS, "train_loss": number})
    assert json.loads(as_text(update, MOMENT))["metrics"] == {**METRICS, "train_loss": None}
    assert messages.finite({"a": [(number, 1.5)]}) == {"a": [[None, 1.5]]}


def test_metrics_that_a_library_has_not_are_null_and_others_are_left_out() -> None:
    update = messages.epoch_update("a", 1, 2, {"train_loss": 1.0, "lr": 0.1})
    assert update["metrics"] == {"train_loss": 1.0, "mAP50": None, "box_loss": None, "cls_loss": None, "dfl_loss": None}


def test_failed_before_the_first_epoch_has_no_metrics() -> None:
    assert messages.training_failed("a", epoch=0, reason="no", metrics=None)["partial_metrics"] == {}


def test_text_is_ascii_and_a_moment_without_its_zone() -> None:
    text = as_text(messages.conversion_failed("日本 \uffff", reason="ü"), MOMENT)
    assert text.isascii()
    assert json.loads(text)["job_id"] == "日本 \uffff"
    assert text.endswith('"timestamp": "2024-01-15T10:30:45.123456"}')


@pytest.mark.parametrize("job_id", ["a", "a#b/c d", "ü" * 100, "x" * 200, "0"])
def test_a_job_may_be_called_almost_anything(job_id: str) -> None:
    assert order_of({"job_id": job_id}).job_id == job_id


@pytest.mark.parametrize("job_id", ["", "x" * 201, "日" * 200, "a\nb", "a\x00", 7, None, ["a"], {}])
def test_without_a_usable_job_id_there_is_no_order(job_id: Any) -> None:
    with pytest.raises(InvalidInput, match="job_id"):
        order_of({"job_id": job_id})
    with pytest.raises(InvalidInput, match="job_id"):
        order_of({})


@pytest.mark.parametrize("name", ["content", "sender", "correlation", "_attributes", "model_config", "model_extra"])
def test_a_field_of_an_order_may_be_called_anything(name: str) -> None:
    order = order_of({"job_id": "a", name: 1})
    assert order.content == {"job_id": "a", name: 1}
    assert order.sender is None


def test_an_order_knows_who_sent_it() -> None:
    attributes = {"attributes": {"user_id": "ada", "correlation_id": "17"}}
    order = Order.model_validate({"job_id": "a"}, context=attributes)
    assert (order.sender, order.correlation) == ("ada", "17")


WRONG: list[tuple[messages.Kind, dict[str, Any], str]] = [
    ("train", {}, "dataset"),
    ("train", {"dataset": {}}, "dataset.s3_prefix"),
    ("train", {"dataset": "datasets/x"}, "dataset"),
    ("train", {"dataset": {"s3_prefix": "x"}, "hyperparams": {"epochs": 0}}, "hyperparams.epochs"),
    ("train", {"dataset": {"s3_prefix": "x"}, "hyperparams": {"batch": "many"}}, "hyperparams.batch"),
    ("train", {"dataset": {"s3_prefix": "x"}, "output": {"model_name": "../best.pt"}}, "output.model_name"),
    ("train", {"dataset": {"s3_prefix": "x"}, "output": {"model_name": "best.pkl"}}, "output.model_name"),
    ("convert", {"target_format": "onnx"}, "model_path"),
    ("convert", {"model_path": "m.pt"}, "target_format"),
    ("convert", {"model_path": "m.pt", "target_format": "onnx", "options": {"opset": 30}}, "options.opset"),
    ("inference", {"model_path": "m.pt"}, "image_path"),
    ("inference", {"image_path": "a.png", "options": {"conf": 2}}, "options.conf"),
]


@pytest.mark.parametrize(("kind", "content", "field"), WRONG)
def test_a_wrong_request_is_told_which_field_it_is(kind: messages.Kind, content: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: "):
        request_of(kind, {"job_id": "a", **content})


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInput, match=r"dataset: .*; hyperparams\.epochs: "):
        request_of("train", {"job_id": "a", "hyperparams": {"epochs": -1}})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("train", {"dataset": {"s3_prefix": "x", "owner": 1}, "priority": 3, "hyperparams": {"lr0": 0.1}}),
        ("convert", {"model_path": "m.pt", "target_format": "tflite", "options": {"half": True}}),
        ("inference", {"image_path": "a.png", "model_path": None, "options": {"max": 3}}),
    ],
)
def test_what_a_backend_sends_besides_is_let_through(kind: messages.Kind, content: dict[str, Any]) -> None:
    assert request_of(kind, {"job_id": "a", **content}).job_id == "a"
