"""The calibration room as deployed: an outside client with gRPC and a broker, and its owner with a browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pika
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console

from infra.local.demo import calibration
from infra.local.endpoints import Endpoints
from quintet.calibration.pb.new_client_pb2 import NewClientRequest
from quintet.calibration.pb.new_client_pb2_grpc import ClientNotificationServiceStub

EXCHANGE, QUEUE = "new_connections_exchange", "calibration_service_connections_queue"


@pytest.fixture(scope="module")
def address(cloud: Endpoints) -> str:
    found = cloud.rooms["calibration"].grpc
    if found is None or cloud.bucket is None:
        pytest.skip("no calibrator is deployed there, or not on this machine")
    return found


@pytest.fixture(scope="module")
def http(cloud: Endpoints) -> Iterator[httpx.Client]:
    key = cloud.credentials["calibration"]["api_key"]
    with httpx.Client(base_url=str(cloud.rooms["calibration"].http), headers={"X-API-Key": key}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def session(cloud: Endpoints, address: str, http: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a client that has streamed all it has, in disorder; its numbers were found to be those of `evaluate`."""
    folder: Path = tmp_path_factory.mktemp("demo")
    calibration.show(cloud, folder, Console(quiet=True))
    assert {path.name for path in folder.iterdir()} == set(calibration.FILES)
    return str(http.get("/sessions").json()["sessions"][0]["session_id"])


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/pdf"])
def test_a_report_comes_as_pdf_to_whoever_asks(http: httpx.Client, session: str, accept: str) -> None:
    answer = http.get(f"/sessions/{session}/report?format=pdf", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.rstrip().endswith(b"%%EOF")


def test_what_is_of_a_session_is_its_owner_s(http: httpx.Client, session: str) -> None:
    for path in ("", "/result", "/report", "/reliability"):
        assert http.get(f"/sessions/{session}{path}").status_code == 200
        assert http.get(f"/sessions/{session}{path}", headers={"X-API-Key": "wrong"}).status_code == 403


def test_the_door_says_how_it_is(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        said = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert said.status == health_pb2.HealthCheckResponse.SERVING


def test_a_client_registers_itself_alone(address: str, cloud: Endpoints) -> None:
    key = cloud.credentials["calibration"]["api_key"]
    with grpc.insecure_channel(address) as channel:
        room = ClientNotificationServiceStub(channel)
        request = NewClientRequest(client_id="somebody-else", second="(1,8,8)", third="(10,)")
        answer = room.NotifyNewClient(request, metadata=(("x-api-key", key),), timeout=30)
    assert (answer.status, "registers the client" in answer.message) == ("ERROR", True)


def test_notifications_come_to_the_room(cloud: Endpoints, address: str) -> None:
    """What nobody can use is taken all the same, and kept aside."""
    if cloud.rabbitmq is None:
        pytest.skip("there is no broker here")
    connection = pika.BlockingConnection(pika.URLParameters(cloud.rabbitmq))
    channel = connection.channel()
    channel.basic_publish(EXCHANGE, "", b'{"user_id": 7}')
    deadline = time.monotonic() + 30
    while waiting(channel) and time.monotonic() < deadline:
        connection.sleep(0.2)
    assert waiting(channel) == 0
    connection.close()


def waiting(channel: Any) -> int:
    """Messages ready on the queue of notifications, which is there."""
    return int(channel.queue_declare(QUEUE, durable=True, passive=True).method.message_count)
