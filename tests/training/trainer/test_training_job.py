"""A training from its request to its outcome, over a library that follows a script."""

import hashlib
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quintet.training.manifest import verified
from tests.training.trainer.conftest import World, put_dataset, wanted

METRICS = {"train_loss", "mAP50", "box_loss", "cls_loss", "dfl_loss"}


def test_a_training_is_told_from_start_to_end(world: World) -> None:
    key = world.ask(**wanted())
    assert world.train(key) == 0
    assert world.types() == ["training_started", *["epoch_update"] * 4, "training_completed"]
    updates = [body for body in world.told("train_update_q") if body["type"] == "epoch_update"]
    assert [body["current_epoch"] for body in updates] == [1, 2, 3, 4]
    assert [body["progress"] for body in updates] == [25.0, 50.0, 75.0, 100.0]
    assert all(set(body["metrics"]) == METRICS for body in updates)
    outcome = world.outcome
    assert outcome["model_path"] == "models/yolov8n/shapes.pt"
    assert outcome["final_metrics"] == {"final_mAP50": 0.8, "final_loss": 0.75, "training_epochs": 4}
    assert outcome["training_time"] > 0
    assert world.job(key).status == "completed"


def test_the_start_says_what_is_done_and_what_is_not(world: World) -> None:
    world.train(world.ask(**wanted(lr0=0.1, sparkle=3)))
    config = world.told()[0]["config"]
    assert (config["model"], config["model_used"]) == ("yolov8n", "yolov9t")
    assert (config["library"], config["library_version"], config["device"]) == ("scripted", "1.0", "cpu")
    assert (config["epochs"], config["batch"], config["imgsz"], config["seed"]) == (4, 2, 64, 0)
    assert config["ignored"] == ["sparkle"]
    assert config["dataset"]["train_images"] == 6
    assert config["dataset"]["val_images"] == 2
    assert config["dataset"]["unlabelled_images"] == 1
    assert config["dataset"]["classes"] == ["disc", "square"]


def test_hyperparameters_may_be_called_anything(world: World) -> None:
    odd: dict[str, Any] = {"name": "x", "message": 1, "args": [], "lr#": {"a": None}}
    assert world.train(world.ask(**wanted(**odd))) == 0
    assert world.told()[0]["config"]["ignored"] == ["args", "lr#", "message", "name"]


def test_all_that_a_training_leaves_is_there(world: World) -> None:
    world.train(world.ask(**wanted()))
    types = {key.rpartition("/")[2]: world.objects.get(key)[1] for key in world.stored("models/")}
    assert types == {
        "shapes.pt": "application/octet-stream",
        "last.pt": "application/octet-stream",
        "shapes.onnx": "application/octet-stream",
        "shapes.onnx.json": "application/json",
        "results.csv": "text/csv",
        "curves.png": "image/png",
    }
    model, manifest = (world.objects.get(f"models/yolov8n/shapes.onnx{suffix}")[0] for suffix in ("", ".json"))
    assert verified("models/yolov8n/shapes.onnx", model, manifest).sha256 == hashlib.sha256(model).hexdigest()
    assert json.loads(manifest)["source"] == "shapes.pt"


def test_results_are_a_row_an_epoch(world: World) -> None:
    world.train(world.ask(**wanted(epochs=2)))
    table = world.objects.get("models/yolov8n/results.csv")[0].decode().splitlines()
    assert table == [
        "epoch,train_loss,box_loss,cls_loss,dfl_loss,mAP50,mAP50_95,lr,seconds",
        "1,3,1.5,1,0.5,0.5,0.25,0.01,0.1",
        "2,1.5,0.75,0.5,0.25,0.666667,0.333333,0.005,0.1",
    ]


def test_curves_are_a_picture_with_lines(world: World) -> None:
    world.train(world.ask(**wanted()))
    with Image.open(io.BytesIO(world.objects.get("models/yolov8n/curves.png")[0])) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
        assert image.size[0] >= 800
    coloured = (pixels.max(axis=1).astype(int) - pixels.min(axis=1) > 80).sum()
    assert coloured > 500


def test_no_checkpoint_outlives_a_completed_job(world: World) -> None:
    world.train(world.ask(**wanted()))
    assert world.stored("checkpoints/") == []


def test_a_job_of_the_same_name_in_last_pt_keeps_both_weights(world: World) -> None:
    world.train(world.ask(**wanted() | {"output": {"prefix": "models/a", "model_name": "last.pt"}}))
    assert {"models/a/last.pt", "models/a/last-epoch.pt", "models/a/last.onnx"} <= set(world.stored())


@pytest.mark.parametrize("asked", [{"pretrained": "models/own.pt"}, {"model": "models/own.pt"}])
def test_given_weights_are_begun_with(world: World, asked: dict[str, Any]) -> None:
    world.objects.put("models/own.pt", b'{"scripted": 1}')
    assert world.train(world.ask(**wanted(**asked))) == 0
    assert world.told()[0]["config"]["model_used"] == "yolov9t"


def test_a_dataset_without_validation_images_lends_some(world: World) -> None:
    put_dataset(world.objects, "datasets/whole/", train=20, val=0)
    world.objects.put("datasets/whole/data.yaml", b"train: images/train\nnames: [disc, square]\n")
    world.train(world.ask(**wanted() | {"dataset": {"s3_prefix": "datasets/whole"}}))
    told = world.told()[0]["config"]["dataset"]
    assert (told["train_images"], told["val_images"]) == (18, 2)
    assert "tenth" in told["val_set_aside"]
