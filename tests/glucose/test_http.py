"""The room's routes: bodies, status codes and key rules of the original; bad input has a clear answer, never a 500."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from infra.local.demo.exports import write_dexcom, write_libre
from infra.local.demo.glucose import virtual_patients
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.entry.caller import ApiKeyGate
from quintet.glucose.pb.glurpc_pb2 import HealthResponse
from quintet.glucose.wiring import glucose

KEY, OTHER_KEY, ADMIN_KEY = "a-key-of-the-clinic", "a-key-of-the-ward", "a-key-of-the-operator"


@pytest.fixture(scope="module")
def dexcom() -> bytes:
    return write_dexcom(next(iter(virtual_patients().values())))


def convert(client: TestClient, content: bytes) -> Any:
    answer = client.post("/convert_to_unified", files={"file": ("export.csv", content, "text/csv")})
    assert answer.status_code == 200
    return answer.json()


def plot(client: TestClient, content: bytes, **headers: str) -> Any:
    return client.post("/quick_plot", json={"csv_base64": base64.b64encode(content).decode()}, headers=headers)


def test_health_has_the_originals_fields(client: TestClient) -> None:
    told = client.get("/health").json()
    assert set(told) - {field.name for field in HealthResponse.DESCRIPTOR.fields} == {"notes"}
    assert len(told) == 24
    assert (told["status"], told["models_initialized"], told["device"]) == ("ok", True, "cpu")


def test_health_counts_requests(client: TestClient) -> None:
    before = client.get("/health").json()["total_http_requests"]
    client.get("/nowhere")
    told = client.get("/health").json()
    assert told["total_http_requests"] == before + 2
    assert told["total_http_errors"] == 1


def test_health_counts_forecasts_and_only_those(client: TestClient, dexcom: bytes) -> None:
    plot(client, dexcom)
    plot(client, dexcom)  # known by now
    plot(client, b"not an export")
    told = client.get("/health").json()
    assert told["inference_requests_by_priority"] == {"0": 1}
    assert told["cache_size"] == 1
    assert told["total_inference_errors"] == 0


def test_health_counts_forecasts_that_failed(client: TestClient, dexcom: bytes, tmp_path: Path) -> None:
    glucose().model = OnnxForecaster(tmp_path / "forecaster.onnx")
    assert plot(client, dexcom).status_code == 503
    told = client.get("/health").json()
    assert (told["status"], told["total_inference_errors"], len(told["notes"])) == ("degraded", 1, 1)


@pytest.mark.parametrize("write", [write_dexcom, write_libre])
def test_a_vendors_export_becomes_unified_csv_and_a_figure(client: TestClient, write: Any) -> None:
    for samples in virtual_patients().values():
        converted = convert(client, write(samples))
        assert converted["error"] is None
        assert converted["csv_content"].startswith("sequence_id,")
        answer = plot(client, converted["csv_content"].encode()).json()
        assert answer["error"] is None
        assert len(answer["plot_data"]["data"]) == 14
        assert set(answer) == {"plot_data", "warnings", "error", "forecast"}
        assert plot(client, write(samples)).json()["plot_data"] == answer["plot_data"]


def test_the_figure_shows_the_readings_and_the_forecast_goes_on_from_there(client: TestClient, dexcom: bytes) -> None:
    answer = plot(client, dexcom).json()
    truth = next(trace for trace in answer["plot_data"]["data"] if trace.get("name") == "True Values")
    samples = next(iter(virtual_patients().values()))
    assert truth["y"] == pytest.approx([sample.glucose for sample in samples[-24:]], abs=3)
    assert truth["x"][-1] == answer["forecast"]["last_reading"]
    assert len(answer["forecast"]["times"]) == len(answer["forecast"]["median"]) == 12
    bands = answer["forecast"]["quantiles"]
    assert all(low <= high for low, high in zip(bands["0.1"], bands["0.9"], strict=True))


def test_the_same_request_has_the_same_answer(client: TestClient, dexcom: bytes) -> None:
    assert plot(client, dexcom).content == plot(client, dexcom).content


NOT_CGM = {
    "empty": b"",
    "blank": b"\r\n\r\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "a page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "json": b'{"glucose": [100, 101]}',
    "another table": b"name,age\nAda,36\n",
    "a zip": b"PK\x03\x04" + b"\x00" * 500,
    "nulls": b"\x00" * 5000,
}


@pytest.mark.parametrize("content", NOT_CGM.values(), ids=NOT_CGM)
def test_what_is_no_export_is_said(client: TestClient, content: bytes) -> None:
    converted = convert(client, content)
    assert converted["csv_content"] is None
    assert len(converted["error"]) > 20
    if content:
        answer = plot(client, content)
        assert (answer.status_code, answer.json()["plot_data"]) == (200, {})
        assert answer.json()["error"]
        assert answer.json()["warnings"]["has_warnings"] is False


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_export_is_read_as_far_as_it_goes_or_refused(
    client: TestClient, dexcom: bytes, share: float
) -> None:
    converted = convert(client, dexcom[: int(len(dexcom) * share)])
    assert (converted["csv_content"] is None) != (converted["error"] is None)
    assert plot(client, dexcom[: int(len(dexcom) * share)]).status_code == 200


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_an_export_in_another_encoding_is_read(client: TestClient, dexcom: bytes, encoding: str) -> None:
    assert convert(client, dexcom.decode("utf-8-sig").encode(encoding))["error"] is None


def test_too_few_readings_are_said(client: TestClient) -> None:
    samples = next(iter(virtual_patients().values()))[:60]
    answer = plot(client, write_dexcom(samples)).json()
    assert answer["plot_data"] == {}
    assert "540 minutes" in answer["error"]
    assert answer["forecast"] is None


@pytest.mark.parametrize("body", ["{", "[]", '{"csv_base64": ""}', '{"csv_base64": 5}', "{}", '{"csv_base64": null}'])
def test_a_wrong_body_is_a_422(client: TestClient, body: str) -> None:
    answer = client.post("/quick_plot", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("text", ["!!!", "abc", "YWJj-", "é" * 10])
def test_what_is_not_base64_is_said(client: TestClient, text: str) -> None:
    answer = client.post("/quick_plot", json={"csv_base64": text})
    assert answer.status_code == 200
    assert "base64" in answer.json()["error"] or "format" in answer.json()["error"].lower()


def test_base64_in_lines_is_read(client: TestClient, dexcom: bytes) -> None:
    answer = client.post("/quick_plot", json={"csv_base64": base64.encodebytes(dexcom).decode()})
    assert answer.json() == plot(client, dexcom).json()


def test_a_missing_file_is_a_422(client: TestClient) -> None:
    assert client.post("/convert_to_unified").status_code == 422
    assert client.post("/convert_to_unified", data={"file": "text"}).status_code == 422
    assert client.post("/convert_to_unified", json={}).status_code == 422


def test_no_answer_repeats_the_readings(client: TestClient) -> None:
    secret = "271828"
    broken = f"Timestamp (YYYY-MM-DDThh:mm:ss),Event Type\n2026-01-01,{secret}\n".encode()
    assert secret not in json.dumps(convert(client, broken))
    assert secret not in plot(client, broken).text
    wrong = client.post("/quick_plot", json={"csv_base64": [secret]})
    assert wrong.status_code == 422
    assert secret not in wrong.text


def process(client: TestClient, content: bytes, **headers: str) -> Any:
    return client.post(
        "/process_unified", json={"csv_base64": base64.b64encode(content).decode()}, headers=headers
    ).json()


def test_a_trace_is_processed_once_and_drawn_by_its_handle(client: TestClient, dexcom: bytes) -> None:
    told = process(client, dexcom)
    assert set(told) == {"handle", "total_samples", "warnings", "error"}
    figure = client.post("/draw_a_plot", json={"handle": told["handle"], "index": 0}).json()
    assert figure == plot(client, dexcom).json()["plot_data"]
    assert client.post("/draw_a_plot", json={"handle": told["handle"], "index": -3}).json() != figure


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"handle": "0" * 64}, 404),
        ({"handle": "unknown-handle"}, 404),
        ({"handle": "short"}, 422),
        ({"handle": "0" * 65}, 422),
        ({"handle": "0" * 64, "index": 1}, 422),
        ({"index": 0}, 422),
    ],
)
def test_a_figure_that_cannot_be(client: TestClient, body: dict[str, Any], status: int) -> None:
    assert client.post("/draw_a_plot", json=body).status_code == status


def test_an_index_before_the_first_window_is_a_400(client: TestClient, dexcom: bytes) -> None:
    told = process(client, dexcom)
    answer = client.post("/draw_a_plot", json={"handle": told["handle"], "index": -told["total_samples"]})
    assert answer.status_code == 400
    assert str(1 - told["total_samples"]) in answer.json()["detail"]


@pytest.mark.parametrize("route", ["/quick_plot", "/forecast"])
def test_the_answer_is_a_picture_for_whoever_asks_for_one(client: TestClient, dexcom: bytes, route: str) -> None:
    body = {"csv_base64": base64.b64encode(dexcom).decode(), "unit": "mmol/L"}
    svg = client.post(route, json=body, headers={"Accept": "image/svg+xml"})
    png = client.post(route, json=body, headers={"Accept": "image/png"})
    assert (svg.headers["content-type"][:13], png.headers["content-type"]) == ("image/svg+xml", "image/png")
    assert svg.text.startswith("<svg")
    assert "mmol/L" in svg.text
    assert png.content.startswith(b"\x89PNG")
    empty = client.post(route, json={"csv_base64": "eA=="}, headers={"Accept": "image/png"})
    assert empty.json()["error"]


def test_the_forecast_alone(client: TestClient, dexcom: bytes) -> None:
    body = {"csv_base64": base64.b64encode(dexcom).decode()}
    told = client.post("/forecast", json=body).json()
    assert told["forecast"] == plot(client, dexcom).json()["forecast"]
    assert 0 <= told["forecast"]["hypoglycaemia"]["probability"] <= 1


def test_the_cache_is_managed(client: TestClient, dexcom: bytes) -> None:
    handle = process(client, dexcom)["handle"]

    def manage(query: str) -> Any:
        return client.post(f"/cache_management?{query}")

    assert manage("action=info").json()["cache_size"] == 1
    deleted = manage(f"action=delete&handle={handle}").json()
    assert (deleted["success"], deleted["items_affected"], deleted["cache_size"]) == (True, 1, 0)
    assert manage("action=delete").status_code == 400
    assert manage("action=burn").status_code == 422
    assert manage("").status_code == 422
    assert manage("action=flush").json()["success"]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = tmp_path / "api_keys_list"
    keys.write_text(f"# the clinic\n{KEY}\n{OTHER_KEY}\nadmin {ADMIN_KEY}\n")
    monkeypatch.setenv("GLURPC_API_KEYS_FILE", str(keys))
    monkeypatch.setenv("QUINTET_LOCAL", "false")
    glucose.cache_clear()


@pytest.mark.usefixtures("closed")
class TestClosed:
    def test_a_key_opens(self, client: TestClient, dexcom: bytes) -> None:
        assert plot(client, dexcom, **{"X-API-Key": KEY}).status_code == 200

    @pytest.mark.parametrize(
        ("headers", "status"), [({}, 401), ({"X-API-Key": "wrong"}, 403), ({"X-API-Key": "#"}, 403)]
    )
    def test_others_stay_out(self, client: TestClient, dexcom: bytes, headers: dict[str, str], status: int) -> None:
        assert plot(client, dexcom, **headers).status_code == status

    def test_a_key_that_was_added_a_moment_ago_opens(
        self, client: TestClient, dexcom: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = {"kept": f"{KEY}\n", "renewed": f"{KEY}\nadmin {ADMIN_KEY}\n"}
        gate = ApiKeyGate(lambda: known["kept"], required=True, renewed_keys_text=lambda: known["renewed"])
        monkeypatch.setitem(glucose().__dict__, "gate", gate)
        assert plot(client, dexcom, **{"X-API-Key": ADMIN_KEY}).status_code == 200
        assert client.post("/cache_management?action=flush", headers={"X-API-Key": ADMIN_KEY}).status_code == 200
        assert plot(client, dexcom, **{"X-API-Key": OTHER_KEY}).status_code == 403

    def test_a_trace_is_its_owners_alone(self, client: TestClient, dexcom: bytes) -> None:
        handle = process(client, dexcom, **{"X-API-Key": KEY})["handle"]
        body = {"handle": handle}
        assert client.post("/draw_a_plot", json=body, headers={"X-API-Key": KEY}).status_code == 200
        assert client.post("/draw_a_plot", json=body, headers={"X-API-Key": OTHER_KEY}).status_code == 404

    def test_flush_is_for_administrators(self, client: TestClient, dexcom: bytes) -> None:
        process(client, dexcom, **{"X-API-Key": KEY})
        assert client.post("/cache_management?action=flush", headers={"X-API-Key": KEY}).status_code == 403
        flushed = client.post("/cache_management?action=flush", headers={"X-API-Key": ADMIN_KEY}).json()
        assert (flushed["success"], flushed["items_affected"]) == (True, 1)

    def test_the_word_before_an_administrators_key_is_no_part_of_it(self, client: TestClient) -> None:
        for key in (f"admin {ADMIN_KEY}", "admin", "admin "):
            assert client.post("/cache_management?action=info", headers={"X-API-Key": key}).status_code == 403

    def test_a_stranger_is_not_told_what_is_wrong_with_the_body(self, client: TestClient) -> None:
        answer = client.post("/quick_plot", content=b"{", headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "API key required"})

    def test_the_document_is_public_and_says_what_needs_a_key(self, client: TestClient) -> None:
        assert client.get("/docs").status_code == 200
        paths = client.get("/openapi.json").json()["paths"]
        assert paths["/quick_plot"]["post"]["security"] == [{"APIKeyHeader": []}]
        assert {} in paths["/convert_to_unified"]["post"]["security"]
        assert "security" not in paths["/health"]["get"]

    def test_health_and_conversion_are_public(self, client: TestClient, dexcom: bytes) -> None:
        assert client.get("/health").status_code == 200
        assert convert(client, dexcom)["error"] is None

    def test_without_state_there_are_no_uploads_and_no_jobs(self, client: TestClient) -> None:
        answer = client.post("/uploads", json={"size": 5}, headers={"X-API-Key": KEY})
        assert (answer.status_code, "bucket" in answer.json()["detail"]) == (404, True)


def test_away_from_this_machine_the_door_is_closed_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_LOCAL", "false")
    monkeypatch.setenv("ENABLE_API_KEYS", "false")
    glucose.cache_clear()
    gate = glucose().gate
    assert gate.required  # type: ignore[attr-defined]
