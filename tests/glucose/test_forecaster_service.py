"""The container's program over real sockets: its deployments, clients that leave, too many of them, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from tests.clouds import ROOT
from tests.glucose.slow_service import HERE, PATIENCE, Answer, Service, by_grpc, by_rest, served, until

pytestmark = pytest.mark.enable_socket

MAIN = (str(ROOT / "gpu_workers/forecaster/main.py"),)
SOON = 1.0
"""Seconds; what is measured under load stands in the benchmark."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"REST_PORT": "0", "GRPC_PORT": "0", "BATCH_SIZE": "1", "MAX_INFERENCE_QUEUE_SIZE": "4"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def service() -> Iterator[Service]:
    with served() as service:
        yield service


@pytest.fixture
def crowded(service: Service) -> Iterator[Service]:
    """Both workers have work that does not end."""
    with closing(by_rest(service.rest_port, 100)), closing(by_rest(service.rest_port, 101)):
        service.work_begins(2)
        yield service


def test_a_rest_client_that_leaves_takes_its_work_out_of_the_queue(crowded: Service) -> None:
    with closing(by_rest(crowded.rest_port, 1)):
        until(lambda: crowded.waiting == 1)
    until(lambda: crowded.waiting == 0, SOON)
    assert crowded.busy == 2


def test_so_does_a_grpc_client(crowded: Service) -> None:
    call = by_grpc(crowded.stub, 1)
    until(lambda: crowded.waiting == 1)
    call.cancel()
    until(lambda: crowded.waiting == 0, SOON)
    assert crowded.busy == 2


def test_running_work_ends_after_the_batch_in_which_its_client_left(service: Service) -> None:
    for number, leaves in enumerate((leaves_by_rest, leaves_by_grpc)):
        before = service.forecaster.batches
        leaves(service, number)
        service.forecaster.go.set()
        until(lambda: service.busy == 0)
        assert service.forecaster.batches == before + 1
        assert service.room.inference.state().errors == 0
        service.forecaster.go.clear()


def leaves_by_rest(service: Service, number: int) -> None:
    requests = service.room.tally.requests
    with closing(by_rest(service.rest_port, number)):
        service.work_begins()
    until(lambda: service.room.tally.requests > requests, SOON)


def leaves_by_grpc(service: Service, number: int) -> None:
    requests = service.room.tally.requests
    call = by_grpc(service.stub, number)
    service.work_begins()
    call.cancel()
    until(lambda: service.room.tally.requests > requests, SOON)


def test_a_shared_computation_lives_on_for_the_client_of_the_other_door(service: Service) -> None:
    rest, remote = by_rest(service.rest_port, 1), by_grpc(service.stub, 1)
    service.work_begins()
    waiting = service.room.inference
    until(lambda: len(waiting._shared) == 1 and len(next(iter(waiting._shared.values())).waiters) == 2)  # type: ignore[attr-defined]
    rest.close()
    until(lambda: service.room.tally.errors == 1, SOON)
    service.forecaster.go.set()
    assert json.loads(remote.result().plot_json)["data"]
    assert waiting.state().runs == 1


def test_and_the_other_way_round(service: Service) -> None:
    remote, rest = by_grpc(service.stub, 1), by_rest(service.rest_port, 1)
    service.work_begins()
    waiting = service.room.inference
    until(lambda: len(waiting._shared) == 1 and len(next(iter(waiting._shared.values())).waiters) == 2)  # type: ignore[attr-defined]
    remote.cancel()
    until(lambda: service.room.tally.errors == 1, SOON)
    service.forecaster.go.set()
    assert answered(rest).json()["plot_data"]["data"]
    assert waiting.state().runs == 1


def test_who_comes_to_a_full_queue_is_sent_away_by_either_door(crowded: Service) -> None:
    queued = [by_rest(crowded.rest_port, number) for number in range(4)]
    until(lambda: crowded.waiting == 4)
    refused = answered(by_rest(crowded.rest_port, 5))
    assert (refused.status, refused.headers["retry-after"]) == (503, "30")
    call = by_grpc(crowded.stub, 5)
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(call.trailing_metadata())["retry-after"] == "30"
    assert crowded.health()["load_status"] == "full"
    assert crowded.stub.CheckHealth(pb.HealthRequest()).load_status == "full"
    crowded.forecaster.go.set()
    assert [answered(connection).status for connection in queued] == [200] * 4


def answered(connection: socket.socket) -> Answer:
    with closing(connection):
        return Answer.read(connection)


