"""The coordinator's routes: bodies and status codes of the published one, and who may call them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryQueue
from quintet.aggregation.http import app
from quintet.aggregation.wiring import AggregationRoom
from tests.aggregation.gathering import JOB, summed
from tests.aggregation.rounds_room import (
    CLIENTS,
    OPERATOR,
    START,
    RemoteGathering,
    key_for,
    open_room,
    registered,
    registration,
    started,
)

RESULT = f"/api/get-result/job-id/{JOB}"
RETURN = f"/api/set-return-url/job-id/{JOB}"
HOOK = "https://hooks.example.org/smpc?job=1"
ONE, OTHER = CLIENTS[:2]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[AggregationRoom]:
    with open_room(monkeypatch, with_keys=True) as room:
        yield room


@pytest.fixture
def http(room: AggregationRoom) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as http:
        yield http


def start(http: TestClient, **body: Any) -> Any:
    return http.post(START, json={"computationType": "sum", "clients": CLIENTS, **body}, headers=OPERATOR)


def summed_up(http: TestClient, room: AggregationRoom) -> None:
    terms = room.sessions.read(JOB).terms
    RemoteGathering(http, terms).all_rounds()
    room.sessions.finish(JOB)


class TestStart:
    @pytest.mark.parametrize("kind", ["sum", "fsum", "SUM"])
    def test_a_sum_is_started_with_an_empty_answer(self, http: TestClient, room: AggregationRoom, kind: str) -> None:
        registered(http)
        answer = start(http, computationType=kind)
        assert (answer.status_code, answer.json()) == (200, "")
        assert room.sessions.read(JOB).kind == kind.lower()

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
    def test_json_is_json_whatever_its_type_is_said_to_be(self, http: TestClient, content_type: str) -> None:
        registered(http)
        body = json.dumps({"computationType": "sum", "clients": CLIENTS})
        headers = {**OPERATOR, "Content-Type": content_type}
        assert http.post(START, content=body, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"computationType": None}, "computationType"),
            ({"computationType": "product"}, "'product' is not served here; sum and fsum are"),
            ({"computationType": "min"}, "'min' is not served here"),
            ({"computationType": "median"}, "'median' is not known"),
            ({"clients": None}, "clients"),
            ({"clients": "owner-000"}, "clients: Input should be a valid"),
            ({"clients": []}, "clients: List should have at least 1 item"),
            ({"clients": ["a\nb"]}, "clients.0"),
            ({"clients": CLIENTS[:2]}, "no sum of so few is released"),
            ({"dp": {"c": 1, "e": 1}}, "dp: differential privacy is not offered"),
            ({"cs": [1], "es": [1]}, "cs, es: differential privacy is not offered"),
            ({"returnUrl": "http://169.254.169.254/"}, "is not on RETURN_URL_HOSTS"),
            ({"returnUrl": "https://hooks.example.org.evil.example/"}, "is not on RETURN_URL_HOSTS"),
            ({"returnUrl": 7}, "returnUrl"),
        ],
    )
    def test_what_can_not_be_computed_is_refused_by_name(
        self, http: TestClient, room: AggregationRoom, change: dict[str, Any], said: str
    ) -> None:
        registered(http)
        answer = start(http, **change)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
        assert room.sessions.find(JOB) is None

    def test_clients_that_are_not_connected_are_named(self, http: TestClient) -> None:
        registered(http, CLIENTS[:3])
        keyless = registration("owner-004", signing_key=None)
        assert http.post("/api/register-client", json=keyless, headers=key_for("owner-004")).status_code == 200
        answer = start(http, clients=[*CLIENTS, "owner-004"])
        assert answer.status_code == 404
        assert "not connected: owner-003, owner-004." in answer.json()["error"]

    def test_a_job_is_queued_once_and_for_all(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        assert [start(http).status_code for _ in range(2)] == [200, 409]
        summed_up(http, room)
        assert "it is, or was, computed already" in start(http).json()["error"]

    @pytest.mark.parametrize("place", [START, "/api/register-client", RETURN])
    def test_a_body_must_be_there(self, http: TestClient, place: str) -> None:
        assert http.post(place, headers=OPERATOR).status_code == 411
        assert http.post(place, content=b"", headers=OPERATOR).status_code == 411

    @pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff\xfe", b'{"computationType": NaN}'])
    def test_a_body_that_is_no_object_is_bad(self, http: TestClient, body: bytes) -> None:
        for place in (START, "/api/register-client", RETURN):
            assert http.post(place, content=body, headers=OPERATOR).status_code == 400


class TestResult:
    def test_nothing_is_known_of_a_job_that_was_not_started(self, http: TestClient) -> None:
        answer = http.get(RESULT, headers=OPERATOR)
        assert (answer.status_code, answer.content) == (204, b"")

    def test_it_is_told_how_far_it_is_and_then_the_sum(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        started(http)
        queued = http.get(RESULT, headers=OPERATOR).json()
        version = room.clock.now().timestamp()
        base = {"jobId": JOB, "computationType": "sum", "version": version}
        assert queued == {**base, "status": "IN_QUEUE", "validation": 0}
        gathering = RemoteGathering(http, room.sessions.read(JOB).terms)
        gathering.round("advertise", CLIENTS)
        assert http.get(RESULT, headers=OPERATOR).json()["status"] == "RUNNING"
        for round_ in ("share", "mask", "confirm", "unmask"):
            gathering.round(round_, CLIENTS)
        assert http.get(RESULT, headers=OPERATOR).json()["status"] == "VALIDATING"
        room.sessions.finish(JOB)
        assert http.get(RESULT, headers=OPERATOR).json() == {
            **base,
            "status": "COMPLETED",
            "computationOutput": list(summed(CLIENTS)),
            "validation": 4,
        }

    def test_a_failure_is_told_with_its_reason(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        started(http)
        room.clock.advance(60)  # type: ignore[attr-defined]
        told = http.get(RESULT, headers=OPERATOR).json()
        assert told["status"] == "FAILED"
        assert told["message"].startswith("Failed computation: 0 of 4 owners sent their message")
        assert "computationOutput" not in told


class TestRegistering:
    def test_who_is_registered_is_listed(self, http: TestClient) -> None:
        registered(http)
        clients = http.get("/api/get-all-clients", headers=OPERATOR).json()
        assert clients[0] == {"id": ONE, "ip": "http://testclient:7100"}
        certificates = http.get("/api/get-all-client-certs", headers=OPERATOR).json()
        assert certificates[1] == {"id": OTHER, "crt": f"crt of {OTHER}"}
        assert http.get("/api/get-all-players", headers=OPERATOR).json() == []

    def test_a_client_is_replaced_by_force_alone(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http, [ONE])
        again = http.post("/api/register-client", json=registration(ONE, port=1), headers=key_for(ONE))
        assert again.status_code == 409
        assert again.json()["error"] == f"Client entry creation (clientId was {ONE}) failed because of conflict"
        forced = registration(ONE, port=1, force=True)
        assert http.post("/api/register-client", json=forced, headers=key_for(ONE)).json() is None
        assert room.owners.read(ONE).port == 1

    def test_nobody_replaces_anothers_client(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http, [ONE])
        forced = registration(ONE, port=1, force=True)
        assert http.post("/api/register-client", json=forced, headers=key_for(OTHER)).status_code == 403
        assert room.owners.read(ONE).port == 7100

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"client_id": None}, "client_id"),
            ({"client_id": ""}, "client_id"),
            ({"port": 70000}, "port"),
            ({"crt": None}, "crt"),
            ({"signing_key": "c2hvcnQ="}, "signing_key"),
            ({"signing_key": "!" * 43 + "="}, "signing_key"),
        ],
    )
    def test_a_wrong_field_is_named(self, http: TestClient, change: dict[str, Any], field: str) -> None:
        body = registration(ONE, **change)
        answer = http.post("/api/register-client", json=body, headers=key_for(ONE))
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(f"{field}: ")


class TestReturnUrl:
    def test_the_result_is_handed_over_for_delivery_once(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        started(http, returnUrl=HOOK)
        assert http.get(RETURN, headers=OPERATOR).json() == {"url": HOOK}
        summed_up(http, room)
        for _ in range(2):
            room.sessions.finish(JOB)
        (delivery,) = room.outbox.all()
        assert (delivery.job, delivery.channel, delivery.url) == (JOB, "return-url", HOOK)
        body, _ = room.objects.get(delivery.body_key)
        assert json.loads(body) == http.get(RESULT, headers=OPERATOR).json()
        assert isinstance(room.errands, MemoryQueue)
        assert [json.loads(sent)["job"] for sent, _ in room.errands.sent] == [JOB]

    def test_it_may_be_set_before_and_after_the_sum(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        for url in (f"{HOOK}&a", f"{HOOK}&b"):
            assert http.post(RETURN, json={"url": url}, headers=OPERATOR).json() == ""
        started(http)
        summed_up(http, room)
        assert [one.url for one in room.outbox.all()] == [f"{HOOK}&b"]
        late = http.post(RETURN, json={"url": HOOK}, headers=OPERATOR)
        assert (late.status_code, late.json()["error"]) == (409, f"the result of {JOB} is on its way already")

    def test_one_that_is_set_when_all_is_over_gets_the_result_at_once(
        self, http: TestClient, room: AggregationRoom
    ) -> None:
        registered(http)
        started(http)
        summed_up(http, room)
        assert http.get(RETURN, headers=OPERATOR).json() == {"url": None}
        http.post(RETURN, json={"url": HOOK}, headers=OPERATOR)
        assert [one.url for one in room.outbox.all()] == [HOOK]

    def test_a_failure_is_delivered_too(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        started(http, returnUrl=HOOK)
        room.clock.advance(60)  # type: ignore[attr-defined]
        room.sessions.finish(JOB)
        (delivery,) = room.outbox.all()
        assert json.loads(room.objects.get(delivery.body_key)[0])["status"] == "FAILED"

    def test_hosts_that_are_not_on_the_list_are_refused(self, http: TestClient) -> None:
        answer = http.post(RETURN, json={"url": "http://10.0.0.1/"}, headers=OPERATOR)
        assert answer.status_code == 400


class TestWhoMayWhat:
    @pytest.mark.parametrize(
        "place",
        ["/api/get-all-clients", "/api/get-all-client-certs", "/api/get-all-players", RESULT, RETURN],
    )
    def test_reading_is_for_the_operator(self, http: TestClient, place: str) -> None:
        assert http.get(place).status_code == 401
        assert http.get(place, headers=key_for(ONE)).status_code == 403
        assert http.get(place, headers=OPERATOR).status_code in (200, 204)

    @pytest.mark.parametrize("place", [START, RETURN])
    def test_starting_is_for_the_operator(self, http: TestClient, place: str) -> None:
        assert http.post(place, json={}, headers=key_for(ONE)).status_code == 403
        assert http.post(place, json={}).status_code == 401

    def test_ping_needs_no_key(self, http: TestClient) -> None:
        answer = http.get("/api/ping")
        assert (answer.status_code, answer.json()) == (200, 200)

    def test_the_operator_registers_whoever_comes_then(self, http: TestClient, room: AggregationRoom) -> None:
        http.post("/api/register-client", json=registration(ONE), headers=OPERATOR)
        assert http.get(f"/api/secagg/clients/{ONE}/sessions", headers=key_for(ONE)).status_code == 200
        assert http.get(f"/api/secagg/clients/{ONE}/sessions", headers=key_for(OTHER)).status_code == 403
        http.post("/api/register-client", json=registration(ONE, force=True), headers=OPERATOR)
        assert http.get(f"/api/secagg/clients/{ONE}/sessions", headers=key_for(OTHER)).status_code == 200
