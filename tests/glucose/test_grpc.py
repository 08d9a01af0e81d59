"""The room's gRPC door: the original's six methods and status codes, over a real connection."""

import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from numpy.typing import NDArray
from starlette.testclient import TestClient

from infra.local.demo.exports import write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.glucose.grpc import SERVICE, glucose_server
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from quintet.glucose.scheduling import Scheduler
from quintet.glucose.wiring import GlucoseRoom, glucose
from tests.clouds import ROOT

pytestmark = pytest.mark.enable_socket

Code = grpc.StatusCode
KEY, ANOTHER = "a-key-of-the-clinic", "a-key-of-another"
CONTENT = write_dexcom(next(iter(virtual_patients().values())))
CSV = b64encode(CONTENT).decode()

SOON = 2.0  # seconds: the bench of the load measures what it takes


@pytest.fixture(autouse=True)
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_PORT", "0")


@contextmanager
def serving(room: GlucoseRoom) -> Iterator[Any]:
    """A stub for a server of its own, with metadata to call it with."""
    server = glucose_server(room)
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield GlucosePredictionStub(channel)
    finally:
        server.stop(5)


@pytest.fixture
def stub() -> Iterator[Any]:
    with serving(glucose()) as stub:
        yield stub


@pytest.fixture
def closed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Asks for keys."""
    (tmp_path / "keys").write_text(f"{KEY}\n{ANOTHER}\nadmin boss\n")
    monkeypatch.setenv("ENABLE_API_KEYS", "true")
    monkeypatch.setenv("GLURPC_API_KEYS_FILE", str(tmp_path / "keys"))
    with serving(glucose()) as stub:
        yield stub


def of(key: str) -> dict[str, Any]:
    return {"metadata": (("x-api-key", key),)}


def refusal(method: Any, request: Any, **given: Any) -> tuple[Code, str]:
    with pytest.raises(grpc.RpcError) as refused:
        method(request, **given)
    error: Any = refused.value
    return error.code(), error.details()


def test_an_export_becomes_unified_csv(stub: Any) -> None:
    answer = stub.ConvertToUnified(pb.ConvertToUnifiedRequest(file_content=CONTENT))
    assert answer.csv_content.startswith("sequence_id,")
    assert answer.error == ""


def test_what_can_not_be_read_is_said_in_the_answer(stub: Any) -> None:
    for answer in (
        stub.ConvertToUnified(pb.ConvertToUnifiedRequest(file_content=b"no export")),
        stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=b64encode(b"no export").decode())),
        stub.QuickPlot(pb.QuickPlotRequest(csv_base64="no base64")),
    ):
        assert answer.error
    assert stub.QuickPlot(pb.QuickPlotRequest(csv_base64="no base64")).plot_json == ""


def test_a_trace_is_processed_and_each_window_drawn(stub: Any) -> None:
    processed = stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=CSV))
    assert (len(processed.handle), processed.error) == (64, "")
    for index in (0, -1, 1 - processed.total_samples):
        drawn = stub.DrawPlot(pb.PlotRequest(handle=processed.handle, index=index))
        assert set(json.loads(drawn.plot_json)) == {"data", "layout"}
    last = stub.DrawPlot(pb.PlotRequest(handle=processed.handle))
    assert last.plot_json != stub.DrawPlot(pb.PlotRequest(handle=processed.handle, index=-1)).plot_json


def test_both_doors_give_one_answer(stub: Any, client: TestClient) -> None:
    told = stub.QuickPlot(pb.QuickPlotRequest(csv_base64=CSV))
    other = client.post("/quick_plot", json={"csv_base64": CSV}).json()
    assert json.loads(told.plot_json) == other["plot_data"]
    assert list(told.warnings.messages) == other["warnings"]["messages"]
    processed = stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=CSV))
    figure = client.post("/draw_a_plot", json={"handle": processed.handle, "index": -2}).json()
    assert json.loads(stub.DrawPlot(pb.PlotRequest(handle=processed.handle, index=-2)).plot_json) == figure


def test_the_metadata_may_ask_for_another_unit(stub: Any) -> None:
    ask = pb.QuickPlotRequest(csv_base64=CSV)
    mg_dl = json.loads(stub.QuickPlot(ask).plot_json)["layout"]["yaxis"]["title"]["text"]
    mmol_l = json.loads(stub.QuickPlot(ask, metadata=(("x-glucose-unit", "mmol/L"),)).plot_json)
    assert (mg_dl, mmol_l["layout"]["yaxis"]["title"]["text"]) == ("Glucose (mg/dL)", "Glucose (mmol/L)")
    code, said = refusal(stub.QuickPlot, ask, metadata=(("x-glucose-unit", "stones"),))
    assert (code, "mmol/L" in said, "stones" in said) == (Code.INVALID_ARGUMENT, True, False)


def test_an_unknown_handle_and_a_bad_index(stub: Any) -> None:
    handle = stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=CSV)).handle
    assert refusal(stub.DrawPlot, pb.PlotRequest(handle="0" * 64))[0] is Code.NOT_FOUND
    for index in (1, -100_000):
        assert refusal(stub.DrawPlot, pb.PlotRequest(handle=handle, index=index))[0] is Code.INVALID_ARGUMENT
    assert refusal(stub.DrawPlot, pb.PlotRequest(handle="short"))[0] is Code.INVALID_ARGUMENT
    assert refusal(stub.QuickPlot, pb.QuickPlotRequest())[0] is Code.INVALID_ARGUMENT


def test_the_cache_is_managed(stub: Any) -> None:
    handle = stub.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=CSV)).handle
    assert stub.ManageCache(pb.CacheManagementRequest(action="info")).cache_size == 1
    deleted = stub.ManageCache(pb.CacheManagementRequest(action="delete", handle=handle))
    assert (deleted.success, deleted.cache_size) == (True, 0)
    assert refusal(stub.DrawPlot, pb.PlotRequest(handle=handle))[0] is Code.NOT_FOUND
    assert refusal(stub.ManageCache, pb.CacheManagementRequest(action="delete"))[0] is Code.INVALID_ARGUMENT
    assert refusal(stub.ManageCache, pb.CacheManagementRequest(action="burn"))[0] is Code.INVALID_ARGUMENT


def test_health_counts_the_calls_of_this_door(stub: Any) -> None:
    before = stub.CheckHealth(pb.HealthRequest())
    assert (before.status, before.models_initialized, before.device) == ("ok", True, "cpu")
    refusal(stub.DrawPlot, pb.PlotRequest(handle="0" * 64))
    after = stub.CheckHealth(pb.HealthRequest())
    assert after.total_http_requests == before.total_http_requests + 2
    assert after.total_http_errors == before.total_http_errors + 1
    assert after.max_request_time_ms > 0


def test_two_methods_are_public_and_the_others_ask_for_a_key(closed: Any) -> None:
    closed.CheckHealth(pb.HealthRequest())
    closed.ConvertToUnified(pb.ConvertToUnifiedRequest(file_content=CONTENT))
    for method, request in (
        (closed.ProcessUnified, pb.ProcessUnifiedRequest(csv_base64=CSV)),
        (closed.DrawPlot, pb.PlotRequest(handle="0" * 64)),
        (closed.QuickPlot, pb.QuickPlotRequest(csv_base64=CSV)),
        (closed.ManageCache, pb.CacheManagementRequest(action="info")),
    ):
        assert refusal(method, request) == (Code.UNAUTHENTICATED, "API key required")
        assert refusal(method, request, **of("guessed")) == (Code.PERMISSION_DENIED, "Invalid API key")


def test_nobody_sees_anothers_trace(closed: Any) -> None:
    handle = closed.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=CSV), **of(KEY)).handle
    assert closed.DrawPlot(pb.PlotRequest(handle=handle), **of(KEY)).plot_json
    assert refusal(closed.DrawPlot, pb.PlotRequest(handle=handle), **of(ANOTHER))[0] is Code.NOT_FOUND
    flush = pb.CacheManagementRequest(action="flush")
    assert refusal(closed.ManageCache, flush, **of(KEY))[0] is Code.PERMISSION_DENIED
    assert closed.ManageCache(flush, **of("boss")).success


def test_reflection_describes_the_service(stub: Any) -> None:
    server = glucose_server(glucose())
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        reflected: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
        [answer] = reflected.ServerReflectionInfo(iter([ask]))
    server.stop(0)
    [described] = answer.file_descriptor_response.file_descriptor_proto
    assert described == pb.DESCRIPTOR.serialized_pb


@dataclass
class SlowForecaster(PersistenceForecaster):
    """Begins, and goes on when it is told to."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        self.begun.release()
        assert self.go_on.wait(30)
        return super().predict(readings)


