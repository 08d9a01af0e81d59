"""The calibrator as a process, between a real broker and a store: undisturbed, and killed wherever it is."""

import json
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from tests import brokers
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
from tests.integration.calibration_servers import download, metric, parquet_of, the_run

DYING = Path(__file__).with_name("dying_calibrator.py")
PREFIX = "Calibration Experiment for MNIST"
GENERATIONS = list(zip(SHAPES, cycle(["new_client", "newClient"]), strict=False))


@pytest.fixture(scope="module")
def service() -> Iterator[ConnectionsService]:
    with connections_service() as made:
        yield made


@dataclass(frozen=True)
class Pair:
    """A worker that outlives those that tests start and kill."""

    scene: Scene
    survivor: int


@pytest.fixture(scope="module")
def pair(broker: brokers.TestBroker, aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with scene_at(broker.address, aws_endpoint, folder, CALIBRATION_KEEP_INPUTS="true") as scene:
        yield Pair(scene, scene.workers.start())


class Quiet:
    """One worker that nobody disturbs, for many clients."""

    def __init__(self, scene: Scene, port: int) -> None:
        self.scene, self.port = scene, port


@pytest.fixture(scope="module")
def quiet(
    broker: brokers.TestBroker, aws_endpoint: str, mlflow: str, service: ConnectionsService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Quiet]:  # fmt: skip
    settings = {
        "MLFLOW_TRACKING_URI": mlflow,
        "CONNECTIONS_SERVICE_URL": service.url,
        "CALIBRATION_LEASE_SECONDS": "15",
    }
    with scene_at(broker.address, aws_endpoint, tmp_path_factory.mktemp("quiet"), **settings) as scene:
        scene.declare("calibration_service_connections_queue")
        yield Quiet(scene, scene.workers.start())


class TestUndisturbed:
    @pytest.mark.parametrize(("shape", "package"), GENERATIONS)
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
        quiet.scene.await_empty(inputs_queue, outputs_queue)

    def test_its_run_is_in_mlflow(self, quiet: Quiet, mlflow: str) -> None:
        client, found = f"run-{os.getpid()}", some_batches(13, seed=3)
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
        assert {one["key"]: one["value"] for one in run["data"]["metrics"]}["accuracy"] == (session.summary or {})[
            "accuracy"
        ]
        for index in (0, 7, 12):
            probabilities, labels = found[index]
            table = parquet_of(mlflow, run, f"batches/{client}/batch{index}-{client}.parquet")
            assert table.column_names == ["input", "probabilities"]
            assert table.column("probabilities").to_pylist() == probabilities.tolist()
            assert table.column("input").to_pylist() == inputs_of(index, len(labels))
        assert download(mlflow, run, "report.pdf").startswith(b"%PDF")
        assert download(mlflow, run, "result.json") == evaluated(found)

    def test_one_that_was_notified_of(self, quiet: Quiet, mlflow: str, service: ConnectionsService) -> None:
        user, session_id, found = f"user-{os.getpid()}", f"session-{os.getpid()}", some_batches(9, seed=4)
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


class TestWorkersThatDie:
    @pytest.mark.parametrize("moment", [1, 6, 11, 18, 22])
    def test_another_goes_on_from_whatever_write(self, pair: Pair, moment: int) -> None:
        """Of 22 steps or more: the registration, the journal, acknowledgements, the end, the files of it.

        Every step is died at in tests/calibration/test_calibrator.py, where nothing is a process.
        """
        client, found = f"dies-at-{moment}", some_batches(8, seed=moment)
        dying = pair.scene.workers.launch({"DIES_AT": str(moment)}, DYING)
        pair.scene.send(client, found)
        pair.scene.workers.await_serving(dying)
        pair.scene.register_somehow(dying, pair.survivor, client)
        session = pair.scene.ended(client)
        assert (session.state, session.reason) == ("COMPLETED", "")
        assert pair.scene.result(client) == evaluated(found)
        assert all(pair.scene.file(client, name) for name in FILES)
        assert pair.scene.workers.outlive(dying) == -signal.SIGKILL
        pair.scene.await_empty(*queues_of(client))

    def test_one_that_is_killed_while_it_streams(self, pair: Pair) -> None:
        client, found = "killed-midway", some_batches(30)
        pair.scene.declare(*queues_of(client))
        first = pair.scene.workers.start()
        pair.scene.register(first, client)
        inputs, outputs = sent(found)
        pair.scene.publish(queues_of(client)[0], *inputs[:20])
        pair.scene.publish(queues_of(client)[1], *outputs[9:])
        pair.scene.await_empty(*queues_of(client))
        pair.scene.workers.kill(first)
        pair.scene.publish(queues_of(client)[0], *inputs[15:])
        pair.scene.publish(queues_of(client)[1], *outputs[:12])
        assert pair.scene.ended(client).lineage[-1].worker != pair.scene.ended(client).lineage[0].worker
        assert pair.scene.result(client) == evaluated(found)

    def test_what_draws_its_reports_ends_with_it(self, pair: Pair) -> None:
        worker = pair.scene.workers.start()
        pair.scene.send("drawn", some_batches(3))
        pair.scene.register(worker, "drawn")
        pair.scene.ended("drawn")
        children = psutil.Process(pair.scene.workers.processes[worker].pid).children(recursive=True)
        assert children
        pair.scene.workers.kill(worker)
        assert psutil.wait_procs(children, timeout=30)[1] == []

    def test_one_that_sleeps_through_its_lease_harms_nothing_and_serves_on(self, pair: Pair) -> None:
        client, found = "served-by-a-sleeper", some_batches(30)
        pair.scene.declare(*queues_of(client))
        sleeper = pair.scene.workers.start(CLIENT_TIMEOUT_SECONDS="3")
        pair.scene.register(sleeper, client)
        inputs, outputs = sent(found)
        pair.scene.publish(queues_of(client)[0], *inputs[:20])
        pair.scene.publish(queues_of(client)[1], *outputs[:10])
        pair.scene.workers.signal(sleeper, signal.SIGSTOP)
        until(lambda: pair.scene.session(client).fence == 2)
        pair.scene.workers.signal(sleeper, signal.SIGCONT)
        pair.scene.publish(queues_of(client)[0], *inputs[20:])
        pair.scene.publish(queues_of(client)[1], *outputs[10:])
        assert pair.scene.ended(client).state == "COMPLETED"
        assert pair.scene.result(client) == evaluated(found)
        pair.scene.send("after-sleep", found)
        pair.scene.await_registered(sleeper, "after-sleep")
        assert pair.scene.ended("after-sleep").lineage[0].worker not in [
            one.worker for one in pair.scene.session(client).lineage
        ]
        assert pair.scene.result("after-sleep") == evaluated(found)
        assert pair.scene.workers.stop(sleeper) == 0

    def test_one_that_is_told_to_stop_hands_over_at_once(self, pair: Pair) -> None:
        client, found = "handed-over", some_batches(12)
        pair.scene.declare(*queues_of(client))
        first = pair.scene.workers.start(CALIBRATION_LEASE_SECONDS="600")
        pair.scene.register(first, client)
        inputs, outputs = sent(found)
        pair.scene.publish(queues_of(client)[0], *inputs)
        pair.scene.await_empty(*queues_of(client))
        assert pair.scene.workers.stop(first) == 0
        pair.scene.publish(queues_of(client)[1], *outputs)
        assert pair.scene.ended(client).fence == 2
        assert pair.scene.result(client) == evaluated(found)
