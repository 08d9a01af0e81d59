"""The calibrator while what it works with is away, and while what comes to it is wrong."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quintet.calibration.messages import Session
from quintet.kernel.ids import new_id
from tests import brokers
from tests.calibration.old_clients import july, labelled, predictions
from tests.calibrators import until
from tests.gates import Gate, gate_before
from tests.integration.calibration_scene import (
    FILES,
    Scene,
    evaluated,
    inputs_of,
    queues_of,
    registered,
    scene_at,
    sent,
    some_batches,
)
from tests.integration.calibration_servers import artifacts, metric, the_run

LEASE = {"CALIBRATION_LEASE_SECONDS": "5"}


@pytest.fixture
def scene(broker: brokers.TestBroker, aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_at(broker.address, aws_endpoint, tmp_path_factory.mktemp("scene"), **LEASE) as made:
        yield made


@pytest.fixture
def gate(aws_endpoint: str) -> Iterator[Gate]:
    with gate_before(aws_endpoint) as made:
        yield made


AtOnce = Callable[[Callable[[int], Any]], list[Any]]


@pytest.fixture
def at_once() -> AtOnce:
    """Calls a function of 0…11 in twelve threads that start together."""

    def race(do: Callable[[int], Any]) -> list[Any]:
        with ThreadPoolExecutor(12) as threads:
            return list(threads.map(do, range(12)))

    return race


class TestServersThatAreAway:
    def test_a_broker_that_is_killed_and_comes_back(
        self, mortal_broker: brokers.TestBroker, aws_endpoint: str, tmp_path: Path
    ) -> None:
        clients, found = ["ana", "ben"], some_batches(20)
        inputs, outputs = sent(found)
        (tmp_path / "scene").mkdir()
        with scene_at(mortal_broker.address, aws_endpoint, tmp_path / "scene", **LEASE) as scene:
            worker = scene.workers.start(CLIENT_TIMEOUT_SECONDS="15")
            for client in clients:
                scene.declare(*queues_of(client))
                scene.register(worker, client)
                scene.publish(queues_of(client)[0], *inputs[:15])
                scene.publish(queues_of(client)[1], *outputs[:7])
            mortal_broker.kill()
            mortal_broker.restart()
            for client in clients:
                scene.publish(queues_of(client)[0], *inputs[15:])
                scene.publish(queues_of(client)[1], *outputs[7:])
            for client in clients:
                assert scene.ended(client).state == "COMPLETED"
                assert scene.result(client) == evaluated(found)
                scene.await_empty(*queues_of(client))

    @pytest.mark.parametrize("silently", [False, True])
    def test_a_store_that_is_away_for_a_while(self, scene: Scene, gate: Gate, silently: bool) -> None:
        """Longer than a client may be silent: nobody is, while what comes can't be stored."""
        found = some_batches(16)
        worker = scene.workers.start(
            AWS_ENDPOINT_URL=gate.url, CLIENT_TIMEOUT_SECONDS="4", CALIBRATION_LEASE_SECONDS="600"
        )
        scene.declare(*queues_of("ana"))
        scene.register(worker, "ana")
        gate.shut(silently=silently)
        scene.send("ana", found)
        time.sleep(8)
        gate.open()
        ended = scene.ended("ana")
        assert (ended.state, ended.reason) == ("COMPLETED", "")
        assert scene.result("ana") == evaluated(found)
        assert silently or "commit failed" in scene.workers.log(worker)
        scene.await_empty(*queues_of("ana"))

    def test_nothing_is_acknowledged_before_it_is_stored(self, scene: Scene, gate: Gate) -> None:
        found = some_batches(4)
        worker = scene.workers.start(AWS_ENDPOINT_URL=gate.url)
        scene.declare(*queues_of("ana"))
        scene.register(worker, "ana")
        gate.shut()
        scene.send("ana", found)
        scene.await_empty(*queues_of("ana"))
        until(lambda: "commit failed" in scene.workers.log(worker))
        scene.workers.kill(worker)
        until(lambda: scene.left(*queues_of("ana")) == 2 * len(found))
        scene.workers.start()
        scene.ended("ana")
        assert scene.result("ana") == evaluated(found)

    def test_a_ledger_that_is_away_for_longer_than_a_lease(self, scene: Scene, gate: Gate) -> None:
        """Another has the sessions then, and this worker serves on under a new name."""
        found = some_batches(12)
        first = scene.workers.start(AWS_ENDPOINT_URL=gate.url, CALIBRATION_LEASE_SECONDS="3")
        scene.declare(*queues_of("ana"))
        scene.register(first, "ana")
        inputs, outputs = sent(found)
        scene.publish(queues_of("ana")[0], *inputs)
        gate.shut()
        scene.workers.start(CALIBRATION_LEASE_SECONDS="3")
        until(lambda: scene.session("ana").fence > 1)
        gate.open()
        scene.publish(queues_of("ana")[1], *outputs)
        assert scene.ended("ana").state == "COMPLETED"
        assert scene.result("ana") == evaluated(found)
        scene.declare(*queues_of("ben"))
        scene.await_registered(first, "ben")

    def test_mlflow_that_never_answers_holds_nothing_up(self, scene: Scene, mlflow: str) -> None:
        found, client = some_batches(12), f"patient-{new_id()}"
        with gate_before(mlflow) as gate:
            gate.shut(silently=True)
            where = {"MLFLOW_TRACKING_URI": gate.url}
            first = scene.workers.start(**where)
            scene.send(client, found)
            scene.register(first, client)
            ended = scene.ended(client, left=["tracking"])
            assert (ended.state, ended.tasks) == ("COMPLETED", ("tracking",))
            assert scene.result(client) == evaluated(found)
            assert all(scene.file(client, name) for name in FILES)
            scene.workers.kill(first)
            scene.workers.start(**where)
            gate.open()
            assert scene.ended(client).tasks == ()
        run = the_run(mlflow, f"Calibration Experiment for MNIST - Client {client}")
        assert run["info"]["status"] == "FINISHED"
        assert sorted(metric(mlflow, run, "batch/accuracy")) == list(range(12))
        assert {"report.pdf", "result.json", "batches"} <= artifacts(mlflow, run)


