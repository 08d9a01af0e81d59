"""A trace that can be told from any other goes through every door, whole and broken: nothing of it is in what is
logged, answered as an error, or put on a queue.
"""

import json
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryCache, MemoryDoneMessages, MemoryObjects, MemoryQueue, MemoryRecords
from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.deferral import Deferrals, DeferredRequest, perform
from quintet.entry.queues import on_queue
from quintet.entry.uploads import Uploads
from quintet.glucose.grpc import glucose_server
from quintet.glucose.http import app
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from quintet.glucose.ports import Forecaster
from quintet.glucose.wiring import GlucoseRoom, glucose
from quintet.kernel.errors import ModelUnavailable

pytestmark = pytest.mark.enable_socket

READINGS = 240
BEGIN = datetime(2019, 3, 7, 4, 17, 23)
TIMES = [BEGIN + timedelta(minutes=5) * place for place in range(READINGS)]
VALUES = [f"{140 + place % 37}.{1001 + 14 * place}" for place in range(READINGS)]
"""mg/dL, with so many decimals that none is met by chance."""

PICTURES = ("application/json", "image/svg+xml", "image/png")


def export(values: list[str] | None = None, times: list[str] | None = None) -> bytes:
    rows = zip(times or [f"{time:%Y-%m-%dT%H:%M:%S}" for time in TIMES], values or VALUES, strict=True)
    return "\n".join(["datetime,glucose", *map(",".join, rows), ""]).encode()


def changed(texts: list[str], change: Callable[[str], str]) -> list[str]:
    """The same but for one in the middle."""
    return [change(text) if place == len(texts) // 2 else text for place, text in enumerate(texts)]


WHOLE = export()
ISO_TIMES = [f"{time:%Y-%m-%dT%H:%M:%S}" for time in TIMES]
BROKEN = {
    "a value that is none": export(changed(VALUES, lambda text: f"{text}x")),
    "a value beyond all range": export(changed(VALUES, lambda text: f"{text[:3]}{text}")),
    "a negative value": export(changed(VALUES, lambda text: f"-{text}")),
    "a time that is none": export(times=changed(ISO_TIMES, lambda text: f"{text}:99")),
    "a quote that is not closed": export(changed(VALUES, lambda text: f'"{text}')),
    "a cell too many": export(changed(VALUES, lambda text: f"{text},{text}")),
    "too short": b"\n".join(WHOLE.split(b"\n")[:50]),
    "no header": WHOLE.split(b"\n", 1)[1],
    "another header": WHOLE.replace(b"glucose", b"sugar"),
    "in UTF-16": WHOLE.decode().encode("utf-16"),
    "with bytes that are no text": WHOLE + b"\xff\xfe\x00" + WHOLE,
    "as JSON": json.dumps(
        [{"date": time, "sgv": value} for time, value in zip(ISO_TIMES, VALUES, strict=True)]
    ).encode(),
}


def needles() -> set[str]:
    """What is looked for: values, days, moments, and pieces of base64 in each alignment, once and twice encoded."""
    moments = {str(int(time.replace(tzinfo=UTC).timestamp())) for time in TIMES}
    days = {time.strftime(form) for time in (TIMES[0], TIMES[-1]) for form in DAYS}
    once = {piece for content in (WHOLE, *BROKEN.values()) for piece in pieces(content)}
    twice = {piece for shift in range(3) for piece in pieces(b64encode(b" " * shift + WHOLE))}
    return {value[:6] for value in VALUES} | moments | days | once | twice


DAYS = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "datetime(%Y, ")


def pieces(content: bytes) -> Iterator[str]:
    for shift in range(3):
        encoded = b64encode(b" " * shift + content).decode()
        for place in range(40, len(encoded) - 60, 200):
            yield encoded[place : place + 20]


NEEDLES = needles()


def found(text: str) -> list[str]:
    return sorted(needle for needle in NEEDLES if needle in text)


@pytest.mark.parametrize("shift", range(3))
def test_it_would_be_found(shift: int) -> None:
    again = b64encode(b"{" * shift + b64encode(WHOLE)).decode()
    for text in (
        WHOLE.decode(),
        b64encode(b"x" * shift + WHOLE).decode(),
        again,
        f"near {VALUES[7]} mg/dL",
        repr(TIMES),
    ):
        assert found(text)
    assert not found(json.dumps(list(range(10_000))))


class Talkative(PersistenceForecaster):
    """Fails, and says of what."""

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        try:
            raise ValueError(f"cannot convert {readings[0].tolist()}")
        except ValueError as error:
            raise RuntimeError(f"{VALUES[3]} at {TIMES[3]:%Y-%m-%d}") from error


