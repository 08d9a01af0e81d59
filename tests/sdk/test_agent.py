"""The owner's agent: the bodies of the original's client node, and taking part for the owner."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from quintet.sdk.agent import agent_app
from quintet.sdk.attendance import Attendance
from quintet.sdk.datasets import Datasets
from quintet.sdk.owner import Owner
from tests.sdk.hall import Hall, Household, quick

DATASET = "/api/update-dataset/job-1"
SIZE = "/api/get-dataset-size/job-id/job-1"


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


@pytest.fixture
def owner(household: Household, hall: Hall) -> Owner:
    return household.owner("o0", hall.connect, api_key="secret")


@pytest.fixture
def agent(owner: Owner, datasets: Datasets) -> TestClient:
    return TestClient(agent_app(owner, datasets), base_url="http://127.0.0.1:9001")


def test_it_keeps_a_dataset_and_shows_it(agent: TestClient) -> None:
    kept = agent.post(DATASET, json={"type": "int", "data": [1, 2, 3]})
    assert (kept.status_code, kept.json()) == (200, "")
    assert agent.get(DATASET).json() == [1, 2, 3]
    assert agent.get(SIZE).json() == 3


@pytest.mark.parametrize("kind", ["int", "float"])
def test_decimals_are_kept_whatever_the_type_says(agent: TestClient, datasets: Datasets, kind: str) -> None:
    body = f'{{"type": "{kind}", "data": [1, 0.1, "2.5", 1e-9]}}'
    assert agent.post(DATASET, content=body).status_code == 200
    assert datasets.read("job-1") == [Decimal(1), Decimal("0.1"), Decimal("2.5"), Decimal("1E-9")]
    assert agent.get(DATASET).text == "[1, 0.1, 2.5, 0.000000001]"


def test_a_job_may_have_a_slash_in_its_name(agent: TestClient, datasets: Datasets) -> None:
    assert agent.post("/api/update-dataset/a%2Fb", json={"type": "int", "data": [1]}).status_code == 200
    assert datasets.read("a/b") == [Decimal(1)]
    assert agent.get("/api/get-dataset-size/job-id/a%2Fb").json() == 1


def test_where_there_is_none(agent: TestClient) -> None:
    assert (agent.get(DATASET).status_code, agent.get(DATASET).text) == (204, "")
    assert agent.get(SIZE).status_code == 400
    assert agent.get("/api/ping").status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('{"data": [1]}', "type"),
        ('{"type": "str", "data": [1]}', "type"),
        ('{"type": "int"}', "data"),
        ('{"type": "int", "data": []}', "data"),
        ('{"type": "int", "data": [1, "x"]}', "element 1"),
        ('{"type": "int", "data": [true]}', "element 0"),
        ('{"type": "float", "data": [1, NaN]}', "1"),
        ('{"type": "float", "data": [1e30]}', "0"),
        ('{"type": "float", "data": [1, 1e-999999999]}', "element 1 has more than 1100 decimals"),
        ('{"type": "float", "data": ["0e-999999999"]}', "element 0 has more than 1100 decimals"),
    ],
)
def test_what_can_not_be_kept_is_refused_by_its_name(agent: TestClient, body: str, named: str) -> None:
    answer = agent.post(DATASET, content=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_the_file_is_its_owners_alone(agent: TestClient, datasets: Datasets) -> None:
    agent.post(DATASET, json={"type": "int", "data": [1]})
    [file] = datasets.folder.iterdir()
    assert (file.stat().st_mode & 0o777, datasets.folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_web_pages_are_not_answered(agent: TestClient) -> None:
    page = {"Origin": "https://evil.example"}
    assert agent.post(DATASET, json={"type": "int", "data": [1]}, headers=page).status_code == 403
    assert agent.get(DATASET, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert agent.get(DATASET, headers={"Host": "rebound.example:9001"}).status_code == 400
    assert agent.get(DATASET).status_code == 204


def test_reports_go_on_to_the_orchestrator_with_the_key(agent: TestClient, hall: Hall) -> None:
    answer = agent.post("/api/update", json={"jobId": "job-1", "clientId": "o0", "totalClients": 3})
    assert (answer.status_code, answer.json()) == (200, {"message": "recorded"})
    assert agent.get("/api/job-status/job-1").json()["progress"] == {"doneCount": 1, "totalClients": 3}
    assert hall.keys == {"secret"}


def test_an_orchestrator_that_is_away(household: Household, datasets: Datasets) -> None:
    def away() -> httpx.Client:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("away")

        return httpx.Client(transport=httpx.MockTransport(refuse))

    agent = TestClient(agent_app(household.owner("o0", away), datasets), base_url="http://localhost")
    assert agent.post("/api/update", json={}).status_code == 502


def attendances(hall: Hall, household: Household, say: Callable[[str], None]) -> list[Attendance]:
    return [
        Attendance(household.owner(name, hall.connect), Datasets(household.place / f"{name}.data"), say, quick())
        for name in household.names
    ]


def until(done: Callable[[], Any]) -> None:
    while not done():
        time.sleep(0.01)


def test_agents_take_part_in_what_waits_for_their_owners(hall: Hall, household: Household) -> None:
    said: list[str] = []
    agents = attendances(hall, household, said.append)
    for number, attendance in enumerate(agents):
        attendance.owner.register()
        attendance.datasets.write("job", [Decimal(number), Decimal("0.5")])
        assert attendance.look() == []
        hall.report(attendance.owner.client)
    threads = [thread for attendance in agents for thread in attendance.look()]
    assert len(threads) == 3
    assert agents[0].look() == []  # it is under way
    for thread in threads:
        thread.join()
    assert hall.sessions.finish("job").output == ("3", "1.5")
    assert all(attendance.datasets.read("job") is None for attendance in agents)
    assert not any("0.5" in line for line in said)


def test_an_agent_without_the_vector_waits_for_it(hall: Hall, household: Household) -> None:
    agents = attendances(hall, household, lambda line: None)
    for attendance in agents:
        attendance.owner.register()
        hall.report(attendance.owner.client)
    assert agents[0].look() == []
    agents[0].datasets.write("job", [Decimal(1)])
    assert len(agents[0].look()) == 1
    hall.sessions._tending.fail(hall.sessions.read("job"), "the test is over")


def test_other_values_for_a_job_under_way_are_refused(
    hall: Hall, household: Household, owner: Owner, agent: TestClient, datasets: Datasets
) -> None:
    attendance = Attendance(owner, datasets, lambda line: None, quick())
    agent.post("/api/update-dataset/job", json={"type": "int", "data": [1]})
    for name in household.names:
        household.owner(name, hall.connect).register()
        hall.report(name)
    [thread] = attendance.look()
    until(lambda: hall.sent("advertise"))
    assert agent.post("/api/update-dataset/job", json={"type": "int", "data": [2]}).status_code == 409
    assert agent.post("/api/update-dataset/job", json={"type": "int", "data": [1]}).status_code == 200
    hall.sessions._tending.fail(hall.sessions.read("job"), "the test is over")
    thread.join()


def test_a_session_that_the_owner_refuses_is_given_up(hall: Hall, household: Household, tmp_path: Path) -> None:
    said: list[str] = []
    attendance = attendances(hall, household, said.append)[0]
    attendance.datasets.write("job", [Decimal(1)])
    for name in household.names:
        household.owner(name, hall.connect).register()
        hall.report(name)
    roster = household.place / "roster.json"
    roster.write_text(roster.read_text().replace('"o2"', '"somebody else"'))
    attendance.owner = household.owner("o0", hall.connect)
    [thread] = attendance.look()
    thread.join()
    assert said == ["job job: o0 does not take part: its roster has no key of o2"]
    assert attendance.look() == []


def test_an_agent_outlives_a_server_that_says_no(household: Household, datasets: Datasets) -> None:
    said: list[str] = []

    def refused(request: httpx.Request) -> httpx.Response:
        if len(said) >= 2:
            attendance.ended.set()
        return httpx.Response(403, json={"error": "the key is not known"})

    owner = household.owner("o0", lambda: httpx.Client(transport=httpx.MockTransport(refused)))
    attendance = Attendance(owner, datasets, said.append, quick())
    attendance.run()
    assert set(said) == {"the key is not known"}
