"""What the document promises of the log, point by point, through the room's doors with its parts in memory."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryQueue
from quintet.adapters.memory_calls import MemoryCalls
from quintet.adapters.memory_jobs import MemoryJobKeys
from quintet.aggregation import settings, wiring
from quintet.aggregation.messages import Nudge, Outcome
from quintet.aggregation.narration import NarratedAggregator, NarratedKeys
from quintet.aggregation.outbox import Errand
from quintet.aggregation.wiring import AggregationRoom, say
from quintet.kernel.errors import Unavailable
from quintet.kernel.log import logger
from quintet.kernel.settings import read
from quintet.kernel.text_log import write_text
from tests.aggregation.job_room import SCHEMA, SUM, ScriptedAggregator
from tests.aggregation.rounds_room import open_room

FILE = "computations-orchestrator.log"
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) "
    r"\[aggregation[a-z-]*\] \[computations-orchestrator\] \S.*"
)


class Scene:
    """The room with its log in a file."""

    def __init__(self, room: AggregationRoom, http: TestClient, folder: Path) -> None:
        self.room, self.http, self.folder = room, http, folder
        self.sums = ScriptedAggregator()
        self.memory = MemoryJobKeys(room.clock)
        room.keys = NarratedKeys(self.memory, say)
        room.aggregator = NarratedAggregator(self.sums, say)
        room.calls = MemoryCalls()
        room.dead_letters = MemoryQueue()

    def lines(self, *about: str) -> list[str]:
        """Level and message of those that hold all of `about`."""
        text = (self.folder / FILE).read_text().splitlines()
        assert all(map(LINE.fullmatch, text))
        short = [f"{line.split(' ')[2]} {line.partition('[computations-orchestrator] ')[2]}" for line in text]
        return [line for line in short if all(part in line for part in about)]

    def update(self, client: str, **more: Any) -> Any:
        body = {"jobId": "job_1", "clientId": client, "totalClients": 3, **more}
        return self.http.post("/api/update", json=body)

    def complete_a_job(self) -> None:
        for client in ("client_A", "client_B", "client_C"):
            self.update(client, schema=SCHEMA)
        self.room.driver.look_after(Nudge(job="job_1"))
        self.sums.result = Outcome(status="COMPLETED", output=SUM)
        self.room.driver.look_after(Nudge(job="job_1"))
        self.room.deliverer.deliver(Errand(job="job_1"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    folder = tmp_path / "logs"
    monkeypatch.setenv("CENTRALIZED_LOGGING_ENABLED", "true")
    monkeypatch.setenv("CENTRALIZED_LOGGING_PATH", str(folder))
    monkeypatch.setenv("RESULTS_API_URL", "http://results.internal/api/results")
    monkeypatch.setenv("RESULTS_SAVE_PATH", str(tmp_path / "results"))
    from quintet.aggregation.http import app

    back = wiring.log_as_set(read(settings.TextLog))
    monkeypatch.setattr(wiring, "log_as_set", lambda log: back)
    with open_room(monkeypatch) as room, TestClient(app, raise_server_exceptions=False) as http:
        yield Scene(room, http, folder)
    back()


def test_1_the_logs_folder_is_made_and_can_be_written_to(scene: Scene) -> None:
    assert (scene.folder / FILE).is_file()
    assert (scene.folder / FILE).stat().st_size > 0


def test_1_one_that_can_t_be_costs_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    back = wiring.log_as_set(settings.TextLog(enabled=True, path=str(tmp_path / "file/logs")))
    from quintet.aggregation.http import app

    with open_room(monkeypatch), TestClient(app, raise_server_exceptions=False) as http:
        assert http.get("/").status_code == 200
    back()


def test_2_the_start(scene: Scene) -> None:
    assert scene.lines("SERVICE STARTED") == ["INFO === COMPUTATIONS-ORCHESTRATOR SERVICE STARTED ==="]


def test_3_every_request(scene: Scene) -> None:
    scene.http.get("/")
    scene.http.get("/api/job-status/test_job")
    assert len(scene.lines("INFO request", "method=GET", "route=/ ", "status=200")) == 1
    assert len(scene.lines("INFO request", "method=GET", "route=/api/job-status/", "status=404")) == 1


def test_4_updates_with_their_total(scene: Scene) -> None:
    assert scene.update("client_A").status_code == 200
    assert scene.lines("Update received") == [
        "INFO [Orchestrator] Update received: job=job_1, clientId=client_A, totalClients=3"
    ]
    assert scene.lines("[Orchestrator]", "registered") == [
        "INFO [Orchestrator] job=job_1, clientId=client_A registered, doneCount=1/3"
    ]
    scene.update("client_A")
    assert scene.lines("[Orchestrator]", "already") == [
        "INFO [Orchestrator] job=job_1, clientId=client_A already updated. No increment."
    ]


def test_5_what_is_done_in_redis(scene: Scene) -> None:
    """A job is created, its schema stored, its clients counted."""
    scene.update("client_A")
    scene.update("client_B", schema=SCHEMA)
    told = scene.lines("[RedisService]")
    assert "INFO [RedisService] Created job record for job_1 with totalClients=3" in told
    assert [line for line in told if "Stored schema for job job_1: [{" in line]
    counted = [line for line in told if "doneCount=" in line and "clientId" in line]
    assert counted == [
        "INFO [RedisService] job=job_1, clientId=client_A, doneCount=1/3",
        "INFO [RedisService] job=job_1, clientId=client_B, doneCount=2/3",
    ]


def test_6_errors_are_marked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.update("client_A")
    assert scene.update("client_B", totalClients=4).status_code == 409
    assert len(scene.lines("WARNING [Orchestrator] Update refused: job=job_1, clientId=client_B: totalClients")) == 1
    assert scene.http.post("/api/update", json={"jobId": "x"}).status_code == 422

    def away(*_: object) -> None:
        raise Unavailable("Redis does not answer")

    monkeypatch.setattr(MemoryJobKeys, "record", away)
    assert scene.update("client_B").status_code == 200
    assert "ERROR [RedisService] job=job_1 could not be updated: Redis does not answer" in scene.lines("ERROR")
    monkeypatch.setattr(type(scene.room.ledger), "look", away)
    assert scene.update("client_C").status_code == 503
    assert len(scene.lines("ERROR request failed", "error=Unavailable", "reason=Redis does not answer")) == 1


def test_7_the_format(scene: Scene) -> None:
    scene.update("client_A")
    for name in ("aggregation", "aggregation-api", "aggregation-queue"):
        logger(name).warning("a\nb")
    lines = (scene.folder / FILE).read_text().splitlines()
    assert all(map(LINE.fullmatch, lines))
    assert {re.findall(r"\[(aggregation[a-z-]*)\]", line)[0] for line in lines[-3:]} == {
        "aggregation", "aggregation-api", "aggregation-queue",
    }  # fmt: skip


def test_8_lines_outlast_their_process(scene: Scene) -> None:
    scene.update("client_A")
    before = (scene.folder / FILE).read_text()
    back = write_text(["aggregation"], str(scene.folder), name="computations-orchestrator")
    back()
    after = (scene.folder / FILE).read_text()
    assert after.startswith(before)
    assert after.count("SERVICE STARTED") == 2


def test_9_a_job_from_its_first_client_to_its_result(scene: Scene) -> None:
    scene.complete_a_job()
    steps = [
        "Created job record for job_1 with totalClients=3",
        "Stored schema for job job_1",
        "clientId=client_C, doneCount=3/3",
        "All clients done for job job_1. Triggering aggregator in background.",
        "Starting secure aggregation for job job_1 with clients: client_A, client_B, client_C",
        "Secure aggregation started for job job_1.",
        "job job_1 in progress, status=RUNNING",
        "Aggregation completed for job job_1.",
        "job ended COMPLETED: job_1",
        "Job job_1: results sent to the API: 200",
        "Job job_1: results saved to: ",
    ]
    text = (scene.folder / FILE).read_text()
    places = [text.find(step) for step in steps]
    assert [step for step, place in zip(steps, places, strict=True) if place < 0] == []
    assert places == sorted(places)


def test_results_that_go_nowhere_are_in_the_log(scene: Scene) -> None:
    scene.room.results = settings.Results(sending=False, saving=False)
    scene.complete_a_job()
    assert "INFO [Aggregator] Feature 1/2: age (NUMERIC)" in scene.lines("[Aggregator]")
    assert "INFO [Aggregator]   → NotNull: 1000, True: 750, Percentage: 75.0%" in scene.lines("[Aggregator]")


def test_json_is_the_usual_log(tmp_path: Path) -> None:
    back = wiring.log_as_set(settings.TextLog(path=str(tmp_path / "logs")))
    back()
    assert not (tmp_path / "logs").exists()
