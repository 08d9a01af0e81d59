"""The training room as deployed: a broker, functions, tasks as processes, MLflow; and what dies among them."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import rabbitmq_debian
from infra.local.broker import Broker
from infra.local.cloud import ROOT, Cloud
from infra.local.endpoints import Endpoints
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from infra.local.stack import Aws
from quintet.training.jobs import LEASE
from tests.brokers import TestBroker
from tests.clouds import LocalCloud
from tests.integration.backend import PATIENCE, Backend, dataset, picture, task_of, training


@pytest.fixture(scope="module")
def aws(cloud: Endpoints) -> Aws:
    return Aws(str(cloud.aws))


@pytest.fixture(scope="module")
def backend(cloud: Endpoints, aws: Aws) -> Iterator[Backend]:
    if cloud.rabbitmq is None:
        assert os.environ.get("CI") != "true", "CI must have a RabbitMQ"
        pytest.skip("no RabbitMQ: see infra/local/rabbitmq.py")
    made = Backend(cloud.rabbitmq, aws, str(cloud.bucket))
    made.upload("datasets/digits/", dataset())
    yield made
    made.close()


@pytest.fixture(scope="module")
def api(cloud: Endpoints) -> Iterator[httpx.Client]:
    """Without a key: through the open door of one machine everybody is the backend."""
    with httpx.Client(base_url=str(cloud.rooms["training"].http), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def model(backend: Backend) -> str:
    """The weights of a training that has ended."""
    backend.train("a-model")
    return str(backend.outcome("a-model")["model_path"])


def test_the_documents_request_is_started_told_of_each_epoch_and_completed(backend: Backend, cloud: Endpoints) -> None:
    backend.train("document")
    told = backend.until("document", "training_completed")
    assert [one.type for one in told] == ["training_started", *["epoch_update"] * 4, "training_completed"]
    assert [one.queue for one in told] == [*["train_update_q"] * 5, "train_result_q"]
    assert [one.body["progress"] for one in told] == [0.0, 25.0, 50.0, 75.0, 100.0, 100.0]
    done = told[-1].body
    assert done["model_path"] == "models/document/digits.pt"
    assert done["final_metrics"]["training_epochs"] == 4
    for name in ("digits.pt", "digits.onnx", "digits.onnx.json", "last.pt", "results.csv", "curves.png"):
        assert backend.has(f"models/document/{name}"), name
    assert run_of(str(cloud.mlflow), "document") == ("FINISHED", [1, 2, 3, 4])


def run_of(mlflow: str, job_id: str) -> tuple[str, list[int]]:
    """Status of the job's run in MLflow, and the steps of its loss."""
    experiments = post(mlflow, "experiments/search", max_results=100)["experiments"]
    ids = [one["experiment_id"] for one in experiments]
    runs = post(mlflow, "runs/search", experiment_ids=ids, max_results=500).get("runs", [])
    mine = [run for run in runs if any(job_id in tag["value"] for tag in run["data"].get("tags", []))]
    assert len(mine) == 1, [run["data"].get("tags") for run in runs]
    query = {"run_id": mine[0]["info"]["run_id"], "metric_key": "train_loss"}
    history = httpx.get(f"{mlflow}/api/2.0/mlflow/metrics/get-history", params=query, timeout=30).json()
    return mine[0]["info"]["status"], sorted(int(one["step"]) for one in history["metrics"])


def post(mlflow: str, path: str, **body: Any) -> dict[str, Any]:
    answer = httpx.post(f"{mlflow}/api/2.0/mlflow/{path}", json=body, timeout=30)
    return dict(answer.raise_for_status().json())


def test_the_same_request_five_times_is_one_job(backend: Backend) -> None:
    for _ in range(5):
        backend.train("five-times")
    backend.outcome("five-times")
    told = {one.message_id: one.type for one in backend.told["five-times"]}
    assert sorted(told.values()) == sorted(["training_started", *["epoch_update"] * 4, "training_completed"])


