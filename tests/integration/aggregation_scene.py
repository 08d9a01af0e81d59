"""Owners of the aggregation room as processes and as threads, and whoever is told the results."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx

from infra.local.cloud import ROOT
from infra.local.demo.aggregation_owner import SILENT
from infra.local.demo.aggregation_records import Hospital, write_schema
from infra.local.endpoints import Endpoints
from infra.local.stack import Aws
from quintet.aggregation.secagg.identity import Roster
from quintet.sdk import Owner, Wishes
from quintet.sdk.identity_file import create_identity
from quintet.sdk.progress import Listener, silent
from tests.clouds import LocalCloud

PATIENCE = 240.0
"""Seconds, on a machine that does much else."""

OWNER = (sys.executable, "-m", "infra.local.demo.aggregation_owner")
MINIMUM = 15

FEW = [{"name": "age", "dataType": "NUMERIC"}]
"""As the original's vectors: seven numbers."""


@dataclass(frozen=True)
class Posted:
    key: str
    body: bytes


@dataclass
class ResultsService:
    """Where results are posted. While `held` is clear nobody is answered."""

    posted: list[Posted] = field(default_factory=list)
    held: Event = field(default_factory=Event)
    url: str = ""

    def of(self, job: str) -> list[Posted]:
        return [one for one in self.posted if json.loads(one.body)["jobId"] == job]


@contextmanager
def results_service() -> Iterator[ResultsService]:
    service = ResultsService()
    service.held.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.posted.append(Posted(self.headers["Idempotency-Key"], body))
            service.held.wait(PATIENCE)
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/results"
        Thread(target=server.serve_forever, daemon=True).start()
        yield service
        service.held.set()
        server.shutdown()


@dataclass(frozen=True)
class Room:
    """The room in a cloud of its own."""

    cloud: LocalCloud
    results: ResultsService

    @property
    def endpoints(self) -> Endpoints:
        return self.cloud.endpoints

    @property
    def url(self) -> str:
        return str(self.endpoints.rooms["aggregation"].http)

    @property
    def key(self) -> str:
        return self.endpoints.credentials["aggregation"]["api_key"]

    @property
    def aws(self) -> Aws:
        return Aws(str(self.endpoints.aws))

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-API-Key": self.key}, timeout=60)

    def status(self, job: str) -> dict[str, Any]:
        with self.http() as http:
            answer = http.get(f"/api/job-status/{job}")
        return dict(answer.json()) if answer.status_code == 200 else {}

    def round(self, job: str) -> str:
        return str((self.status(job).get("aggregation") or {}).get("round", ""))

    def swept(self, done: bool) -> bool:
        """Whether it is `done`; else the schedule's message is sent, which comes each minute besides."""
        if not done:
            self.sweep()
        return done

    def sweep(self) -> None:
        queue = self.endpoints.queues["aggregation aggregate"]
        self.aws.client("sqs").send_message(QueueUrl=queue, MessageBody='{"about": "sweep"}')

    def files(self, job: str) -> dict[str, bytes]:
        s3, bucket = self.aws.client("s3"), self.endpoints.bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"aggregation/results/{job}").get("Contents", [])
        return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def until(
    found: Callable[[], Any], patience: float = PATIENCE, pause: float = 0.3, tell: Callable[[], object] = str
) -> Any:
    """What it gives once that is something; `tell` says how things stand where it never is."""
    deadline = time.monotonic() + patience
    while not (value := found()):
        assert time.monotonic() < deadline, f"it did not happen within {patience:.0f} s: {tell()}"
        time.sleep(pause)
    return value


def identities(folder: Path, names: Sequence[str]) -> None:
    """Each owner's key, and the roster that all have."""
    keys = {name: create_identity(folder / f"{name}.key").public for name in names}
    (folder / "roster.json").write_text(Roster(keys).to_json())


def write_records(folder: Path, known: Sequence[Hospital]) -> None:
    identities(folder, [one.name for one in known])
    write_schema(folder)
    for one in known:
        one.write(folder)


@contextmanager
def owner_processes(
    room: Room, folder: Path, job: str, names: Sequence[str], silent_after: Mapping[str, str], round_seconds: float
) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """One for each; those who fall silent are killed then."""
    about = (job, "--folder", str(folder), "--url", room.url, "--clients", str(len(names)),
             "--minimum", str(MINIMUM), "--round-seconds", str(round_seconds))  # fmt: skip
    processes = {
        name: started([*OWNER, *about, "--client", name, "--silent-after", silent_after.get(name, "")], room.key)
        for name in names
    }
    killers = [Thread(target=kill_when_silent, args=(processes[name],), daemon=True) for name in silent_after]
    for killer in killers:
        killer.start()
    try:
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
        for killer in killers:
            killer.join()
        for process in processes.values():
            process.communicate()


def started(command: Sequence[str], key: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=ROOT, env=environment)  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(f"{key}\n")
    process.stdin.flush()
    return process


def kill_when_silent(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    if process.stdout.readline().strip() == SILENT:
        process.kill()


@dataclass
class Few:
    """Owners in threads of this process, each with its vector of FEW."""

    room: Room
    folder: Path
    job: str
    names: Sequence[str]
    round_seconds: float = 60

    def __post_init__(self) -> None:
        identities(self.folder, self.names)
        self.threads = ThreadPoolExecutor(len(self.names))

    def vector(self, name: str) -> list[Decimal]:
        number = self.names.index(name) + 1
        return [
            Decimal(100),
            Decimal(-number),
            Decimal(f"{number}.{number:09d}"),
            *map(Decimal, range(number, number + 4)),
        ]

    @property
    def sum(self) -> list[Decimal]:
        return [sum(column, Decimal(0)) for column in zip(*map(self.vector, self.names), strict=True)]

    def status(self) -> dict[str, Any]:
        return self.room.status(self.job)

    def owner(self, name: str) -> Owner:
        return Owner(
            name,
            identity=self.folder / f"{name}.key",
            roster=self.folder / "roster.json",
            url=self.room.url,
            api_key=self.room.key,
        )

    def give(self, name: str, progress: Listener = silent) -> "Future[dict[str, Any]]":
        return self.threads.submit(
            self.owner(name).contribute,
            self.job,
            self.vector(name),
            total_clients=len(self.names),
            schema=FEW,
            wishes=Wishes(round_seconds=self.round_seconds),
            progress=progress,
        )