def test_health_says_how_full_the_queue_is(crowded: Service) -> None:
    words, calls = [crowded.health()["load_status"]], []
    for number in range(4):
        calls.append(by_grpc(crowded.stub, number))
        until(lambda: crowded.waiting == len(calls))
        words.append(crowded.health()["load_status"])
    assert words == ["idle", "loaded", "heavily loaded", "overloaded", "full"]
    for call in calls:
        call.cancel()
    until(lambda: crowded.waiting == 0, SOON)
    assert crowded.health()["inference_queue_capacity"] == 4


def test_people_wait_for_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_TIMEOUT_CPU", "0.1")
    with served() as service:
        assert answered(by_rest(service.rest_port, 1)).status == 504
        assert by_grpc(service.stub, 2).code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_more_requests_at_one_time_than_there_are_threads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_MAX_REQUESTS", "2")
    with served() as service:
        two = [by_rest(service.rest_port, number) for number in range(2)]
        service.work_begins(2)
        refused = answered(by_rest(service.rest_port, 3))
        assert (refused.status, refused.headers["retry-after"]) == (503, "30")
        assert service.health()["status"] == "ok"
        service.forecaster.go.set()
        assert [answered(connection).status for connection in two] == [200, 200]


def test_a_body_may_neither_be_too_large_nor_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_BODY_SECONDS", "0.2")
    monkeypatch.setenv("QUINTET_UPLOAD_LIMIT_MB", "1")
    head = "POST /quick_plot HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    with served() as service:
        for lines, body, status in (
            ("Content-Length: 3000000\r\n", b"{", 413),
            ("Transfer-Encoding: chunked\r\n", b"200000\r\n" + b" " * 0x200000 + b"\r\n0\r\n\r\n", 413),
            ("Content-Length: 30\r\n", b"{", 408),
        ):
            with socket.create_connection((HERE, service.rest_port)) as connection:
                connection.settimeout(PATIENCE)
                connection.sendall(f"{head}{lines}\r\n".encode() + body)
                assert connection.makefile("rb").readline().split()[1] == str(status).encode()


# As a process of its own