def test_a_request_that_comes_again_after_its_end_is_told_the_same_again(backend: Backend, model: str) -> None:
    before = backend.outcome("a-model")
    backend.told["a-model"].clear()
    backend.train("a-model")
    assert backend.outcome("a-model") == before
    assert backend.epochs("a-model") == []


def test_weights_become_onnx_and_onnx_finds_boxes(backend: Backend, model: str) -> None:
    options = {"imgsz": 32, "opset": 17}
    backend.send("convert", {"job_id": "c1", "model_path": model, "target_format": "onnx", "options": options})
    converted = backend.outcome("c1")
    assert converted["output_path"] == "models/a-model/converted/digits.onnx"
    assert converted["model_info"]["parity"]["ok"]
    backend.upload("images/", {"one.png": picture(1, side=32)})
    request = {"job_id": "i1", "image_path": "images/one.png", "model_path": converted["output_path"]}
    backend.send("inference", request)
    found = backend.outcome("i1")
    assert found["total_detections"] == len(found["annotations"]) == 1
    assert (found["annotations"][0]["class_name"], found["annotations"][0]["x_center"]) == ("a", 0.5)
    both = {one.queue for one in backend.told["i1"] if one.type == "inference_completed"}
    assert both <= {"inference_result_q", "train_update_q"}


def test_weights_without_onnx_are_converted_for_a_detection_that_names_them(backend: Backend, model: str) -> None:
    s3 = backend.aws.client("s3")
    copy = {"Bucket": backend.bucket, "Key": model}
    s3.copy_object(Bucket=backend.bucket, Key="models/bare/digits.pt", CopySource=copy)
    backend.upload("images/", {"two.png": picture(2)})
    backend.send("inference", {"job_id": "i2", "image_path": "images/two.png", "model_path": "models/bare/digits.pt"})
    assert backend.outcome("i2")["type"] == "inference_completed"
    assert backend.has("models/bare/digits.onnx")


def test_the_same_by_http(backend: Backend, api: httpx.Client) -> None:
    answer = api.post("/api/v1/train", json=training("by-http", epochs=2))
    assert answer.status_code == 200, answer.text
    assert api.post("/api/v1/train", json=training("by-http", epochs=2)).status_code == 409
    state = followed(api, "by-http")
    assert (state["status"], state["current_epoch"]) == ("completed", 2)
    assert any(job["job_id"] == "by-http" for job in api.get("/api/v1/jobs").json()["jobs"])


