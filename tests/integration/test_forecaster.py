"""The forecaster as deployed: a service of ECS that serves gRPC beside the HTTP door, on the same state."""

import base64
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import httpx
import psutil
import pytest

from infra.local.demo.exports import write_dexcom
from infra.local.demo.glucose import virtual_patients
from infra.local.endpoints import Endpoints
from infra.local.processes import MARK
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from tests.clouds import LocalCloud
from tests.passthrough import passthrough

SAMPLES = next(iter(virtual_patients().values()))
EXPORT = write_dexcom(SAMPLES)
PATIENCE = 60.0  # seconds
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Client:
    """The six RPCs with a key, over one channel."""

    def __init__(self, address: str, key: str) -> None:
        self.channel = grpc.insecure_channel(address, options=LARGE)
        self.stub = GlucosePredictionStub(self.channel)
        self.key = key

    def ask(self, method: str, request: Any, **metadata: str) -> Any:
        """The answer; metadata's names are written with `_` for `-`."""
        return self.call(method, request, **metadata).result()

    def call(self, method: str, request: Any, **metadata: str) -> Any:
        given = {"x_api_key": self.key, **metadata}
        pairs = [(name.replace("_", "-"), value) for name, value in given.items() if value]
        return getattr(self.stub, method).future(request, metadata=pairs, timeout=PATIENCE, wait_for_ready=True)

    def refused(self, method: str, request: Any, **metadata: str) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            self.ask(method, request, **metadata)
        return caught.value.code()

    def processed(self, export: bytes) -> pb.ProcessUnifiedResponse:
        sent = pb.ProcessUnifiedRequest(csv_base64=base64.b64encode(export).decode())
        answer: pb.ProcessUnifiedResponse = self.ask("ProcessUnified", sent)
        return answer


@pytest.fixture(scope="module")
def address(cloud: Endpoints) -> str:
    found = cloud.rooms["glucose"].grpc
    if found is None:
        pytest.skip("no forecaster is deployed there")
    return found


