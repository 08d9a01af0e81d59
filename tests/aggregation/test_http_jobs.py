"""The jobs' routes: the bodies of both generations, and a clear refusal for whatever else comes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory_jobs import MemoryJobKeys
from quintet.aggregation.messages import Nudge, Outcome
from quintet.aggregation.wiring import AggregationRoom
from quintet.kernel.errors import Unavailable
from tests.aggregation.gathering import named
from tests.aggregation.job_room import SCHEMA, SUM, ScriptedAggregator
from tests.aggregation.rounds_room import OPERATOR, key_for, open_room

GOLDEN = Path(__file__).parent / "golden"
UPDATE = {"jobId": "j1", "clientId": "c1", "totalClients": 3}


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[AggregationRoom]:
    with open_room(monkeypatch) as room:
        room.keys = MemoryJobKeys(room.clock)
        room.aggregator = ScriptedAggregator()
        yield room


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[AggregationRoom]:
    """It asks for keys."""
    with open_room(monkeypatch, with_keys=True) as room:
        yield room


@pytest.fixture
def http() -> Iterator[TestClient]:
    from quintet.aggregation.http import app

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def update(http: TestClient, body: Any, **more: Any) -> Any:
    return http.post("/api/update", json=body, **more)


def shared_job(http: TestClient, clients: str) -> None:
    for client in clients:
        answer = update(http, {**golden("update"), "clientId": f"client_{client}"})
        assert answer.status_code == 200, answer.text


def test_the_documents_update_has_the_documents_answer(room: AggregationRoom, http: TestClient) -> None:
    answer = update(http, golden("update"))
    assert (answer.status_code, answer.json()) == (200, golden("update_answer"))
    again = update(http, golden("update"))
    assert (again.status_code, again.json()) == (200, golden("update_answer"))


def test_an_older_generation_lists_its_clients(room: AggregationRoom, http: TestClient) -> None:
    assert update(http, golden("update_of_clients_list")).json() == golden("update_answer")
    assert http.get("/api/job-status/shared_job_123").json()["progress"]["totalClients"] == 3
    other = update(http, {**golden("update"), "clientId": "client_B"})
    assert other.status_code == 200


def test_the_full_schema_and_numbers_for_names(room: AggregationRoom, http: TestClient) -> None:
    answer = update(http, golden("update_with_placed_schema"))
    assert answer.json() == {"message": "Update for job 17, client 4 recorded."}
    told = http.get("/api/job-status/17").json()
    assert told["jobInfo"]["schema"] == golden("update_with_placed_schema")["schema"]
    assert told["jobInfo"]["updatedClients"] == ["4"]


def test_status_has_the_fields_of_the_document_and_the_later_ones(room: AggregationRoom, http: TestClient) -> None:
    shared_job(http, "AB")
    told = http.get("/api/job-status/shared_job_123").json()
    earlier = golden("job_status")
    assert told["message"] == earlier["message"]
    assert {name: told["jobInfo"][name] for name in earlier["jobInfo"]} == earlier["jobInfo"]
    assert list(told) == ["jobId", "status", "message", "progress", "jobInfo"]
    assert told["status"] == "IN_PROGRESS"
    assert told["progress"] == {"doneCount": 2, "totalClients": 3, "percentage": 66.7}


def test_status_of_a_completed_job(room: AggregationRoom, http: TestClient) -> None:
    shared_job(http, "ABC")
    room.aggregator.complete(output=SUM)  # type: ignore[attr-defined]
    room.driver.look_after(Nudge(job="shared_job_123"))
    told = http.get("/api/job-status/shared_job_123").json()
    assert holds(told, golden("job_status_completed"))
    assert told["aggregatedResults"] == told["jobInfo"]["finalResult"]["decodedFeatures"]
    assert told["aggregatedResults"][0]["aggregatedAvg"] == 45000
    assert told["metadata"]["completedAt"] == room.clock.now().isoformat()
    assert update(http, golden("update")).json() == {
        "message": "Job shared_job_123 is already completed. No further updates are needed."
    }


def holds(told: Any, wanted: Any) -> bool:
    """Every field that is wanted, and perhaps others."""
    if isinstance(wanted, dict):
        return isinstance(told, dict) and all(name in told and holds(told[name], wanted[name]) for name in wanted)
    return bool(told == wanted)


def test_status_of_a_failed_job(room: AggregationRoom, http: TestClient) -> None:
    shared_job(http, "ABC")
    room.aggregator.result = Outcome(status="FAILED", message="no")  # type: ignore[attr-defined]
    room.driver.look_after(Nudge(job="shared_job_123"))
    told = http.get("/api/job-status/shared_job_123").json()
    assert (told["status"], told["reason"]) == ("FAILED", "no")
    answer = update(http, golden("update"))
    assert (answer.status_code, answer.json()) == (
        409,
        {"error": "Job shared_job_123 has failed: no. Use another jobId"},
    )


@pytest.mark.parametrize("job", ["none", "a/b", "x" * 3000, "%00", "%ED%A0%80", "日本"])
def test_an_unknown_job(room: AggregationRoom, http: TestClient, job: str) -> None:
    answer = http.get(f"/api/job-status/{job}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("Unknown jobId ")
    assert http.get("/api/job-status/none").json() == {"error": "Unknown jobId none"}


@pytest.mark.parametrize("job", ["a/b", "a b", "ü?&#", "...", "job:{id}"])
def test_a_job_may_be_called_anything_printable(room: AggregationRoom, http: TestClient, job: str) -> None:
    assert update(http, {**UPDATE, "jobId": job}).status_code == 200
    assert http.get(f"/api/job-status/{quote(job, safe='')}").json()["jobId"] == job


def test_the_service_says_that_it_is_there(closed: AggregationRoom, http: TestClient) -> None:
    answer = http.get("/")
    assert (answer.status_code, answer.json()) == (200, {"service": "computations-orchestrator", "status": "ok"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"jobId": None}, "jobId"),
        ({"jobId": ""}, "jobId"),
        ({"jobId": "x" * 129}, "jobId"),
        ({"jobId": "two\nlines"}, "jobId"),
        ({"jobId": ["j1"]}, "jobId"),
        ({"jobId": True}, "jobId"),
        ({"jobId": 1.5}, "jobId"),
        ({"clientId": {}}, "clientId"),
        ({"clientId": "\x7f"}, "clientId"),
        ({"totalClients": 0}, "totalClients"),
        ({"totalClients": -1}, "totalClients"),
        ({"totalClients": 1001}, "totalClients"),
        ({"totalClients": 10**400}, "totalClients"),
        ({"totalClients": 1e300}, "totalClients"),
        ({"totalClients": 2.5}, "totalClients"),
        ({"totalClients": True}, "totalClients"),
        ({"totalClients": "three"}, "totalClients"),
        ({"totalClients": None}, "totalClients"),
        ({"totalClients": [3]}, "totalClients"),
        ({"schema": {"test": "schema"}}, "schema"),
        ({"schema": "NUMERIC"}, "schema"),
        ({"schema": [1]}, "schema.0"),
        ({"schema": [{"name": "x"}]}, "schema item 1, dataType"),
        ({"schema": [{"dataType": "NUMERIC"}]}, "schema item 1, name"),
        ({"schema": [{"name": "x", "dataType": "NUMERIC", "length": 8}]}, "schema item 1, length"),
        ({"minClients": 4}, "minClients"),
        ({"minClients": 0}, "minClients"),
        ({"deadlineSeconds": 0}, "deadlineSeconds"),
        ({"deadlineSeconds": "soon"}, "deadlineSeconds"),
        ({"roundSeconds": 10**400}, "roundSeconds"),
        ({"jobId": "j1:updatedClients"}, "jobId"),
    ],
)
def test_a_wrong_field_is_named(room: AggregationRoom, http: TestClient, changes: dict[str, Any], field: str) -> None:
    answer = update(http, {**UPDATE, **changes})
    assert answer.status_code in {400, 422}, answer.text
    assert field in answer.json()["error"]
    assert http.get("/api/job-status/j1").status_code == 404


@pytest.mark.parametrize("field", ["jobId", "clientId", "totalClients"])
def test_a_missing_field_is_named(room: AggregationRoom, http: TestClient, field: str) -> None:
    answer = update(http, {name: value for name, value in UPDATE.items() if name != field})
    assert (answer.status_code, answer.json()["error"]) == (422, f"{field}: Field required")
    assert answer.json()["detail"] == [{"type": "missing", "loc": ["body", field], "msg": "Field required"}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"3",
        b"{",
        b"{'jobId': 1}",
        b"\xff\xfe",
        b'{"jobId": "\\ud800", "clientId": "c", "totalClients": 3}',
        b'{"\\ud800": 1}',
        b'{"jobId": "j1", "clientId": "c", "totalClients": NaN}',
        b'{"jobId": "j1", "clientId": "c", "totalClients": Infinity}',
        b'{"jobId": "j1", "clientId": "c", "totalClients": 3, "schema": [{"name": "x", "offset": NaN}]}',
        b'{"jobId": "j1", "clientId": "c", "totalClients": 1e999}',
        b'{"jobId": "j1", "clientId": "c", "totalClients": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"schema":' * 50_000,
        b"jobId=j1&clientId=c&totalClients=3",
    ],
)
def test_what_is_no_update_is_refused(room: AggregationRoom, http: TestClient, body: bytes) -> None:
    answer = http.post("/api/update", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"totalClients": 4}, ["is 3", "says 4"]),
        ({"schema": SCHEMA[1:]}, ["9 elements there", "2 here"]),
    ],
)
def test_who_disagrees_is_told_with_what(
    room: AggregationRoom, http: TestClient, changes: dict[str, Any], said: list[str]
) -> None:
    update(http, {**UPDATE, "schema": SCHEMA})
    answer = update(http, {**UPDATE, "clientId": "c2", **changes})
    assert answer.status_code == 409
    assert all(part in answer.json()["error"] for part in said)


def test_one_client_too_many(room: AggregationRoom, http: TestClient) -> None:
    shared_job(http, "ABC")
    answer = update(http, {**golden("update"), "clientId": "client_D"})
    assert (answer.status_code, "'client_D'" in answer.json()["error"]) == (409, True)


def test_what_is_away_is_unavailable(room: AggregationRoom, http: TestClient) -> None:
    class Away:
        def send(self, body: str, attributes: Any = None) -> None:
            raise Unavailable("the queue does not answer")

    room.nudges = Away()  # type: ignore[assignment]
    shared_job(http, "AB")
    answer = update(http, {**golden("update"), "clientId": "client_C"})
    assert (answer.status_code, answer.json()) == (503, {"error": "the queue does not answer"})
    assert answer.headers["Retry-After"] == "30"


def test_strangers_are_refused_before_their_body_is_read(closed: AggregationRoom, http: TestClient) -> None:
    for route, body in (("/api/update", b"{"), ("/api/job-status/j1", None)):
        answers = [
            http.request("POST" if body else "GET", route, content=body, headers=headers)
            for headers in ({}, {"X-API-Key": "wrong"})
        ]
        assert [(one.status_code, one.json()) for one in answers] == [
            (401, {"error": "API key required"}),
            (403, {"error": "Invalid API key"}),
        ]


def test_an_owner_reports_and_sees_for_itself_alone(closed: AggregationRoom, http: TestClient) -> None:
    ana, bea = named(2)
    assert update(http, {**UPDATE, "clientId": ana}, headers=key_for(ana)).status_code == 200
    assert update(http, {**UPDATE, "clientId": ana}, headers=key_for(bea)).status_code == 403
    told = [http.get("/api/job-status/j1", headers=headers) for headers in (key_for(ana), key_for(bea), OPERATOR)]
    assert [one.status_code for one in told] == [200, 404, 200]
    assert told[1].json() == {"error": "Unknown jobId j1"}


def test_the_description_names_the_wires_fields(room: AggregationRoom, http: TestClient) -> None:
    described = http.get("/openapi.json").json()
    body = described["paths"]["/api/update"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"jobId", "clientId", "totalClients"} <= set(body["properties"])
    answer = described["paths"]["/api/job-status/{job_id}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/JobStatus")
    assert {"jobId", "jobInfo", "progress"} <= set(described["components"]["schemas"]["JobStatus"]["properties"])
