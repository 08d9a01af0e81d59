"""The server, for whoever only looks: how a job stands, and what has come of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from quintet.sdk.failures import JobFailed
from quintet.sdk.progress import Listener, Progress, of_status, silent
from quintet.sdk.room import Room
from quintet.sdk.transport import Transport
from quintet.sdk.waiting import Pace

Status = dict[str, Any]
"""An answer of /api/job-status."""

PATIENCE = 600.0
SECONDS = httpx.Timeout(60, connect=10)


def connect() -> httpx.Client:
    return httpx.Client(timeout=SECONDS)


@dataclass(frozen=True)
class Server:
    """One that is away for `patience` seconds is given up."""

    url: str
    api_key: str = field(default="", repr=False)
    patience: float = PATIENCE
    pace: Callable[[], Pace] = Pace
    connect: Callable[[], httpx.Client] = connect

    def status(self, job: str) -> Status:
        """How the job stands, with its result where it has one. Raises NotFound, Unavailable."""
        with self.room() as room:
            return room.status(job)

    def watch(self, job: str, progress: Listener = silent) -> Status:
        """Until the job is completed: its result. Raises JobFailed, NotFound, Unavailable."""
        with self.room() as room:
            *_, last = watched(room, job, progress, self.pace())
            return last

    @contextmanager
    def room(self, client: str = "") -> Iterator[Room]:
        with self.connect() as http:
            yield Room(Transport(self.url, self.api_key, http, self.patience, self.pace().sleep), client)


def watched(room: Room, job: str, progress: Listener, pace: Pace) -> Iterator[Status]:
    """Each status of `job` until it is completed. Raises JobFailed with the server's reason."""
    last: Progress | None = None
    while True:
        status = room.status(job)
        now = of_status(job, status)
        if now != last:
            progress(now)
        if last is None or now.stage != last.stage:  # not for each owner that comes: all the others would ask at once
            pace.begin_anew()
        last = now
        if status["status"] == "FAILED":
            raise JobFailed(str(status.get("reason") or status["message"]))
        yield status
        if status["status"] == "COMPLETED":
            return
        pace.wait()
