"""A server in this process for the owners' side: the real sessions behind the room's routes, without a network."""

import json
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

import httpx

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.messages import Update
from quintet.aggregation.owners import Owners
from quintet.aggregation.secagg.identity import Roster
from quintet.aggregation.secagg.messages import parsed
from quintet.aggregation.sessions import Sessions
from quintet.aggregation.settings import Jobs
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import QuintetError
from quintet.sdk import Owner
from quintet.sdk.identity_file import create_identity
from quintet.sdk.waiting import Pace

URL = "http://hall"


@dataclass
class Request:
    method: str
    path: str
    body: bytes
    query: dict[str, str]

    @property
    def client(self) -> str:
        return self.query.get("client", "")


@dataclass
class Hall:
    """`seen` is every request's method, path and body."""

    round_seconds: float = 30
    sessions: Sessions = field(init=False)
    reports: dict[str, list[str]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    summed: list[str] | None = None
    lock: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        clock = SystemClock()
        rows = MemoryRows(clock)
        settings = Jobs(round_seconds=self.round_seconds)
        self.sessions = Sessions(rows, MemoryObjects(), Owners(rows, clock), clock, settings)

    def connect(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        asked = Request(request.method, path, request.read(), dict(request.url.params))
        if "X-API-Key" in request.headers:
            self.keys.add(request.headers["X-API-Key"])
        with self.lock:
            self.seen.append(asked)
            try:
                return httpx.Response(200, json=self._answer(asked))
            except QuintetError as error:
                return httpx.Response(error.status, json={"error": error.message})

    def sent(self, round_: str) -> list[bytes]:
        """The bodies of all messages of a round, in the order of their arrival."""
        return [one.body for one in self.seen if one.method == "POST" and one.path.endswith(f"/{round_}")]

    def _answer(self, asked: Request) -> Any:  # noqa: PLR0911 - a route a line
        match [asked.method, *asked.path.strip("/").split("/")[1:]]:
            case ["POST", "register-client"]:
                return self._register(json.loads(asked.body))
            case ["POST", "update"]:
                return self._update(Update.model_validate_json(asked.body))
            case ["GET", "job-status", job]:
                return self._status(job)
            case ["GET", "secagg", "clients", client, "sessions"]:
                return {"sessions": [one.model_dump(mode="json") for one in self.sessions.waiting_for(client)]}
            case ["GET", "secagg", "jobs", job]:
                return self.sessions.standing(job, asked.client).model_dump(mode="json")
            case ["GET", "secagg", "jobs", job, closed]:
                return self.sessions.given(job, closed, asked.client)  # type: ignore[arg-type]
            case ["POST", "secagg", "jobs", job, round_]:
                message = parsed(round_, asked.body)  # type: ignore[arg-type]
                return self.sessions.take(job, round_, message).model_dump(mode="json")  # type: ignore[arg-type]
        raise AssertionError(asked.path)

    def _register(self, body: dict[str, Any]) -> str:
        key = b64decode(body["signing_key"])
        client, caller = body["client_id"], body["client_id"]
        owners = self.sessions.owners
        owners.register(client, caller, port=body["port"], crt=body["crt"], signing_key=key, force=body["force"])
        return ""

    def _update(self, update: Update) -> dict[str, str]:
        there = self.reports.setdefault(update.job, [])
        self.totals[update.job] = update.total
        if update.client not in there:
            there.append(update.client)
        if len(there) == update.total:
            self.sessions.open(update.job, there, size=None, minimum=update.minimum or 0)
        return {"message": "recorded"}

    def report(self, client: str) -> None:
        self._update(Update(job="job", client=client, total=3))

    def _status(self, job: str) -> dict[str, Any]:
        done, total = len(self.reports[job]), self.totals[job]
        outcome = self.sessions.finish(job) if self.sessions.outcome(job) else None
        state = "IN_PROGRESS" if outcome is None else outcome.status
        return {
            "jobId": job,
            "status": state if state in ("IN_PROGRESS", "COMPLETED", "FAILED") else "AGGREGATING",
            "message": outcome.message if outcome else "",
            "progress": {"doneCount": done, "totalClients": total},
            "result": list(outcome.output) if outcome else [],
            "clients": list(outcome.clients) if outcome else [],
            "metadata": {"summedClients": self.summed} if self.summed else {},
            "aggregation": self.sessions.progress(job) if outcome else None,
        }


def quick() -> Pace:
    """Waits that let other threads go on, and no more."""
    return Pace(sleep=lambda seconds: time.sleep(0.001))


@dataclass(frozen=True)
class Household:
    """Owners `o0`, `o1` … with their files in `place`."""

    place: Path
    count: int

    def __post_init__(self) -> None:
        keys = {name: create_identity(self.place / f"{name}.key").public for name in self.names}
        (self.place / "roster.json").write_text(Roster(keys).to_json())

    @property
    def names(self) -> list[str]:
        return [f"o{number}" for number in range(self.count)]

    def owner(self, name: str, connect: Callable[[], httpx.Client], **more: Any) -> Owner:
        files: dict[str, Any] = {"identity": self.place / f"{name}.key", "roster": self.place / "roster.json"}
        return Owner(name, **files, url=URL, pace=quick, connect=connect, **more)