@dataclass
class Program:
    process: "subprocess.Popen[str]"
    ports: dict[str, int] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def end(self) -> int:
        """The exit code, after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> int:
        output, _ = self.process.communicate(timeout=PATIENCE)
        self.lines += [json.loads(line) for line in output.splitlines()]
        return self.process.returncode

    def until_open(self, doors: int) -> None:
        output: IO[str] = self.process.stdout  # type: ignore[assignment]
        while len(self.ports) < doors:
            line = json.loads(output.readline())
            self.lines.append(line)
            if line["message"] == "open":
                self.ports[line["door"]] = line["port"]

    def said(self, message: str) -> dict[str, Any]:
        return next(line for line in self.lines if line["message"] == message)


@contextmanager
def running(*command: str, **settings: str) -> Iterator[Program]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers/shared"), "OMP_NUM_THREADS": "1", **settings}
    output: Any = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, **output)
    with process:
        try:
            yield Program(process)
        finally:
            process.kill()


def rest_status(port: int) -> int | None:
    try:
        with socket.create_connection((HERE, port)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            return Answer.read(connection).status
    except (ConnectionRefusedError, ConnectionResetError):  # reset: nobody took it from the backlog any more
        return None


@pytest.mark.parametrize(
    ("arguments", "doors"), [((), {"rest", "grpc"}), (("--rest-only",), {"rest"}), (("--grpc-only",), {"grpc"})]
)
def test_one_program_serves_both_doors_or_either(arguments: tuple[str, ...], doors: set[str]) -> None:
    with running(*MAIN, *arguments) as program:
        program.until_open(len(doors))
        assert set(program.ports) == doors
        if "rest" in doors:
            assert answered(by_rest(program.ports["rest"], 1)).json()["forecast"]["model"]
        if "grpc" in doors:
            with grpc.insecure_channel(f"{HERE}:{program.ports['grpc']}") as channel:
                assert by_grpc(GlucosePredictionStub(channel), 1).result().plot_json
        assert program.end() == 0
    assert program.said("stopped")


def test_arguments_that_exclude_each_other_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, *MAIN, "--rest-only", "--grpc-only"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "not allowed with" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ENABLE_API_KEYS": "true"}, "add one key a line"),
        ({"HTTP_TLS_CERT_FILE": "/nowhere"}, "HTTP_TLS_KEY_FILE"),
        ({"HTTP_TLS_CERT_FILE": "/nowhere", "HTTP_TLS_KEY_FILE": "/nowhere"}, "No such file"),
        ({"MAX_INFERENCE_QUEUE_SIZE": "none"}, "MAX_INFERENCE_QUEUE_SIZE"),
        ({"SHUTDOWN_GRACE_SECONDS": "soon"}, "SHUTDOWN_GRACE_SECONDS"),
    ],
)
def test_it_refuses_to_start_with_a_clear_line(settings: Mapping[str, str], said: str) -> None:
    with running(*MAIN, **settings) as program:
        assert program.finish() == 1
    assert [line["level"] for line in program.lines] == ["ERROR"]
    assert said in program.said("not started")["reason"]


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        for variable in ("REST_PORT", "GRPC_PORT"):
            with running(*MAIN, **{variable: str(port)}) as program:
                assert program.finish() == 1
            assert str(port) in program.said("not started")["reason"]


def test_what_is_being_answered_ends_before_the_program() -> None:
    slow = ("-m", "tests.glucose.slow_service", "1.5")
    with running(*slow, BATCH_SIZE="32") as program:
        program.until_open(2)
        channel = grpc.insecure_channel(f"{HERE}:{program.ports['grpc']}")
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        rest, remote = by_rest(program.ports["rest"], 1), by_grpc(GlucosePredictionStub(channel), 2)
        stub = GlucosePredictionStub(channel)
        until(lambda: stub.CheckHealth(pb.HealthRequest()).available_priority_models == 0)
        program.process.send_signal(signal.SIGTERM)
        assert next(watching).status == health_pb2.HealthCheckResponse.NOT_SERVING
        until(lambda: rest_status(program.ports["rest"]) is None)
        assert answered(rest).status == 200
        assert remote.result().plot_json
        channel.close()
        assert program.finish() == 0
    assert program.said("stopped")


def test_what_takes_longer_than_the_grace_is_sent_away() -> None:
    slow = ("-m", "tests.glucose.slow_service", "0.2")
    begun = time.monotonic()
    with running(*slow, BATCH_SIZE="1", NUM_COPIES_PER_DEVICE="2", SHUTDOWN_GRACE_SECONDS="1") as program:
        program.until_open(2)
        with grpc.insecure_channel(f"{HERE}:{program.ports['grpc']}") as channel:
            stub = GlucosePredictionStub(channel)
            clients = [by_rest(program.ports["rest"], number) for number in range(4)]
            until(lambda: stub.CheckHealth(pb.HealthRequest()).inference_queue_size == 2)
            remote = by_grpc(stub, 5)
            until(lambda: stub.CheckHealth(pb.HealthRequest()).inference_queue_size == 3)
            program.process.send_signal(signal.SIGTERM)
            assert remote.code() is grpc.StatusCode.UNAVAILABLE
            statuses = {answered(client).status for client in clients}
        assert program.finish() == 0
    assert 503 in statuses
    assert statuses <= {200, 503}
    assert time.monotonic() - begun < PATIENCE


def test_the_log_tells_who_left_and_nothing_of_a_trace() -> None:
    slow = ("-m", "tests.glucose.slow_service", "0.4")
    with running(*slow, BATCH_SIZE="1") as program:
        program.until_open(2)
        with grpc.insecure_channel(f"{HERE}:{program.ports['grpc']}") as channel:
            stub = GlucosePredictionStub(channel)
            for number in range(2):
                with closing(by_rest(program.ports["rest"], number)):
                    until(lambda: stub.CheckHealth(pb.HealthRequest()).available_general_models == 0)
                until(lambda: stub.CheckHealth(pb.HealthRequest()).available_general_models == 1)
            remote = by_grpc(stub, 3)
            until(lambda: stub.CheckHealth(pb.HealthRequest()).available_general_models == 0)
            remote.cancel()
        assert program.end() == 0
    requests = [line for line in program.lines if line["message"] == "request"]
    statuses = [line["status"] for line in requests]
    assert statuses.count(499) == 2
    assert statuses.count("CANCELLED") == 1
    assert len({line["correlation_id"] for line in requests}) == len(requests)
    assert "csv" not in json.dumps(program.lines)


def test_rest_speaks_tls_where_it_has_a_certificate(tmp_path: Path) -> None:
    import ssl

    certificate, key = own_certificate(tmp_path)
    settings = {"HTTP_TLS_CERT_FILE": str(certificate), "HTTP_TLS_KEY_FILE": str(key)}
    with running(*MAIN, "--rest-only", **settings) as program:
        program.until_open(1)
        context = ssl.create_default_context(cafile=str(certificate))
        plain = socket.create_connection((HERE, program.ports["rest"]))
        with closing(plain), context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            assert Answer.read(connection).status == 200
        assert program.end() == 0


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for localhost, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", *kind, *files, *subject], check=True, capture_output=True)
    return certificate, key