@pytest.fixture
def slow() -> SlowForecaster:
    return SlowForecaster()


@pytest.fixture
def busy(slow: SlowForecaster) -> Iterator[Any]:
    """A server with one place to compute and one to wait, and a forecaster that takes its time."""
    room = glucose()
    room.inference = Scheduler("forecasts", workers=1, capacity=1)
    room.forecaster = slow
    try:
        with serving(room) as stub:
            yield stub
    finally:
        slow.go_on.set()
        room.inference.close()


def export(number: int) -> str:
    """Each another trace."""
    samples = list(virtual_patients().values())[number % len(virtual_patients())]
    return b64encode(write_dexcom(samples[number:])).decode()


def eventually(what: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def test_overload_is_resource_exhausted_with_a_time_to_come_back(busy: Any, slow: SlowForecaster) -> None:
    running = busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(0)))
    assert slow.begun.acquire(timeout=10)
    waiting = busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(1)))
    eventually(lambda: busy.CheckHealth(pb.HealthRequest()).load_status == "full")
    with pytest.raises(grpc.RpcError) as refused:
        busy.ProcessUnified(pb.ProcessUnifiedRequest(csv_base64=export(2)))
    error: Any = refused.value
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert dict(error.trailing_metadata())["retry-after"] == "30"
    slow.go_on.set()
    assert running.result(30).handle
    assert waiting.result(30).handle


