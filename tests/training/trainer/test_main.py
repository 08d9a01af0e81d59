"""The trainer as it is started: by its command line and its environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from moto import mock_aws

from gpu_workers.trainer.libraries import library
from gpu_workers.trainer.main import main
from gpu_workers.trainer.settings import Task
from gpu_workers.trainer.wiring import holder
from quintet.adapters.aws import client, forget_clients
from quintet.kernel.errors import Misconfigured
from quintet.kernel.settings import read
from quintet.training import jobs
from quintet.training.jobs import JobKey
from quintet.training.wiring import TrainingRoom
from tests.training.trainer.conftest import PREFIX, picture, wanted

ROOT = Path(__file__).parents[3]
REGION: Final = "eu-central-1"
BUCKET, TABLE = "shelf", "state"
SCRIPTED = "tests.training.trainer.scripted_library:scripted"


def test_a_command_that_is_none_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert [main([]), main(["dance"]), main(["train", "convert"])] == [2, 2, 2]
    assert "usage: python main.py train|convert" in capsys.readouterr().err


def test_starting_costs_no_library_that_trains_or_records() -> None:
    heavy = ["torch", "libreyolo", "mlflow", "matplotlib", "onnx"]
    code = f"import gpu_workers.trainer.main, sys; print([name for name in {heavy} if name in sys.modules])"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "layers/shared")])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": paths}, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_the_holder_is_the_task_as_ecs_calls_it(tmp_path: Path) -> None:
    (tmp_path / "task").write_text(json.dumps({"TaskARN": "arn:aws:ecs:x:1:task/quintet/abc", "Family": "trainer"}))
    assert holder(task(metadata_uri=tmp_path.as_uri())) == "arn:aws:ecs:x:1:task/quintet/abc"


def test_a_task_whose_name_ecs_does_not_tell_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ECS_CONTAINER_METADATA_URI_V4"):
        holder(task(metadata_uri=tmp_path.as_uri()))


def test_elsewhere_the_holder_has_the_name_it_was_given_or_one_of_its_own() -> None:
    assert holder(task(arn="mine")) == "mine"
    assert holder(task()) != holder(task())


def task(**fields: str) -> Task:
    return Task(job="broker#x", attempt=1, **fields)


@pytest.mark.parametrize("name", [SCRIPTED, "nothing", "", "json:", ":x"])
def test_only_known_libraries_are_taken_away_from_home(name: str) -> None:
    with pytest.raises(Misconfigured, match="there are libreyolo, ultralytics"):
        library(name, local=False)


def test_at_home_any_library_is_taken() -> None:
    assert library(SCRIPTED, local=True).name == "scripted"


@pytest.mark.parametrize("name", ["tests.nowhere:x", "json:nowhere"])
def test_a_library_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match="is not installed here"):
        library(name, local=True)


def test_a_task_without_a_job_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="QUINTET_JOB_KEY"):
        read(Task, {})


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TrainingRoom]:
    """AWS in this process, with a job's dataset; there is no broker."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        forget_clients()
        for name, value in environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        yield TrainingRoom()
    forget_clients()


def environment(folder: Path) -> dict[str, str]:
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    names = ("train_update_q", "train_result_q", "convert_result_q")
    urls = {name: client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in names}
    return {
        "QUINTET_LOCAL": "true",
        "QUINTET_BUCKET": BUCKET,
        "QUINTET_TABLE": TABLE,
        "QUINTET_TOLD_QUEUE_URLS": json.dumps(urls),
        "DETECTOR_LIBRARY": SCRIPTED,
        "TRAINER_SCRATCH": str(folder),
    }


def test_a_task_of_the_environment_is_done_from_start_to_end(
    room: TrainingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_dataset()
    key = began(room, wanted(epochs=2))
    monkeypatch.setenv("QUINTET_JOB_KEY", str(key))
    monkeypatch.setenv("QUINTET_JOB_ATTEMPT", "1")
    assert main(["train"]) == 0
    assert [body["type"] for body in received("train_update_q")] == ["training_started", "epoch_update", "epoch_update"]
    assert [body["type"] for body in received("train_result_q")] == ["training_completed"]
    stored = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="models/")["Contents"]
    assert len(stored) == 6
    assert room.ledger.unpublished() == []


def put_dataset() -> None:
    described = b"train: images/train\nval: images/val\nnames: [disc, square]\n"
    client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}data.yaml", Body=described)
    for split in ("train", "val"):
        client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}images/{split}/0.jpg", Body=picture())


def began(room: TrainingRoom, content: dict[str, Any]) -> JobKey:
    """A job for which a task is about to be started."""
    from quintet.training import submission

    job = submission.new_job("train", content, "broker", "order-17", room.clock.now())
    room.ledger.enter(submission.accepted(job, room.submissions.checked("train", content, "broker"), room.clock.now()))
    room.ledger.amend(job.key, partial(jobs.begun, slot=0, now=room.clock.now(), patience=timedelta(minutes=5)))
    return job.key


def received(queue: str) -> list[dict[str, Any]]:
    """In the order in which they were told: a standard queue keeps none."""
    url = client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    found: list[dict[str, Any]] = []
    while messages := client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
    return sorted(found, key=lambda body: str(body["timestamp"]))