class Missing(PersistenceForecaster):
    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        raise ModelUnavailable("There is no model.", seen=readings.shape)


@dataclass
class Heard:
    """What was answered where something was wrong."""

    errors: list[str] = field(default_factory=list)

    def rest(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.status_code >= 400:
            self.errors.append(answer.text + str(answer.headers))
        elif answer.headers.get("content-type") == "application/json":
            said = answer.json()
            self.errors += [str(said.get("error")), json.dumps(said.get("warnings", {}))]
        return answer

    def grpc(self, call: Callable[[Any], Any], request: Any, **more: Any) -> None:
        try:
            answer = call(request, **more)
        except grpc.RpcError as error:
            self.errors.append(f"{error.details()} {error.trailing_metadata()}")
        else:
            self.errors += [getattr(answer, "error", ""), str(getattr(answer, "warnings", ""))]


class Lambda:
    """A context with time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@dataclass
class Queues:
    jobs: MemoryQueue = field(default_factory=MemoryQueue)
    dead: MemoryQueue = field(default_factory=MemoryQueue)

    @property
    def text(self) -> str:
        return json.dumps([self.jobs.sent, self.dead.sent])


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture(params=[PersistenceForecaster, Talkative, Missing])
def room(
    request: pytest.FixtureRequest, queues: Queues, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> GlucoseRoom:
    """Every store in memory, everything logged."""
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("GRPC_PORT", "0")
    monkeypatch.setattr(logging, "raiseExceptions", False)  # a log made in another test writes to a stream that is gone
    for name in ("", "glucose-api", "glucose-grpc", "glucose-queue"):
        caplog.set_level(logging.DEBUG, logger=name)
    room = glucose()
    forecaster: Forecaster = request.param()
    room.model = forecaster
    room.bucket, room.objects = "bucket", MemoryObjects()
    room.shared = MemoryCache(room.clock)
    room.uploads = Uploads(room.objects, 10_000_000, room.clock)
    room.dead_letters = queues.dead
    room.done_messages = MemoryDoneMessages()
    queue = ClaimCheckQueue(queues.jobs, room.objects, room.bucket)
    room.jobs = room.deferrals = Deferrals("glucose", MemoryRecords(room.clock), room.objects, queue, room.clock)
    return room


@pytest.fixture
def heard() -> Heard:
    return Heard()


def everything_in(record: logging.LogRecord) -> str:
    raised = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    said = {name: value for name, value in vars(record).items() if name not in MOMENT}
    return f"{said} {record.getMessage()} {raised}"


MOMENT = {"created", "msecs", "relativeCreated", "process", "thread"}
THE_CALLERS_OWN = {"httpx2"}


@pytest.fixture
def nothing_is_told(
    heard: Heard, queues: Queues, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    yield
    logged = [everything_in(record) for record in caplog.get_records("call") if record.name not in THE_CALLERS_OWN]
    printed = capfd.readouterr()
    assert len(logged) > 10
    for text in (*logged, printed.out, printed.err, *heard.errors, queues.text):
        assert not found(text), text[:2000]


@pytest.fixture
def client(room: GlucoseRoom) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def bodies() -> Iterator[dict[str, Any]]:
    for content in (WHOLE, *BROKEN.values()):
        yield {"csv_base64": b64encode(content).decode()}
    text = b64encode(WHOLE).decode()
    yield {"csv_base64": WHOLE.decode()}
    yield {"csv_base64": f"{text[:-9]}!"}
    yield {"csv_base64": [text]}
    yield {"csv_base64": text, "unit": VALUES[0]}
    yield {"csv_base64": text, "force_calculate": VALUES[0]}
    yield {text: VALUES[0]}


@pytest.mark.usefixtures("nothing_is_told")
def test_nothing_of_it_by_rest(client: TestClient, heard: Heard) -> None:
    for path in ("/process_unified", "/quick_plot", "/forecast"):
        for body in bodies():
            heard.rest(client.post(path, json=body))
        heard.rest(client.post(path, content=json.dumps({"csv_base64": WHOLE.decode()})[:-5]))
        for accept in PICTURES:
            heard.rest(client.post(path, json=next(bodies()), headers={"Accept": accept}))
    for content in (WHOLE, *BROKEN.values()):
        heard.rest(client.post("/convert_to_unified", files={"file": (f"{VALUES[0]}.csv", content)}))
    heard.rest(
        client.post("/convert_to_unified", content=WHOLE, headers={"Content-Type": "multipart/form-data; boundary=x"})
    )
    handles = [
        client.post("/process_unified", json=next(bodies())).json().get("handle") or "f" * 64,
        VALUES[0],
        WHOLE.decode(),
    ]
    for handle in handles:
        for index in (0, -1, -1000, VALUES[1], TIMES[1].isoformat()):
            heard.rest(client.post("/draw_a_plot", json={"handle": handle, "index": index}))
        for action in ("info", "save", "load", "delete", "flush", VALUES[2]):
            heard.rest(client.post("/cache_management", params={"action": action, "handle": handle}))
    heard.rest(client.get("/health"))
    heard.rest(client.get(f"/{VALUES[0]}", params={"at": TIMES[0].isoformat()}))
    heard.rest(client.post("/quick_plot", headers={"X-Upload-Key": VALUES[0]}))


@pytest.mark.usefixtures("nothing_is_told")
def test_nothing_of_it_by_upload(client: TestClient, room: GlucoseRoom, heard: Heard) -> None:
    for content in (WHOLE, *BROKEN.values()):
        announced = client.post("/uploads", json={"size": len(content)}).json()
        room.objects.put(announced["upload_key"], content, content_type="text/csv")
        for path in ("/convert_to_unified", "/quick_plot"):
            heard.rest(client.post(path, headers={"X-Upload-Key": announced["upload_key"]}))


@pytest.mark.usefixtures("nothing_is_told")
def test_nothing_of_it_by_grpc(room: GlucoseRoom, heard: Heard) -> None:
    server = glucose_server(room)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = GlucosePredictionStub(channel)
        for content in (WHOLE, *BROKEN.values()):
            text = b64encode(content).decode()
            heard.grpc(stub.ConvertToUnified, pb.ConvertToUnifiedRequest(file_content=content))
            heard.grpc(stub.ProcessUnified, pb.ProcessUnifiedRequest(csv_base64=text))
            heard.grpc(stub.QuickPlot, pb.QuickPlotRequest(csv_base64=text, force_calculate=True))
        heard.grpc(stub.QuickPlot, pb.QuickPlotRequest(csv_base64=WHOLE.decode()))
        heard.grpc(stub.QuickPlot, pb.QuickPlotRequest(csv_base64=text), metadata=[("x-glucose-unit", VALUES[0])])
        for handle in (VALUES[0] * 2, WHOLE.decode(), "f" * 64):
            heard.grpc(stub.DrawPlot, pb.PlotRequest(handle=handle, index=-3))
            for action in ("info", "delete", VALUES[0]):
                heard.grpc(stub.ManageCache, pb.CacheManagementRequest(action=action, handle=handle))
        raw = channel.unary_unary("/glurpc.GlucosePrediction/QuickPlot", bytes, bytes)
        heard.grpc(raw, WHOLE)
        heard.grpc(stub.CheckHealth, pb.HealthRequest())
    server.stop(5)


@pytest.mark.usefixtures("nothing_is_told")
def test_nothing_of_it_by_queue(client: TestClient, room: GlucoseRoom, queues: Queues, heard: Heard) -> None:
    for path in ("/process_unified", "/quick_plot", "/forecast"):
        for body in bodies():
            heard.rest(client.post(path, json=body, headers={"Prefer": "respond-async"}))
    files = {"file": (f"{VALUES[0]}.csv", WHOLE)}
    heard.rest(client.post("/convert_to_unified", files=files, headers={"Prefer": "respond-async"}))
    taken = len(queues.jobs.sent)
    for key in [key for key, _, _ in room.objects.list("claims/", 3)]:
        room.objects.delete(key)
    handle = on_queue(DeferredRequest, deps=lambda: room)(lambda request, _: perform(request, room.jobs, app))
    for position in range(taken):
        handle(queues.jobs.as_event(position), Lambda())
    assert len(queues.dead.sent) == 3
    for message, _ in queues.jobs.sent:
        job = json.loads(message)["job_id"]
        heard.rest(client.get(f"/jobs/{job}"))
        heard.rest(client.get(f"/jobs/{job}/result"))


@pytest.mark.usefixtures("nothing_is_told")
def test_nothing_of_it_where_a_store_is_away(
    client: TestClient, room: GlucoseRoom, queues: Queues, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.shared, "away", True)
    queues.jobs.away = True
    for path in ("/process_unified", "/quick_plot"):
        for body in bodies():
            heard.rest(client.post(path, json=body))
        heard.rest(client.post(path, json=next(bodies()), headers={"Prefer": "respond-async"}))
    heard.rest(client.post("/cache_management", params={"action": "delete", "handle": "f" * 64}))
    heard.rest(client.get("/health"))