POISON: dict[str, tuple[int, list[bytes], str]] = {
    "garbage": (0, [b"\xff\xff\xff\xff"], "inputs queue"),
    "garbage-out": (1, [b"\xff\xff\xff\xff"], "outputs queue"),
    "logits": (1, [predictions([[3.5, -1.0, 7.25, 0.5]], 0)], "softmax"),
    "more-classes": (1, [predictions([[0.5, 0.5]], 0), predictions([[0.2, 0.3, 0.5]], 1)], "classes"),
    "endless": (0, [labelled(inputs_of(index, 1), [0], index) for index in range(60)], "batch index 50"),
    "copies": (0, [july(inputs_of(0, 1), 0)] * 60, "said nothing new"),
    "another-shape": (0, [labelled([[1.0, 2.0, 3.0]], [0], 0)], "(2, 2)"),
    "too-large": (0, [labelled([[0.0] * 300_000], [0], 0)], "larger than this service takes"),
}


class TestPoison:
    def test_it_ends_its_own_session_with_the_reason_and_no_other(self, scene: Scene) -> None:
        worker = scene.workers.start(
            CALIBRATION_BATCH_LIMIT="50",
            CALIBRATION_REPEAT_LIMIT="50",
            CALIBRATION_MESSAGE_LIMIT_MB="1",
            CALIBRATION_QUEUE_PATIENCE_SECONDS="2",
            CLIENT_TIMEOUT_SECONDS="600",
        )
        healthy = {f"healthy-{number}": some_batches(10, seed=number) for number in range(3)}
        for client in [*healthy, *POISON, "deleted"]:
            scene.declare(*queues_of(client))
            scene.register(worker, client, "formats")
        scene.register(worker, "nowhere", "formats")
        for client, found in healthy.items():
            scene.publish(queues_of(client)[0], *sent(found)[0])
        for client, (side, bodies, _) in POISON.items():
            scene.publish(queues_of(client)[side], *bodies)
            if client == "more-classes":
                scene.publish(queues_of(client)[0], *[labelled(inputs_of(index, 1), [0], index) for index in (0, 1)])
        with scene._channel() as channel:
            channel.queue_delete(queues_of("deleted")[0])
        for client, found in healthy.items():
            scene.publish(queues_of(client)[1], *sent(found)[1])
        reasons = {
            **{client: said for client, (_, _, said) in POISON.items()},
            "deleted": queues_of("deleted")[0],
            "nowhere": "does not exist",
        }
        for client, said in reasons.items():
            ended = scene.ended(client)
            assert (client, ended.state) == (client, "FAILED")
            assert said in ended.reason
        for client, found in healthy.items():
            assert scene.ended(client).state == "COMPLETED"
            assert scene.result(client) == evaluated(found)
        for client in ("garbage", "garbage-out", "logits", "another-shape"):
            (kept,) = scene.keys(f"calibration/aside/{client}/")
            assert scene.objects.get(kept)[0] == POISON[client][1][0]
            scene.await_empty(*queues_of(client))
        assert scene.workers.stop(worker) == 0


