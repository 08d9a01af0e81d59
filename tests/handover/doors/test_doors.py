"""The doors: who comes through, what is refused and how that is told, limits, and where an address comes from."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.entry.http import as_lambda
from quintet.handover.http import FREE
from quintet.kernel.errors import Misconfigured
from tests.handover.doors.open_room import (
    API_KEY,
    METRICS_PASSWORD,
    METRICS_USER,
    PASSWORD,
    USER,
    OpenRoom,
    at_the_door,
)

HEARD = {"ue_id": "ue-1", "connected_to": "a", "rf_metrics": {"a": {"rsrp": -100}, "b": {"rsrp": -70, "sinr": 12}}}
SAMPLE = {**HEARD, "optimal_antenna": "b"}
PROTECTED = [
    ("POST", "/api/predict"),
    ("POST", "/api/predict-async"),
    ("POST", "/api/predict-with-qos"),
    ("POST", "/api/train"),
    ("POST", "/api/train-async"),
    ("POST", "/api/collect-data"),
    ("GET", "/api/nef-status"),
    ("GET", "/api/models"),
    ("POST", "/api/models/1.0.0"),
    ("PUT", "/api/models/1.0.0"),
    ("GET", "/api/feature-importance"),
    ("GET", "/api/model-type"),
    ("POST", "/api/feedback"),
    ("POST", "/api/qos-feedback"),
    ("GET", "/api/visualization/coverage-map"),
    ("POST", "/api/visualization/trajectory"),
    ("GET", "/api/v1/circuit-breakers/status"),
    ("GET", "/api/v1/circuit-breakers/health"),
    ("POST", "/api/v1/circuit-breakers/reset"),
    ("POST", "/api/v1/circuit-breakers/reset/nef"),
    ("GET", "/api/v1/circuit-breakers/nef/stats"),
    ("POST", "/uploads"),
    ("GET", "/jobs/1"),
]


@pytest.fixture
def room() -> OpenRoom:
    return OpenRoom()


@pytest.fixture
def http(room: OpenRoom) -> Iterator[TestClient]:
    """A stranger."""
    with at_the_door(room) as client:
        yield client


@pytest.fixture
def ada(room: OpenRoom) -> Iterator[TestClient]:
    """Who has logged in."""
    with at_the_door(room, headers=room.headers) as client:
        yield client


# --- who comes through


def test_from_logging_in_to_an_answer(http: TestClient) -> None:
    tokens = http.post("/api/login", json={"username": USER, "password": PASSWORD})
    assert (tokens.status_code, sorted(tokens.json())) == (200, ["access_token", "refresh_token"])
    assert tokens.headers["Cache-Control"] == "no-store"
    shown = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    assert http.post("/api/predict", json=HEARD, headers=shown).json()["predicted_antenna"] == "b"
    renewed = http.post("/api/refresh", json={"refresh_token": tokens.json()["refresh_token"]})
    assert (renewed.status_code, sorted(renewed.json())) == (200, ["access_token", "refresh_token"])
    again = http.post("/api/refresh", json={"refresh_token": tokens.json()["refresh_token"]})
    assert (again.status_code, again.json()["error"]) == (401, "Invalid refresh token")


@pytest.mark.parametrize("body", [{"username": USER, "password": "x"}, {"username": "x", "password": PASSWORD}])
def test_wrong_credentials_are_refused(http: TestClient, body: dict[str, str]) -> None:
    answer = http.post("/api/login", json=body)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid credentials")


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({}, "Missing token"),
        ({"Authorization": "Basic YWRhOng="}, "Missing token"),
        ({"Authorization": "Bearer "}, "Missing token"),
        ({"X-API-Key": API_KEY}, "Missing token"),
        ({"Authorization": "Bearer nonsense"}, "Invalid token"),
        ({"Authorization": f"Bearer {API_KEY}"}, "Invalid token"),
    ],
)
def test_without_a_right_token_nothing_is_read(
    http: TestClient, method: str, path: str, shown: dict[str, str], said: str
) -> None:
    answer = http.request(method, path, content=b"{", headers=shown)
    assert (answer.status_code, answer.json()["error"]) == (401, said)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/health", "/api/model-health"])
def test_health_is_everybodys(http: TestClient, path: str) -> None:
    assert http.get(path).status_code == 200


def test_health_is_the_originals(http: TestClient) -> None:
    assert http.get("/api/health").json() == {"status": "ok", "service": "ml-service"}
    model = http.get("/api/model-health").json()
    assert model["ready"] is True
    assert {"model_type", "trained_at", "version", "metrics"} <= set(model["metadata"])


def test_an_open_room_asks_nobody(room: OpenRoom) -> None:
    room.required = False
    with at_the_door(room) as anybody:
        assert anybody.post("/api/predict", json=HEARD, headers={"Authorization": "Bearer nonsense"}).status_code == 200


def test_a_room_without_secrets_refuses_to_start(room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise Misconfigured("JWT_SECRET is missing")

    object.__setattr__(room.gate, "secrets", missing)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "handover-api")
    with pytest.raises(Misconfigured):
        as_lambda(room.app())


# --- how refusals are told

REFUSALS: dict[str, tuple[str, str, Any, int, str, str]] = {
    "a field is missing": ("POST", "/api/predict", {}, 400, "RequestValidationError", "ue_id"),
    "a field is unknown": ("POST", "/api/predict", {**HEARD, "lat": 1}, 400, "RequestValidationError", "lat"),
    "a field is no number": ("POST", "/api/predict", {**HEARD, "speed": "1"}, 400, "RequestValidationError", "speed"),
    "true is no number": ("POST", "/api/predict", {**HEARD, "speed": True}, 400, "RequestValidationError", "speed"),
    "nothing is heard": ("POST", "/api/predict", {"ue_id": "u"}, 422, "RequestValidationError", "rf_metrics"),
    "a kind is unknown": ("POST", "/api/predict?model_type=x", HEARD, 400, "RequestValidationError", "model_type"),
    "no list": ("POST", "/api/train", SAMPLE, 400, "RequestValidationError", "array"),
    "no sample": ("POST", "/api/train", [], 400, "RequestValidationError", "no sample"),
    "a sample without an answer": ("POST", "/api/train", [SAMPLE, HEARD], 400, "RequestValidationError", "1.optimal"),
    "an answer that is not heard": (
        "POST", "/api/train", [{**SAMPLE, "optimal_antenna": "z"}], 400, "RequestValidationError", "sample 0",
    ),
    "too long": ("POST", "/api/collect-data", {"duration": 3601}, 400, "RequestValidationError", "duration"),
    "a name too long": (
        "POST", "/api/login", {"username": "x" * 101, "password": "x"}, 400, "RequestValidationError", "username",
    ),
    "no such version": ("POST", "/api/models/9.9.9", None, 404, "ResourceNotFoundError", "9.9.9"),
    "no version's name": ("PUT", "/api/models/1..;0", None, 400, "RequestValidationError", "version"),
    "no such breaker": ("GET", "/api/v1/circuit-breakers/x/stats", None, 404, "ResourceNotFoundError", "nef"),
    "no such job": ("GET", "/jobs/x", None, 404, "ResourceNotFoundError", "job"),
    "no such path": ("GET", "/api/nowhere", None, 404, "ResourceNotFoundError", "Not Found"),
    "no such method": ("GET", "/api/predict", None, 405, "MethodNotAllowed", "Method Not Allowed"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "kind", "named"), REFUSALS.values(), ids=REFUSALS)
def test_every_refusal_has_one_form(
    ada: TestClient, method: str, path: str, body: Any, status: int, kind: str, named: str
) -> None:
    answer = ada.request(method, path, json=body, headers={"X-Correlation-ID": "order-17"})
    assert answer.status_code == status, answer.text
    assert sorted(answer.json()) == ["correlation_id", "error", "type"]
    assert (answer.json()["type"], answer.json()["correlation_id"]) == (kind, "order-17")
    assert named in answer.json()["error"]
    assert answer.headers["X-Correlation-ID"] == "order-17"


def test_a_correlation_id_is_made_where_none_comes(ada: TestClient) -> None:
    answer = ada.post("/api/predict", json={})
    assert answer.json()["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert len(answer.json()["correlation_id"]) == 32


def test_a_crash_is_told_without_its_reason(room: OpenRoom, ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(room.predictor, "predict", crash)
    answer = ada.post("/api/predict", json=HEARD)
    assert (answer.status_code, answer.json()["type"]) == (500, "InternalServerError")
    assert answer.json()["error"] == "Internal server error"
    assert "secret" not in answer.text


def test_an_emulator_that_is_away_is_a_bad_gateway(room: OpenRoom, ada: TestClient) -> None:
    room.scene.away = True
    answer = ada.get("/api/nef-status")
    assert (answer.status_code, answer.json()["type"]) == (502, "NEFConnectionError")


# --- bodies


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", None]
)
def test_a_charset_does_no_harm(ada: TestClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert ada.post("/api/predict", content=json.dumps(HEARD), headers=headers).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_is_no_json_is_refused(ada: TestClient, content_type: str) -> None:
    answer = ada.post("/api/predict", content=json.dumps(HEARD), headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["type"]) == (415, "RequestValidationError")


@pytest.mark.parametrize(
    ("path", "megabytes"),
    [("login", 1), ("refresh", 1), ("predict", 5), ("train", 50), ("collect-data", 1), ("feedback", 10)],
)
@pytest.mark.parametrize("announced", [True, False])
def test_each_route_has_its_limit(ada: TestClient, path: str, megabytes: int, announced: bool) -> None:
    body = b" " * (megabytes * 1_000_000)
    answers = []
    for content in (body, body + b" "):
        chunks = content if announced else iter([content[:1000], content[1000:]])
        answers.append(ada.post(f"/api/{path}", content=chunks, headers={"Content-Type": "application/json"}))
    assert answers[0].status_code in {200, 202, 400}
    assert (answers[1].status_code, answers[1].json()["type"]) == (413, "TooLarge")
    assert f"at most {megabytes} MB" in answers[1].json()["error"]
    assert ("POST /uploads" in answers[1].json()["error"]) == (megabytes >= 10)


def test_a_large_body_is_uploaded_first(room: OpenRoom, ada: TestClient) -> None:
    body = json.dumps([SAMPLE] * 60_000).encode()
    assert len(body) > 6_000_000
    announced = ada.post("/uploads", json={"size": len(body), "content_type": "application/json"})
    assert announced.status_code == 201
    key = announced.json()["upload_key"]
    room.objects.put(key, body, content_type="application/json")
    answer = ada.post("/api/feedback", headers={"X-Upload-Key": key})
    assert (answer.status_code, answer.json()["samples"]) == (200, 60_000)


# --- how often


def test_so_many_a_minute_whoever_calls() -> None:
    room = OpenRoom(per_minute=5)
    with at_the_door(room) as http, at_the_door(room, "192.0.2.8", headers=room.headers) as other:
        statuses = [http.get("/api/models").status_code for _ in range(3)]
        statuses += [http.get("/api/models", headers=room.headers).status_code for _ in range(3)]
        assert statuses == [401, 401, 401, 200, 200, 429]
        room.clock.advance(13.4)
        refused = http.post("/api/predict", json=HEARD, headers=room.headers)
        assert refused.json()["type"] == "TooManyRequests"
        assert refused.headers["Retry-After"] == "47"
        assert other.get("/api/models").status_code == 200


def test_health_and_login_are_never_limited() -> None:
    room = OpenRoom(per_minute=1)
    with at_the_door(room) as http:
        for _ in range(3):
            assert [http.get(path).status_code for path in sorted(FREE - {"/api/login"})] == [200, 200]
            assert http.post("/api/login", json={"username": USER, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/nowhere", "/api/refresh", "/jobs/1"])
def test_everything_else_is(path: str) -> None:
    with at_the_door(OpenRoom(per_minute=1)) as http:
        assert http.get(path).status_code != 429
        assert http.get(path).status_code == 429


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"]
)
def test_no_header_gives_another_address(header: str) -> None:
    with at_the_door(OpenRoom(per_minute=2)) as http:
        statuses = [
            http.get("/api/models", headers={header: f"for=198.51.100.{number}"}).status_code for number in range(4)
        ]
    assert statuses == [401, 401, 429, 429]


def test_behind_api_gateway_the_address_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    room = OpenRoom(per_minute=1)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "handover-api")
    handler = as_lambda(room.app())
    statuses = [
        handler(event("GET", "/api/models", address, {"X-Forwarded-For": "203.0.113.9"}), None)["statusCode"]
        for address in ("192.0.2.7", "192.0.2.8", "192.0.2.7")
    ]
    assert statuses == [401, 401, 429]


def event(method: str, path: str, address: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "requestContext": {"stage": "local", "path": f"/local{path}", "identity": {"sourceIp": address}},
        "body": None,
        "isBase64Encoded": False,
    }


def test_guessing_at_the_login_locks_out(room: OpenRoom, http: TestClient) -> None:
    wrong = {"username": USER, "password": "x"}
    assert [http.post("/api/login", json=wrong).status_code for _ in range(6)] == [401] * 5 + [429]
    locked = http.post("/api/login", json={"username": USER, "password": PASSWORD})
    assert (locked.status_code, locked.headers["Retry-After"]) == (429, "300")
    with at_the_door(room, "192.0.2.8") as other:
        assert other.post("/api/login", json={"username": USER, "password": PASSWORD}).status_code == 200


# --- metrics


def test_metrics_open_to_each_of_their_credentials(http: TestClient) -> None:
    key = {"Authorization": f"Bearer {API_KEY}"}
    minted = http.post("/metrics/auth/token", headers=key).json()
    assert minted["expires_in"] == 3600
    ways: list[dict[str, Any]] = [
        {"headers": key},
        {"auth": (METRICS_USER, METRICS_PASSWORD)},
        {"headers": {"Authorization": f"Bearer {minted['token']}"}},
    ]
    for way in ways:
        page = http.get("/metrics", **way)
        assert page.status_code == 200
        assert "# TYPE ml_prediction_requests_total counter" in page.text
        assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/metrics"), ("POST", "/metrics/auth/token"), ("GET", "/metrics/auth/stats")]
)
def test_and_to_no_other(room: OpenRoom, http: TestClient, method: str, path: str) -> None:
    refused = http.request(method, path, headers=room.headers)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="Metrics", Bearer'
    assert sorted(refused.json()) == ["correlation_id", "error", "type"]


def test_a_token_for_metrics_opens_nothing_else(http: TestClient) -> None:
    token = http.post("/metrics/auth/token", auth=(METRICS_USER, METRICS_PASSWORD)).json()["token"]
    assert http.get("/api/models", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_guessing_at_the_metrics_locks_out_and_is_told(room: OpenRoom, http: TestClient) -> None:
    for _ in range(5):
        assert http.get("/metrics", auth=(METRICS_USER, "wrong")).status_code == 401
    locked = http.get("/metrics", auth=(METRICS_USER, METRICS_PASSWORD))
    assert (locked.status_code, locked.headers["Retry-After"]) == (429, "300")
    with at_the_door(room, "192.0.2.8") as other:
        stats = other.get("/metrics/auth/stats", auth=(METRICS_USER, METRICS_PASSWORD)).json()
    assert stats == {
        "total_failed_attempts": 5,
        "unique_failed_ips": 1,
        "currently_locked_ips": 1,
        "max_attempts_before_lockout": 5,
        "lockout_duration_seconds": 300,
    }
