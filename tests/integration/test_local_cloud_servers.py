"""RabbitMQ and MLflow, started for real; where no broker can be had this says so, and fails in CI."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from rich.console import Console

from infra.local import mlflow_server, rabbitmq, up
from infra.local.broker import Broker
from infra.local.cloud import ROOT, Cloud
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.processes import marked
from infra.local.progress import Progress

SERVERS = ("RABBITMQ_HOST", "MLFLOW_TRACKING_URI")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name in SERVERS:
        monkeypatch.delenv(name, raising=False)
    progress = Progress(Console(quiet=True))
    return Cloud(Folder(tmp_path), Ports(progress, always_free=True), progress, workshop=ROOT / ".local")


def listening(cloud: Cloud) -> set[str]:
    return {
        connection.laddr.ip
        for process in marked(cloud.processes.mark)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_rabbitmq_speaks_amqp_on_loopback_and_goes(empty: Cloud) -> None:
    broker = rabbitmq.start(empty)
    if broker is None:
        assert os.environ.get("CI") != "true", "CI must have a RabbitMQ"
        pytest.skip("no RabbitMQ: set RABBITMQ_HOST, start a container engine or install Debian's rabbitmq-server")
    try:
        address = urlsplit(broker.amqp)
        with socket.create_connection((str(address.hostname), address.port or 5672), timeout=5) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            assert link.recv(11)[7:] == b"\x00\x0a\x00\x0a"
        assert httpx.get(f"{broker.management}/api/overview", timeout=30).status_code == 200
        assert rabbitmq.start(empty) == broker
        assert listening(empty) <= {"127.0.0.1", "::1"}
    finally:
        up.down(empty)
    assert not list(marked(empty.processes.mark))


def test_a_given_rabbitmq_is_used(empty: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_HOST", "broker.example")
    monkeypatch.setenv("RABBITMQ_USER", "a@b")
    monkeypatch.setenv("RABBITMQ_PASSWORD", "p")
    assert rabbitmq.start(empty) == Broker("amqp://a%40b:p@broker.example:5672/", "http://a%40b:p@broker.example:15672")
    assert not empty.processes.records()


def test_mlflow_keeps_its_runs_when_the_cloud_goes(empty: Cloud) -> None:
    try:
        url = mlflow_server.start(empty)
        made = httpx.post(f"{url}/api/2.0/mlflow/experiments/create", json={"name": "kept"}, timeout=30)
        assert made.status_code == 200
        assert mlflow_server.start(empty) == url
        assert listening(empty) == {"127.0.0.1"}
    finally:
        up.down(empty)
    assert (empty.folder.path / "mlflow/mlflow.db").exists()
    assert not list(marked(empty.processes.mark))
