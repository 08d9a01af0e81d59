"""The aggregation room as deployed: its functions, its door, the documented keys, and the schedule that ends jobs."""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from infra.local.endpoints import Endpoints
from infra.local.stack import Aws

PATIENCE = 180.0
"""Seconds. The schedule comes once a minute, and counts from its deployment."""


@pytest.fixture(scope="module")
def aws(cloud: Endpoints) -> Aws:
    return Aws(str(cloud.aws))


@pytest.fixture(scope="module")
def api(cloud: Endpoints) -> Iterator[httpx.Client]:
    """Without a key: through the open door of one machine everybody orchestrates."""
    with httpx.Client(base_url=str(cloud.rooms["aggregation"].http), timeout=60) as client:
        yield client


@pytest.fixture
def job() -> str:
    return f"stack-{uuid4().hex[:12]}"


def update(api: httpx.Client, job: str, client: str, total: int = 3, **more: Any) -> httpx.Response:
    return api.post("/api/update", json={"jobId": job, "clientId": client, "totalClients": total, **more})


def status(api: httpx.Client, job: str) -> dict[str, Any]:
    answer = api.get(f"/api/job-status/{job}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_its_functions_are_there(aws: Aws) -> None:
    found = {one["FunctionName"] for one in aws.client("lambda").list_functions()["Functions"]}
    assert {f"quintet-local-aggregation-{name}" for name in ("api", "aggregate", "deliver")} <= found


def test_the_root_answers(api: httpx.Client) -> None:
    assert api.get("/").status_code == 200
    assert "/api/update" in api.get("/openapi.json").json()["paths"]


def test_a_client_reports_and_is_counted_once(api: httpx.Client, job: str) -> None:
    for _ in range(2):
        answer = update(api, job, "c1", schema=[{"name": "smoker", "dataType": "BOOLEAN"}])
        assert answer.status_code == 200, answer.text
        assert f"Update for job {job}, client c1 recorded." in answer.json()["message"]
    assert update(api, job, "c2").status_code == 200
    said = status(api, job)
    assert said["progress"] == {"doneCount": 2, "totalClients": 3, "percentage": 66.7}
    assert sorted(said["jobInfo"]["updatedClients"]) == ["c1", "c2"]


def test_the_documented_keys_say_so_too(api: httpx.Client, cloud: Endpoints, job: str) -> None:
    if cloud.redis is None:
        pytest.skip("the collection has no Redis")
    update(api, job, "c1")
    update(api, job, "c2")
    with redis.Redis.from_url(cloud.redis, decode_responses=True) as reader:
        assert reader.hget(f"job:{job}", "doneCount") == "2"
        assert reader.hget(f"job:{job}", "totalClients") == "3"
        assert reader.smembers(f"job:{job}:updatedClients") == {"c1", "c2"}
        assert reader.ttl(f"job:{job}") > 0


def test_an_unknown_job_is_said_to_be(api: httpx.Client, job: str) -> None:
    answer = api.get(f"/api/job-status/{job}")
    assert (answer.status_code, answer.json()) == (404, {"error": f"Unknown jobId {job}"})


def test_what_is_missing_is_named(api: httpx.Client, job: str) -> None:
    answer = api.post("/api/update", json={"jobId": job, "totalClients": 3})
    assert 400 <= answer.status_code < 500
    assert "clientId" in json.dumps(answer.json()["error"])


def test_who_disagrees_is_refused(api: httpx.Client, job: str) -> None:
    update(api, job, "c1")
    assert update(api, job, "c2", total=4).status_code == 409
    assert status(api, job)["progress"]["doneCount"] == 1


def test_a_wrong_key_is_refused_at_an_open_door_too(api: httpx.Client, job: str) -> None:
    answer = api.get(f"/api/job-status/{job}", headers={"X-API-Key": "wrong"})
    assert (answer.status_code, answer.json()) == (403, {"error": "Invalid API key"})


def test_what_is_too_large_is_told_how_to_come(api: httpx.Client) -> None:
    if "/_aws/execute-api/" in str(api.base_url):
        pytest.skip("there is no door before this emulator, which takes whatever comes")
    answer = api.post("/api/update", content=b"x" * (11 * 1024 * 1024), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "/uploads" in answer.json()["error"]


def test_the_sweep_ends_a_job_whose_owners_stay_away(api: httpx.Client, job: str) -> None:
    assert update(api, job, "c1", deadlineSeconds=1).status_code == 200
    until = time.monotonic() + PATIENCE
    while (said := status(api, job))["status"] != "FAILED" and time.monotonic() < until:
        time.sleep(1)
    assert said["status"] == "FAILED", said
    assert said["message"]
    assert update(api, job, "c2").status_code == 409


def test_nothing_is_left_among_the_dead(aws: Aws) -> None:
    queues = aws.client("sqs")
    for name in ("aggregate", "deliver"):
        url = queues.get_queue_url(QueueName=f"local-aggregation-{name}-dead-letters")["QueueUrl"]
        assert not queues.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages")
