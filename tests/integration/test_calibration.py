"""The calibrator as a process, between a real broker and a store: what is killed and what comes wrong changes nothing."""

import io
import json
import os
import random
from collections.abc import Iterator

import httpx
import pyarrow.parquet
import pytest

from infra.local.endpoints import Endpoints
from tests import brokers
from tests.calibration.world import inputs_of as world_inputs_of
from tests.calibrators import until
from tests.integration.calibration_scene import (
    CLASSES,
    FILES,
    SHAPES,
    ConnectionsService,
    Scene,
    connections_service,
    evaluated,
    inputs_of,
    queues_of,
    registered,
    scene_at,
    sent,
    some_batches,
)

PREFIX = "Calibration Experiment for MNIST"


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest) -> str:
    """Nothing needs to be deployed there: AWS_ENDPOINT_URL may name any."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        return endpoint
    cloud: Endpoints = request.getfixturevalue("cloud")
    return str(cloud.aws)


@pytest.fixture(scope="module")
def mlflow(request: pytest.FixtureRequest) -> str:
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    cloud: Endpoints = request.getfixturevalue("cloud")
    if cloud.mlflow is None:
        pytest.skip("no MLflow: see infra/local/mlflow_server.py")
    return cloud.mlflow


@pytest.fixture
def scene(broker: brokers.TestBroker, aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_at(broker.address, aws, tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.fixture(scope="module")
def service() -> Iterator[ConnectionsService]:
    with connections_service() as made:
        yield made


class Quiet:
    """One worker that nobody disturbs, for many clients."""

    def __init__(self, scene: Scene, port: int) -> None:
        self.scene, self.port = scene, port


@pytest.fixture(scope="module")
def quiet(
    broker: brokers.TestBroker, aws: str, mlflow: str, service: ConnectionsService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Quiet]:  # fmt: skip
    settings = {"MLFLOW_TRACKING_URI": mlflow, "CONNECTIONS_SERVICE_URL": service.url}
    with scene_at(broker.address, aws, tmp_path_factory.mktemp("quiet"), **settings) as scene:
        scene.declare("calibration_service_connections_queue")
        yield Quiet(scene, scene.workers.start())


class TestUndisturbed:
    @pytest.mark.parametrize("package", ["new_client", "newClient"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_each_generation_of_clients_is_served(self, quiet: Quiet, shape: str, package: str) -> None:
        client = f"{shape} {package}".replace(" ", "-")
        inputs_queue, outputs_queue = [f"{client}.key"] * 2 if shape == "one queue" else queues_of(client)
        quiet.scene.declare(inputs_queue, outputs_queue)
        answer = registered(quiet.port, client, shape, package)
        assert (answer.status, answer.message) == ("OK", f"Successfully registered client {client}")
        found = some_batches(seed=len(client))
        for queue, bodies in zip((inputs_queue, outputs_queue), sent(found), strict=True):
            doubled = bodies + random.Random(1).sample(bodies, 7)
            random.Random(2).shuffle(doubled)
            quiet.scene.publish(queue, *doubled)
        ended = quiet.scene.ended(client, left=["tracking"])
        assert (ended.state, ended.reason) == ("COMPLETED", "")
        assert quiet.scene.result(client) == evaluated(found)
        assert all(quiet.scene.file(client, name) for name in FILES)
        until(lambda: quiet.scene.left(inputs_queue, outputs_queue) == 0)

    def test_its_run_is_in_mlflow(self, quiet: Quiet, mlflow: str) -> None:
        client, found = f"run-{os.getpid()}", some_batches(seed=3)
        quiet.scene.send(client, found)
        quiet.scene.register(quiet.port, client, "formats and model")
        session = quiet.scene.ended(client)
        run = the_run(mlflow, f"{PREFIX} - Client {client}")
        assert run["info"]["status"] == "FINISHED"
        params = {one["key"]: one["value"] for one in run["data"]["params"]}
        assert params["inputs_format"] == "(2,2)"
        assert params["calibration_batches"] == "11"
        history = json.loads(evaluated(found))["history"]
        for key in ("accuracy", "ece", "nll"):
            logged = metric(mlflow, run, f"batch/{key}")
            assert logged == {batch["index"]: pytest.approx(batch[key], rel=1e-12) for batch in history}
        assert {one["key"]: one["value"] for one in run["data"]["metrics"]}["accuracy"] == session.summary["accuracy"]
        for index, (probabilities, labels) in enumerate(found):
            table = parquet_of(mlflow, run, f"batches/{client}/batch{index}-{client}.parquet")
            assert table.column_names == ["input", "probabilities"]
            assert table.column("probabilities").to_pylist() == probabilities.tolist()
            assert table.column("input").to_pylist() == inputs_of(index, len(labels))
        assert download(mlflow, run, "report.pdf").startswith(b"%PDF")
        assert download(mlflow, run, "result.json") == evaluated(found)

    def test_one_that_was_notified_of(self, quiet: Quiet, mlflow: str, service: ConnectionsService) -> None:
        user, session_id, found = f"user-{os.getpid()}", f"session-{os.getpid()}", some_batches(seed=4)
        exchange = "new_connections_exchange"
        with quiet.scene._channel() as channel:
            channel.exchange_declare(exchange, "fanout", durable=True)
            channel.queue_bind("calibration_service_connections_queue", exchange)
        quiet.scene.send(user, found, session_id)
        told = {"user_id": user, "session_id": session_id, "email": "a@b.c", "inputs_format": "(2,2)",
                "outputs_format": f"({CLASSES},)", "model_type": "image"}  # fmt: skip
        quiet.scene.publish("", json.dumps(told).encode(), exchange=exchange)
        session = quiet.scene.ended(user)
        assert (session.id, session.state) == (session_id, "COMPLETED")
        assert quiet.scene.result(user) == evaluated(found)
        assert service.told.count((f"/sessions/{session_id}/status/completed", {"user_id": user})) == 1
        assert quiet.scene.left("calibration_service_connections_queue", *queues_of(user)) == 0
        run = the_run(mlflow, user)
        table = parquet_of(mlflow, run, "batch_00005.parquet")
        assert table.column_names == ["input", "y_pred", "y_test"]
        assert table.column("y_test").to_pylist() == found[5][1].tolist()

    def test_a_client_that_is_registered_twice_is_told_so(self, quiet: Quiet) -> None:
        quiet.scene.declare(*queues_of("twice"))
        assert registered(quiet.port, "twice").status == "OK"
        again = registered(quiet.port, "twice")
        assert (again.status, again.message) == ("ERROR", "Client twice is already registered")
        quiet.scene.send("twice", found := some_batches(3))
        quiet.scene.ended("twice", left=["tracking"])
        assert quiet.scene.result("twice") == evaluated(found)


def api(mlflow: str, path: str, **body: object) -> dict[str, object]:
    return httpx.post(f"{mlflow}/api/2.0/mlflow/{path}", json=body, timeout=30).raise_for_status().json()


def the_run(mlflow: str, experiment: str) -> dict:
    answer = httpx.get(
        f"{mlflow}/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": experiment}, timeout=30
    )
    known = answer.raise_for_status().json()["experiment"]
    runs = api(mlflow, "runs/search", experiment_ids=[known["experiment_id"]])["runs"]
    assert len(runs) == 1
    return runs[0]


def metric(mlflow: str, run: dict, key: str) -> dict[int, float]:
    """Value by step; a step that was logged twice would be seen."""
    query = {"run_id": run["info"]["run_id"], "metric_key": key}
    answer = httpx.get(f"{mlflow}/api/2.0/mlflow/metrics/get-history", params=query, timeout=30).raise_for_status()
    found = answer.json().get("metrics", [])
    assert len({one.get("step", 0) for one in found}) == len(found)
    return {int(one.get("step", 0)): one["value"] for one in found}


def download(mlflow: str, run: dict, path: str) -> bytes:
    """Through the server, as its artifacts' address says."""
    folder = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    return httpx.get(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/{folder}/{path}", timeout=30).raise_for_status().content


def parquet_of(mlflow: str, run: dict, path: str) -> pyarrow.Table:
    return pyarrow.parquet.read_table(io.BytesIO(download(mlflow, run, path)))
