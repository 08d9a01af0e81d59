"""The probe by which a container says whether its doors are open."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from gpu_workers.probe import main
from infra.local.ports import free

pytestmark = pytest.mark.enable_socket

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base has it
        """Silence."""


@pytest.fixture
def rest() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def health() -> Iterator[tuple[int, HealthServicer]]:
    """A gRPC door's port, and what it says of itself."""
    servicer = HealthServicer()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port, servicer
        server.stop(None).wait()


def test_open_doors_are_healthy(rest: int, health: tuple[int, HealthServicer]) -> None:
    port, servicer = health
    servicer.set("", SERVING)
    assert main(["--grpc", str(port)]) == 0
    assert main(["--rest", str(rest)]) == 0
    assert main(["--grpc", str(port), "--rest", str(rest)]) == 0


def test_a_door_that_does_not_serve_yet_is_not(health: tuple[int, HealthServicer]) -> None:
    port, servicer = health
    servicer.set("", NOT_SERVING)
    assert main(["--grpc", str(port)]) == 1


def test_one_closed_door_is_enough(rest: int) -> None:
    assert main(["--grpc", str(free()), "--rest", str(rest)]) == 1
    assert main(["--rest", str(free())]) == 1


def test_asked_for_no_door_it_is_not_healthy() -> None:
    assert main([]) == 1