class TestLimits:
    def test_a_client_that_falls_silent_is_ended_and_what_is_missing_is_named(self, scene: Scene) -> None:
        worker, found = scene.workers.start(CLIENT_TIMEOUT_SECONDS="2"), some_batches(10)
        scene.declare(*queues_of("ana"))
        scene.register(worker, "ana")
        inputs, outputs = sent(found)
        scene.publish(queues_of("ana")[0], *inputs)
        scene.publish(queues_of("ana")[1], *outputs[:3], *outputs[4:])
        ended = scene.ended("ana")
        assert ended.state == "TIMED_OUT"
        assert "outputs 3" in ended.reason
        assert scene.ledger.current("ana") is None
        assert all(scene.file("ana", name) for name in FILES)

    def test_no_more_clients_than_its_bound_even_when_they_come_at_once(self, scene: Scene, at_once: AtOnce) -> None:
        worker = scene.workers.start(UPPER_BOUND_CLIENTS="3")
        answers = at_once(lambda number: registered(worker, f"client-{number}"))
        assert sorted(answer.status for answer in answers) == ["ERROR"] * 9 + ["OK"] * 3
        assert all("serves 3 clients" in answer.message for answer in answers if answer.status == "ERROR")

    def test_a_client_may_come_again_at_once_at_another_worker_with_the_same(self, scene: Scene) -> None:
        first, second, found = scene.workers.start(), scene.workers.start(), some_batches(8)
        for worker in (first, second, first, second):
            scene.declare(*queues_of("ana"))
            scene.await_registered(worker, "ana")
            scene.send("ana", found)
            scene.ended("ana")
        assert [session.state for session in done(scene, "ana")] == ["COMPLETED"] * 4
        assert scene.result("ana") == evaluated(found)


def done(scene: Scene, client: str) -> list[Session]:
    return [session for session in scene.ledger.sessions_of(client, limit=10) if session.ended]


class TestWithoutABroker:
    def test_messages_are_objects(self, aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        found = some_batches(6)
        with scene_at(None, aws_endpoint, tmp_path_factory.mktemp("no-broker"), **LEASE) as scene:
            first = scene.workers.start()
            scene.register(first, "a/b")
            inputs, outputs = sent(found)
            for number, body in enumerate(inputs):
                scene.objects.put(f"calibration/streams/a%2Fb/inputs/{number:04d}", body)
            until(lambda: not scene.keys("calibration/streams/a%2Fb/inputs/"))
            scene.workers.kill(first)
            scene.workers.start()
            for number, body in enumerate(outputs[::-1]):
                scene.objects.put(f"calibration/streams/a%2Fb/outputs/{number:04d}", body)
            assert scene.ended("a/b").state == "COMPLETED"
            assert scene.result("a/b") == evaluated(found)
            until(lambda: not scene.keys("calibration/streams/"))
