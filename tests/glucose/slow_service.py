"""The container's program with a forecaster whose time a test decides.

In a test, `served()` has both doors open and a forecaster that is held; as a program of its own (`python -m
tests.glucose.slow_service SECONDS [--rest-only | --grpc-only]`) each batch takes so many seconds.
"""

import json
import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from gpu_workers.forecaster import main
from infra.local.demo.exports import Sample
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from quintet.glucose.wiring import QUIET_HOURS, GlucoseRoom, glucose
from quintet.kernel.clock import stopwatch

PATIENCE = 30.0
HERE = "127.0.0.1"
READINGS = 110


class Held(PersistenceForecaster):
    """Every batch waits until all are let go; the quiet hours, by which readiness is tried, do not."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.batches = 0
        self.go = threading.Event()

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.array_equal(readings, QUIET_HOURS):
            self.batches += 1
            self.begun.release()
            assert self.go.wait(PATIENCE)
        return super().predict(readings)


class Slow(PersistenceForecaster):
    """Every batch takes a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.array_equal(readings, QUIET_HOURS):
            time.sleep(self.seconds)
        return super().predict(readings)


@dataclass(frozen=True)
class Service:
    room: GlucoseRoom
    forecaster: Held
    rest_port: int
    grpc_port: int
    stub: Any

    @property
    def waiting(self) -> int:
        return self.room.inference.state().size

    @property
    def busy(self) -> int:
        return self.room.inference.state().busy

    def work_begins(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.forecaster.begun.acquire(timeout=PATIENCE)

    def health(self) -> dict[str, Any]:
        with socket.create_connection((HERE, self.rest_port)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            return Answer.read(connection).json()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, connection: socket.socket) -> "Answer":
        """Of a server that closes the connection behind it."""
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return cls(int(first.split()[1]), headers, body)

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@contextmanager
def served() -> Iterator[Service]:
    """Two forecasts at a time, one window a batch."""
    room, held = glucose(), Held()
    room.model = held
    doors = main.doors(room, rest=True, grpc=True)
    for door in doors.values():
        door.start()
    ports = {name: door.port for name, door in doors.items()}
    try:
        with grpc.insecure_channel(f"{HERE}:{ports['grpc']}") as channel:
            yield Service(room, held, ports["rest"], ports["grpc"], GlucosePredictionStub(channel))
    finally:
        held.go.set()
        for door in doors.values():
            door.stop(5)
        room.close_queues()


def trace(number: int) -> str:
    """Another trace for each number, unified CSV in base64."""
    rows = [f"{it.time.isoformat()},{it.glucose + number / 8},,,," for it in _patient()]
    text = "\n".join(["datetime,glucose,carbs,insulin_slow,insulin_fast,exercise", *rows, ""])
    return b64encode(text.encode()).decode()


def _patient() -> list[Sample]:
    return next(iter(virtual_patients().values()))[:READINGS]


def by_rest(port: int, number: int, path: str = "/quick_plot") -> socket.socket:
    """A client that has asked for a figure and reads no answer yet."""
    body = json.dumps({"csv_base64": trace(number)}).encode()
    head = [f"POST {path} HTTP/1.1", "Host: here", "Connection: close", f"Content-Length: {len(body)}"]
    connection = socket.create_connection((HERE, port))
    connection.settimeout(PATIENCE)
    connection.sendall("\r\n".join([*head, "Content-Type: application/json", "", ""]).encode() + body)
    return connection


def by_grpc(stub: Any, number: int) -> Any:
    """The same by gRPC: a future."""
    return stub.QuickPlot.future(pb.QuickPlotRequest(csv_base64=trace(number)), timeout=PATIENCE)


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for what only shows by looking."""
    deadline = stopwatch() + seconds
    while not holds():
        assert stopwatch() < deadline
        time.sleep(0.002)


if __name__ == "__main__":
    glucose().model = Slow(float(sys.argv[1]))
    raise SystemExit(main.main(sys.argv[2:]))
