"""A conversion from its request to its outcome, over a library that follows a script."""

import json
from functools import partial
from typing import Any

import pytest

from gpu_workers.trainer.conversion_job import convert_model
from gpu_workers.trainer.reins import Stop
from quintet.training import jobs
from quintet.training.jobs import JobKey
from tests.training.trainer.conftest import World

MODEL = "models/yolov8n/shapes.pt"


@pytest.fixture
def key(world: World) -> JobKey:
    return asked(world)


def asked(world: World, **content: Any) -> JobKey:
    world.objects.put(MODEL, b'{"scripted": 1}')
    return world.ask("convert", **({"job_id": "c1", "model_path": MODEL, "target_format": "onnx"} | content))


def convert(world: World, key: JobKey) -> int:
    return world.task(key).run(convert_model)


def outcome(world: World) -> dict[str, Any]:
    (body,) = world.told("convert_result_q")
    return body


def test_a_conversion_is_told_from_start_to_end(world: World, key: JobKey) -> None:
    assert convert(world, key) == 0
    assert world.types() == ["conversion_started", "conversion_completed"]
    started, completed = world.told()
    assert started["options"] == {"imgsz": 640, "batch_size": 1, "dynamic": False, "simplify": True, "opset": 17}
    assert (started["model_path"], started["target_format"]) == (MODEL, "onnx")
    assert completed["output_path"] == "models/yolov8n/converted/shapes.onnx"
    info = completed["model_info"]
    assert (info["file_name"], info["file_extension"]) == ("shapes.onnx", ".onnx")
    assert info["file_size_bytes"] == world.objects.size(completed["output_path"])
    assert info["parity"]["ok"]
    assert info["parity"]["samples"] >= 1


def test_the_manifest_lies_beside_the_model(world: World, key: JobKey) -> None:
    convert(world, key)
    body, kind = world.objects.get("models/yolov8n/converted/shapes.onnx.json")
    assert kind == "application/json"
    assert json.loads(body)["source"] == "shapes.pt"


def test_outcomes_go_to_the_update_queue_too(world: World, key: JobKey) -> None:
    convert(world, key)
    queues = [one.queue for one in world.publisher.published if "conversion_completed" in one.body]
    assert queues == ["convert_result_q", "train_update_q"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"output_dir": "models/elsewhere"}, "models/elsewhere/shapes.onnx"),
        ({"output_dir": "models/elsewhere/"}, "models/elsewhere/shapes.onnx"),
        ({"target_format": "ONNX"}, "models/yolov8n/converted/shapes.onnx"),
        ({"options": {"imgsz": 64, "dynamic": True, "precision": "fp32"}}, "models/yolov8n/converted/shapes.onnx"),
    ],
)
def test_the_model_lands_where_it_was_asked_to(world: World, content: dict[str, Any], place: str) -> None:
    assert convert(world, asked(world, **content)) == 0
    assert outcome(world)["output_path"] == place
    assert place in world.stored()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"target_format": "coreml"}, "coreml"),
        ({"model_path": "models/nowhere.pt"}, "There is no models/nowhere.pt in the bucket."),
        ({"model_path": "datasets/shapes/data.yaml"}, "name a weights file, one ending in .pt"),
        ({"model_path": "models/key-ada/own.pt"}, "is not among the folders of this caller"),
        ({"output_dir": "checkpoints/"}, "is not among the folders of this caller"),
        ({"options": {"opset": 3}}, "opset"),
    ],
)
def test_what_cannot_be_converted_fails_with_a_sentence(world: World, content: dict[str, Any], sentence: str) -> None:
    key = asked(world, **content)
    if world.job(key).ended:
        world.attempt(key, jobs.Claim(1)).has.teller.finish()
    else:
        assert convert(world, key) == 1
    assert outcome(world)["type"] == "conversion_failed"
    assert sentence in outcome(world)["error_message"]


def test_weights_that_are_none_fail(world: World) -> None:
    key = asked(world)
    world.objects.put(MODEL, b"\x80\x04 a pickle")
    assert convert(world, key) == 1
    assert "is not a weights file" in outcome(world)["error_message"]


def test_a_quiet_conversion_makes_the_sibling_and_says_nothing(world: World) -> None:
    key = asked(world, output_dir="models/yolov8n")
    world.ledger.amend(key, lambda job: jobs.Step(jobs.changed(job, quiet=True)))
    assert convert(world, key) == 0
    assert world.told() == []
    assert {"models/yolov8n/shapes.onnx", "models/yolov8n/shapes.onnx.json"} <= set(world.stored())


def test_a_cancelled_conversion_is_told_of_as_failed(world: World, key: JobKey) -> None:
    attempt = world.task(key)
    world.ledger.amend(key, partial(jobs.cancel_asked, now=world.clock.now()))
    assert attempt.run(convert_model) == 0
    assert outcome(world)["error_message"] == "cancelled"


def test_a_second_task_converts_after_the_first_had_to_go(world: World, key: JobKey) -> None:
    attempt = world.task(key)
    attempt.reins.pull(Stop.TERMINATED)
    assert attempt.run(convert_model) == 0
    assert world.job(key).status == "pending"
    assert convert(world, key) == 0
    assert world.types() == ["conversion_started", "conversion_completed"]