def test_a_client_that_goes_away_leaves_the_queue_at_once(busy: Any, slow: SlowForecaster) -> None:
    running = busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(0)))
    assert slow.begun.acquire(timeout=10)
    waiting = busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(1)))
    queue = glucose().inference
    eventually(lambda: queue.state().size == 1)
    left = time.monotonic()
    waiting.cancel()
    eventually(lambda: queue.state().size == 0)
    assert time.monotonic() - left < SOON
    slow.go_on.set()
    assert running.result(30).handle


def test_a_computation_lives_on_while_another_client_waits_for_it(busy: Any, slow: SlowForecaster) -> None:
    request = pb.ProcessUnifiedRequest(csv_base64=export(0))
    one, another = busy.ProcessUnified.future(request), busy.ProcessUnified.future(request)
    assert slow.begun.acquire(timeout=10)
    time.sleep(0.2)
    one.cancel()
    slow.go_on.set()
    assert another.result(30).handle
    assert glucose().inference.state().runs == 1


def test_a_deadline_that_passes_takes_its_work_along(busy: Any, slow: SlowForecaster) -> None:
    busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(0)))
    running = busy.ProcessUnified.future(pb.ProcessUnifiedRequest(csv_base64=export(1)))
    assert slow.begun.acquire(timeout=10)
    code, _ = refusal(busy.ProcessUnified, pb.ProcessUnifiedRequest(csv_base64=export(1)), timeout=0.3)
    assert code is Code.DEADLINE_EXCEEDED
    slow.go_on.set()
    assert running.result(30).handle


def test_functions_carry_no_grpc() -> None:
    program = "import sys, quintet.glucose.http; print({'grpc', 'google.protobuf', 'quintet.cli'} & set(sys.modules))"
    path = {"PYTHONPATH": str(ROOT / "layers/shared"), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
