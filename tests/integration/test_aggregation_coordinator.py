"""Somebody else's aggregator over real HTTP: a small coordinator, spoken to as the original does, behind the room's own
functions.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quintet.aggregation.watching import Watch
from quintet.kernel.clock import SteppedClock
from tests.integration.aggregation_functions import Functions, functions_of

SCHEMA = [{"name": "isActive", "dataType": "BOOLEAN"}]
CLIENTS = ["c1", "c2", "c3"]

COORDINATOR = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ways, jobs, polls = sys.argv[1], {}, {}
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        job = self.path.rpartition("/")[2]
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(json.dumps([self.path, order]), flush=True)
        if job in jobs:
            return self.answer(409, {"message": "job already queued"})
        jobs[job] = order
        self.answer(404 if ways == "unknown" else 200, None)
    def do_GET(self):
        job = self.path.rpartition("/")[2]
        if job not in jobs:
            return self.answer(204, None)
        polls[job] = polls.get(job, 0) + 1
        states = {"completed": ["IN_QUEUE", "RUNNING", "VALIDATING", "COMPLETED"], "failed": ["RUNNING", "FAILED"],
                  "silent": ["RUNNING"]}[ways]
        state = states[min(polls[job], len(states)) - 1]
        said = {"jobId": job, "status": state, "computationType": "sum", "version": 1}
        if state == "COMPLETED":
            said["computationOutput"] = ["30", "12"]
        if state == "FAILED":
            said["message"] = "the players' results differ"
        self.answer(200, said)
    def answer(self, status, body):
        content = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


@contextmanager
def coordinator(way: str) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, way, str(port)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield port, process
        process.kill()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(datetime.now(UTC))


@contextmanager
def room_with(port: int, clock: SteppedClock, folder: Path) -> Iterator[Functions]:
    """Its waits pass at once."""
    settings = {"COORDINATOR_HOST": "127.0.0.1", "COORDINATOR_PORT": str(port), "RESULTS_SAVE_PATH": str(folder)}
    with functions_of(clock, **settings) as functions:
        functions.room.watch = Watch(every=3, sleep=clock.advance)
        yield functions


def all_report(functions: Functions, job: str) -> None:
    for client in CLIENTS:
        report = {"jobId": job, "clientId": client, "totalClients": 3, "schema": SCHEMA}
        assert functions.call("POST", "/api/update", report)[0] == 200


def test_its_sum_is_decoded_and_told(clock: SteppedClock, tmp_path: Path) -> None:
    with coordinator("completed") as (port, process), room_with(port, clock, tmp_path) as functions:
        all_report(functions, "j 1")
        functions.run_queues()
        _, status = functions.call("GET", "/api/job-status/j 1")
        process.kill()
        assert process.stdout is not None
        orders = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert status["status"] == "COMPLETED", status
    assert status["jobInfo"]["finalResult"]["computationOutput"] == ["30", "12"]
    assert status["aggregatedResults"][0]["aggregatedTrue"] == 12
    assert [path for path, _ in orders] == ["/api/secure-aggregation/job-id/j%201"]
    assert (orders[0][1]["computationType"], sorted(orders[0][1]["clients"])) == ("sum", CLIENTS)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["aggregatedResults"] == status["aggregatedResults"]


def test_its_failure_is_the_jobs_with_its_reason(clock: SteppedClock, tmp_path: Path) -> None:
    with coordinator("failed") as (port, _), room_with(port, clock, tmp_path) as functions:
        all_report(functions, "j2")
        functions.run_queues()
        _, status = functions.call("GET", "/api/job-status/j2")
    assert (status["status"], status["reason"]) == ("FAILED", "the players' results differ")


def test_one_that_does_not_know_the_clients_fails_the_job_at_once(clock: SteppedClock, tmp_path: Path) -> None:
    with coordinator("unknown") as (port, _), room_with(port, clock, tmp_path) as functions:
        all_report(functions, "j3")
        functions.run_queues()
        assert functions.call("GET", "/api/job-status/j3")[1]["status"] == "FAILED"


def test_one_that_never_ends_is_given_up_at_the_deadline(clock: SteppedClock, tmp_path: Path) -> None:
    with coordinator("silent") as (port, _), room_with(port, clock, tmp_path) as functions:
        all_report(functions, "j4")
        functions.run_queues()
        _, status = functions.call("GET", "/api/job-status/j4")
    assert status["status"] == "FAILED"
    assert "1200 seconds" in status["reason"]


def test_one_that_is_not_there_is_asked_until_the_deadline(clock: SteppedClock, tmp_path: Path) -> None:
    with room_with(free_port(), clock, tmp_path) as functions:
        all_report(functions, "j5")
        functions.run_queues()
        assert functions.call("GET", "/api/job-status/j5")[1]["status"] == "AGGREGATING"
        clock.advance(1300)
        functions.sweep()
        assert functions.call("GET", "/api/job-status/j5")[1]["status"] == "FAILED"
