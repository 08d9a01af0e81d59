"""The aggregation room with its state in memory, and owners who speak to it over HTTP."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.wiring import AggregationRoom, aggregation
from quintet.entry.caller import ApiKeyGate
from quintet.kernel.clock import SteppedClock
from tests.aggregation.gathering import JOB, Gathering, hall, key_of, named

OPERATOR = {"X-API-Key": "the-operator"}
KEYS = ["admin the-operator", *(f"key-of-{client}" for client in named(6))]
CLIENTS = named(4)
START = f"/api/secure-aggregation/job-id/{JOB}"


@contextmanager
def open_room(monkeypatch: pytest.MonkeyPatch, *, with_keys: bool = False) -> Iterator[AggregationRoom]:
    settings = {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "aggregation", "QUINTET_BUCKET": "bucket"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RETURN_URL_HOSTS", "hooks.example.org")
    for name in ("COORDINATOR_HOST", "ENABLE_API_KEYS", "REDIS_URL", "AGGREGATION_CALLERS"):
        monkeypatch.delenv(name, raising=False)
    aggregation.cache_clear()
    room = aggregation()
    room.clock = SteppedClock()
    room.rows, room.objects, room.keys = MemoryRows(room.clock), MemoryObjects(), None
    room.nudges, room.errands = MemoryQueue(), MemoryQueue()
    if with_keys:
        room.gate = ApiKeyGate(keys_text=lambda: "\n".join(KEYS), required=True)
    yield room
    aggregation.cache_clear()


def key_for(client: str) -> dict[str, str]:
    return {"X-API-Key": f"key-of-{client}"}


def registration(client: str, **other: Any) -> dict[str, Any]:
    key = b64encode(key_of(client).public).decode()
    return {"client_id": client, "port": 7100, "crt": f"crt of {client}", "signing_key": key, **other}


def registered(http: TestClient, clients: Iterable[str] = CLIENTS) -> None:
    for client in clients:
        answer = http.post("/api/register-client", json=registration(client), headers=key_for(client))
        assert answer.status_code == 200, answer.text


def started(http: TestClient, clients: Iterable[str] = CLIENTS, **other: Any) -> None:
    body = {"computationType": "sum", "clients": list(clients), **other}
    answer = http.post(START, json=body, headers=OPERATOR)
    assert answer.status_code == 200, answer.text


class RemoteGathering(Gathering):
    """Owners who ask over HTTP, each with its own key."""

    def __init__(self, http: TestClient, terms: Any) -> None:
        super().__init__(hall(0), terms, {})
        self._http = http

    def given(self, round_: Round, client: str) -> dict[str, Any]:
        answer = self._http.get(
            f"/api/secagg/jobs/{self.terms.job}/{round_}", params={"client": client}, headers=key_for(client)
        )
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = json.loads(answer.content)
        return told

    def send(self, round_: Round, client: str) -> None:
        answer = self._http.post(
            f"/api/secagg/jobs/{self.terms.job}/{round_}",
            content=self.message(round_, client).model_dump_json(),
            headers=key_for(client),
        )
        assert answer.status_code == 200, answer.text

    def all_rounds(self) -> None:
        for round_ in ROUNDS:
            self.round(round_, self.terms.clients)