def followed(api: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job's state once it has ended, by long poll."""
    deadline = time.monotonic() + PATIENCE
    seen = -1
    while time.monotonic() < deadline:
        answer = api.get(f"/api/v1/train/{job_id}", params={"wait": 20, "after": max(seen, 0)})
        state = dict(answer.raise_for_status().json())
        if state["status"] in ("completed", "failed", "cancelled"):
            return state
        seen = state["current_epoch"]
    raise AssertionError(f"{job_id} did not end: {state}")


def test_a_cancelled_job_stops(backend: Backend, api: httpx.Client) -> None:
    backend.train("cancelled", epochs=500, script_seconds=1)
    backend.until("cancelled", "epoch_update")
    task = task_of("broker#cancelled")
    answer = api.delete("/api/v1/train/cancelled")
    assert answer.status_code == 200, answer.text
    assert backend.outcome("cancelled")["type"] == "training_cancelled"
    task.wait(timeout=60)


def test_a_trainer_that_is_killed_in_its_second_epoch_goes_on(backend: Backend) -> None:
    backend.train("killed", script_seconds=4)
    backend.until("killed", "epoch_update")
    time.sleep(1)
    task_of("broker#killed").send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    while not working_on("broker#killed") and time.monotonic() - killed_at < PATIENCE:
        time.sleep(0.2)
    assert time.monotonic() - killed_at < LEASE.total_seconds(), "ECS's event was not believed, the lease ran out"
    done = backend.outcome("killed")
    assert (done["type"], done["final_metrics"]["training_epochs"]) == ("training_completed", 4)
    assert backend.epochs("killed") == [1, 2, 3, 4]
    assert [one.type for one in backend.told["killed"]].count("training_started") == 1


def test_a_task_that_is_asked_to_go_leaves_a_checkpoint_and_another_goes_on(backend: Backend) -> None:
    backend.train("asked-to-go", script_seconds=3)
    backend.until("asked-to-go", "epoch_update")
    first = task_of("broker#asked-to-go")
    first.send_signal(signal.SIGTERM)
    first.wait(timeout=100)
    done = backend.outcome("asked-to-go")
    assert (done["type"], backend.epochs("asked-to-go")) == ("training_completed", [1, 2, 3, 4])


@pytest.fixture
def broker(backend: Backend, collection: LocalCloud) -> Iterator[TestBroker]:
    """The collection's own, to be killed; it runs again for whoever comes next, whatever came of the test."""
    place = Cloud(Folder(collection.folder), Ports(Progress(), always_free=True), Progress(), ROOT / "template.yaml")
    if rabbitmq_debian.NAME not in place.processes.records():
        pytest.skip("this broker may not be killed: it is not one of Debian's package, started by the tests")
    own = TestBroker(place, Broker(backend.url, ""))
    yield own
    own.restart()


def test_a_broker_that_is_killed_and_restarted_loses_no_update(backend: Backend, broker: TestBroker) -> None:
    backend.train("no-broker", epochs=8, script_seconds=2)
    backend.until("no-broker", "epoch_update")
    broker.kill()
    time.sleep(5)
    broker.restart()
    assert backend.outcome("no-broker")["type"] == "training_completed"
    assert backend.epochs("no-broker") == list(range(1, 9))


def test_a_function_killed_after_the_ledger_write_loses_nothing(
    backend: Backend, aws: Aws, collection: LocalCloud
) -> None:
    """Its first message to another function is its end; the sweep then finds the job."""
    function = aws.client("lambda").get_function_configuration(FunctionName="quintet-local-training-train")
    dummy = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    program = (
        "import os, signal, json, sys\n"
        "from quintet.adapters.sqs import SqsQueue\n"
        "SqsQueue.send = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from quintet.training.messages import Order\n"
        "from quintet.training.wiring import training\n"
        "training().take('train', Order.model_validate_json(sys.argv[1]))\n"
    )
    environment = {**function["Environment"]["Variables"], **dummy, "AWS_DEFAULT_REGION": "us-east-1",
                   "AWS_ENDPOINT_URL": aws.endpoint, "PATH": os.environ["PATH"],
                   "PYTHONPATH": str(ROOT / "layers/shared")}  # fmt: skip
    order = json.dumps(training("orphan"))
    died = subprocess.run([sys.executable, "-c", program, order], env=environment, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert backend.outcome("orphan")["type"] == "training_completed"


def working_on(job: str) -> bool:
    try:
        return task_of(job).is_running()
    except LookupError:
        return False


def test_a_trainer_that_is_killed_again_and_again_fails_the_job_with_the_reason(backend: Backend) -> None:
    backend.train("doomed", script_seconds=60)
    for _ in range(3):
        deadline = time.monotonic() + PATIENCE
        while not working_on("broker#doomed"):
            assert time.monotonic() < deadline
            backend.listen()
        time.sleep(2)
        task_of("broker#doomed").send_signal(signal.SIGKILL)
        time.sleep(1)
    told = backend.outcome("doomed")
    assert told["type"] == "training_failed"
    assert "137" in told["error_message"]


FAILURES = [
    ("unknown-model", {"model": "resnet50"}, "resnet50"),
    ("cuda-memory", {"script_fails_in": 3, "script_failure": "cuda"}, "CUDA out of memory"),
    ("disk-full", {"script_fails_in": 2, "script_failure": "disk"}, "No space left on device"),
]


@pytest.mark.parametrize(("job_id", "hyperparams", "reason"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_training_that_fails_says_why(
    backend: Backend, job_id: str, hyperparams: dict[str, Any], reason: str
) -> None:
    backend.train(job_id, **hyperparams)
    told = backend.outcome(job_id)
    done = hyperparams.get("script_fails_in", 1) - 1
    assert (told["type"], told["status"], told["current_epoch"]) == ("training_failed", "failed", done)
    assert reason in told["error_message"]
    assert told["partial_metrics"] == ({"last_loss": 3.0 / done, "last_mAP50": 1 - 1 / (done + 1)} if done else {})


SPOILED = {
    "label-class": ({"labels/train/1.txt": b"7 0.5 0.5 0.1 0.1\n"}, "labels/train/1.txt"),
    "label-range": ({"labels/train/0.txt": b"0 1.5 0.5 0.1 0.1\n"}, "labels/train/0.txt"),
    "corrupt-image": ({"images/train/1.png": picture(1)[:60]}, "images/train/1.png"),
    "no-yaml": ({"data.yaml": b""}, "data.yaml"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_dataset_that_is_spoiled_is_told_of_by_file(backend: Backend, name: str) -> None:
    files, named = SPOILED[name]
    backend.upload(f"datasets/{name}/", dataset(spoil=files))
    backend.train(name, prefix=f"datasets/{name}/")
    told = backend.outcome(name)
    assert (told["type"], told["current_epoch"]) == ("training_failed", 0)
    assert named in told["error_message"]


@pytest.mark.parametrize(
    ("job_id", "prefix", "reason"),
    [
        ("no-dataset", "datasets/nowhere/", "datasets/nowhere/"),
        ("anothers", "datasets/key-0123456789abcdef/blood/", "not among the folders"),
        ("the-houses", "checkpoints/broker/x/", "not among the folders"),
    ],
)
def test_a_dataset_that_is_not_there_or_not_the_callers(
    backend: Backend, job_id: str, prefix: str, reason: str
) -> None:
    backend.train(job_id, prefix=prefix)
    told = backend.outcome(job_id)
    assert told["type"] == "training_failed"
    assert reason in told["error_message"]


POISON = {"cut": b"{", "nameless": b'{"dataset": {}}', "bytes": b"\xff\xfe", "list": b"[]"}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_poison_goes_to_dead_letters_with_the_reason(backend: Backend, aws: Aws, poison: bytes) -> None:
    sqs = aws.client("sqs")
    grave = sqs.get_queue_url(QueueName="local-training-train-dead-letters")["QueueUrl"]
    backend.send("train", poison)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for got in sqs.receive_message(QueueUrl=grave, WaitTimeSeconds=2, MessageAttributeNames=["All"]).get(
            "Messages", []
        ):
            sqs.delete_message(QueueUrl=grave, ReceiptHandle=got["ReceiptHandle"])
            said = {name: value["StringValue"] for name, value in got["MessageAttributes"].items()}
            body = b64decode(got["Body"]) if said.get("encoding") == "base64" else got["Body"].encode()
            if body == poison:
                assert said["reason"]
                return
    raise AssertionError("no dead letter came")


def test_an_image_that_is_none_fails_the_detection(backend: Backend, model: str) -> None:
    backend.upload("images/", {"none.png": b"no image at all"})
    request = {"job_id": "i3", "image_path": "images/none.png", "model_path": model}
    backend.send("inference", request)
    told = backend.outcome("i3")
    assert told["type"] == "inference_failed"
    assert told["error_message"]


def test_a_format_that_cannot_be_made_says_what_can(backend: Backend, model: str) -> None:
    backend.send("convert", {"job_id": "c2", "model_path": model, "target_format": "tflite"})
    told = backend.outcome("c2")
    assert told["type"] == "conversion_failed"
    assert "onnx" in told["error_message"]


def test_nothing_is_left_in_the_scratch_of_the_tasks(backend: Backend, collection: LocalCloud) -> None:
    left = [path for path in Path(collection.folder).rglob("dataset") if path.is_dir()]
    assert left == []