@pytest.fixture(scope="module", params=["the door", "a daemon before it"])
def client(cloud: Endpoints, address: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    key = cloud.credentials["glucose"]["api_key"]
    if request.param == "the door":
        yield Client(address, key)
        return
    with passthrough(address) as before:
        yield Client(before, key)


@pytest.fixture(scope="module")
def http(cloud: Endpoints) -> Iterator[httpx.Client]:
    key = cloud.credentials["glucose"]["api_key"]
    with httpx.Client(base_url=str(cloud.rooms["glucose"].http), headers={"X-API-Key": key}, timeout=60) as client:
        yield client


def trace(days: int) -> bytes:
    """An export of its own: the patient's last so many days."""
    return write_dexcom(SAMPLES[-288 * days :])


class TestRpcs:
    def test_health(self, client: Client) -> None:
        told = client.ask("CheckHealth", pb.HealthRequest(), x_api_key="")
        assert (told.status, told.models_initialized) == ("ok", True)

    def test_convert(self, client: Client) -> None:
        answer = client.ask("ConvertToUnified", pb.ConvertToUnifiedRequest(file_content=EXPORT), x_api_key="")
        assert answer.csv_content.startswith("sequence_id,")
        assert not answer.error

    def test_a_file_that_is_no_export_is_said_in_the_answer(self, client: Client) -> None:
        answer = client.ask("ConvertToUnified", pb.ConvertToUnifiedRequest(file_content=b"\x89PNG"))
        assert answer.error
        assert not answer.csv_content

    def test_process_then_draw(self, client: Client) -> None:
        answer = client.processed(EXPORT)
        assert len(answer.handle) == 64
        assert answer.total_samples > 0
        figure = client.ask("DrawPlot", pb.PlotRequest(handle=answer.handle, index=0))
        assert len(json.loads(figure.plot_json)["data"]) == 14

    def test_quick_plot(self, client: Client) -> None:
        sent = pb.QuickPlotRequest(csv_base64=base64.b64encode(EXPORT).decode())
        answer = client.ask("QuickPlot", sent)
        assert json.loads(answer.plot_json)["layout"]["title"]["text"] == "Gluformer Prediction"
        assert not answer.error

    def test_manage_cache(self, client: Client) -> None:
        handle = client.processed(EXPORT).handle
        answer = client.ask("ManageCache", pb.CacheManagementRequest(action="info", handle=handle))
        assert answer.success
        assert answer.cache_size >= 1

    @pytest.mark.parametrize(
        ("method", "request_", "code"),
        [
            ("DrawPlot", pb.PlotRequest(handle="f" * 64), grpc.StatusCode.NOT_FOUND),
            ("DrawPlot", pb.PlotRequest(handle="f" * 64, index=1), grpc.StatusCode.INVALID_ARGUMENT),
            ("ManageCache", pb.CacheManagementRequest(action="dance"), grpc.StatusCode.INVALID_ARGUMENT),
        ],
    )
    def test_errors_are_statuses(self, client: Client, method: str, request_: Any, code: grpc.StatusCode) -> None:
        assert client.refused(method, request_) is code

    def test_a_wrong_key_is_refused(self, client: Client) -> None:
        request = pb.PlotRequest(handle="f" * 64)
        assert client.refused("DrawPlot", request, x_api_key="wrong") is grpc.StatusCode.PERMISSION_DENIED

    def test_metadata_travels_both_ways(self, client: Client) -> None:
        call = client.call("CheckHealth", pb.HealthRequest(), x_correlation_id="followed-1")
        call.result()
        assert ("x-correlation-id", "followed-1") in call.trailing_metadata()

    def test_a_client_that_goes_away_is_noticed(self, client: Client, collection: LocalCloud) -> None:
        correlation = f"gone-{uuid.uuid4().hex}"
        content = pb.ConvertToUnifiedRequest(file_content=years())
        call = client.call("ConvertToUnified", content, x_correlation_id=correlation)
        time.sleep(0.3)
        call.cancel()
        assert eventually(lambda: bool(logged(collection, correlation)))
        assert [line["status"] for line in logged(collection, correlation)] == ["CANCELLED"]


def years() -> bytes:
    """An export of so many readings that to read it takes seconds."""
    span = SAMPLES[-1].time - SAMPLES[0].time + timedelta(minutes=5)
    return write_dexcom([replace(it, time=it.time + copy * span) for copy in range(150) for it in SAMPLES])


def logged(cloud: LocalCloud, correlation: str) -> list[dict[str, Any]]:
    """What the forecaster says of finished calls with this correlation id."""
    lines = (cloud.folder / "run/logs/forecaster.log").read_text(errors="replace").splitlines()
    return [known for line in lines if correlation in line and "duration_ms" in (known := json.loads(line))]


class TestBothDoors:
    """One core behind them, one state, and for one key one caller."""

    def test_a_handle_of_http_is_drawn_over_grpc(self, http: httpx.Client, client: Client) -> None:
        body = {"csv_base64": base64.b64encode(trace(2)).decode()}
        handle = http.post("/process_unified", json=body).json()["handle"]
        drawn = client.ask("DrawPlot", pb.PlotRequest(handle=handle, index=-3)).plot_json
        assert drawn.encode() == http.post("/draw_a_plot", json={"handle": handle, "index": -3}).content

    def test_a_handle_of_grpc_is_drawn_over_http(self, http: httpx.Client, client: Client) -> None:
        handle = client.processed(trace(3)).handle
        answer = http.post("/draw_a_plot", json={"handle": handle, "index": -1})
        assert answer.status_code == 200, answer.text
        assert answer.content == client.ask("DrawPlot", pb.PlotRequest(handle=handle, index=-1)).plot_json.encode()

    def test_what_one_door_forgets_the_other_does_not_know(self, http: httpx.Client, client: Client) -> None:
        handle = client.processed(trace(4)).handle
        assert http.post("/draw_a_plot", json={"handle": handle}).status_code == 200
        forgotten = client.ask("ManageCache", pb.CacheManagementRequest(action="delete", handle=handle))
        assert forgotten.success
        assert http.post("/draw_a_plot", json={"handle": handle}).status_code == 404
        assert client.refused("DrawPlot", pb.PlotRequest(handle=handle)) is grpc.StatusCode.NOT_FOUND


class TestTheService:
    def test_a_killed_process_is_back_with_what_it_knew(self, collection: LocalCloud, cloud: Endpoints) -> None:
        client = Client(str(cloud.rooms["glucose"].grpc), cloud.credentials["glucose"]["api_key"])
        handle = client.processed(trace(2)).handle
        (before,) = forecasters(collection)
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: bool(forecasters(collection) - {before}))
        figure = client.ask("DrawPlot", pb.PlotRequest(handle=handle))
        assert json.loads(figure.plot_json)["data"]
        assert len(forecasters(collection)) == 1

    def test_its_port_is_the_one_that_is_told(self, collection: LocalCloud) -> None:
        (pid,) = forecasters(collection)
        ports = {one.laddr.port for one in psutil.Process(pid).net_connections() if one.status == psutil.CONN_LISTEN}
        assert {f"127.0.0.1:{port}" for port in ports} == {collection.endpoints.rooms["glucose"].grpc}


def forecasters(cloud: LocalCloud) -> set[int]:
    """The pids of the cloud's forecasters."""
    return {one.pid for one in psutil.process_iter() if owns(cloud, one)}


def owns(cloud: LocalCloud, process: psutil.Process) -> bool:
    try:
        named = any(part.endswith("gpu_workers/forecaster/main.py") for part in process.cmdline()[:3])
        return named and process.environ().get(MARK) == str(cloud.folder.resolve())
    except psutil.Error:
        return False


def eventually(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer
