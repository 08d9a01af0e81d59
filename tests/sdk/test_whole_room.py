"""The owners' side against the room itself: its routes, its ledger, its rounds and its functions, in one process."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.messages import Nudge
from quintet.aggregation.schema import features_of
from quintet.aggregation.vectors import vector
from quintet.aggregation.wiring import AggregationRoom
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import Conflict, PermissionDenied
from quintet.sdk import DroppedOut, JobFailed, Progress, Wishes
from tests.aggregation.rounds_room import open_room
from tests.sdk.hall import Household
from tests.sdk.test_crashes import Killed

SCHEMA: list[dict[str, Any]] = [
    {"name": "age", "dataType": "NUMERIC", "encoding": "pooled", "low": 0, "high": 100, "bins": 10},
    {"name": "sick", "dataType": "BOOLEAN"},
]


class Server:
    """The room's app, and whoever looks after its queue meanwhile."""

    def __init__(self, room: AggregationRoom, app: Any) -> None:
        self._room, self._client, self._lock, self._ended = room, TestClient(app), Lock(), Event()
        self._thread = Thread(target=self._look_after)
        self._thread.start()

    def connect(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        with self._lock:
            told = self._client.request(
                request.method, path, content=request.read(), headers=dict(request.headers), follow_redirects=False
            )
        return httpx.Response(told.status_code, content=told.content, headers={"Content-Type": "application/json"})

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look_after(self) -> None:
        done, sweep = 0, Nudge(about="sweep")
        while not self._ended.wait(0.02):
            sent: list[tuple[str, Any]] = self._room.nudges.sent  # type: ignore[attr-defined]
            waiting = [Nudge.model_validate_json(body) for body, _ in sent[done:]]
            done = len(sent)
            with self._lock:
                for nudge in waiting or [sweep]:
                    self._room.driver.look_after(nudge)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from quintet.aggregation.http import app

    with open_room(monkeypatch) as room:
        room.clock = SystemClock()
        room.rows = MemoryRows(room.clock)
        made = Server(room, app)
        yield made
        made.end()


def ages(number: int) -> dict[str, list[Any]]:
    return {"age": [number + place + Decimal("0.5") for place in range(9)], "sick": [True, False, number % 2 == 0]}


def contribute(server: Server, household: Household, name: str, **more: Any) -> dict[str, Any]:
    made = vector(features_of(SCHEMA), ages(int(name[1:])))
    return household.owner(name, more.pop("connect", server.connect)).contribute(
        "job", made, total_clients=household.count, schema=SCHEMA, **more
    )


def test_owners_get_the_decoded_result(server: Server, household: Household) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda name: contribute(server, household, name), household.names))
    assert results[0] == results[1] == results[2]
    age, sick = results[0]["aggregatedResults"]
    assert (age["pooled"]["count"], age["pooled"]["mean"]) == (27, 5.5)
    assert (sick["aggregatedNotNull"], sick["aggregatedTrue"]) == (9, 5)
    assert results[0]["metadata"]["summedClients"] == household.names


def test_the_rounds_are_seen_from_outside(server: Server, household: Household) -> None:
    heard: list[Progress] = []
    watcher = household.owner("o0", server.connect).server
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(contribute, server, household, name) for name in household.names[:2]]
        while not any(one.done() for one in others):
            try:
                if watcher.status("job")["progress"]["doneCount"] == 2:
                    break
            except Exception:  # noqa: BLE001, S110 - it is not there yet
                pass
        watching = pool.submit(watcher.watch, "job", heard.append)
        contribute(server, household, "o2")
        assert watching.result()["status"] == "COMPLETED"
    assert str(heard[0]) == "waiting for the owners to report 2/3"
    assert heard[-1].stage == "completed"


def test_owners_who_are_too_few_are_told_that_the_job_has_failed(server: Server, household: Household) -> None:
    wishes = Wishes(minimum=3, deadline_seconds=0.5)
    with ThreadPoolExecutor(2) as pool:
        for attempt in [pool.submit(contribute, server, household, name, wishes=wishes) for name in ("o0", "o1")]:
            with pytest.raises(JobFailed, match="2"):
                attempt.result()
    with pytest.raises((JobFailed, Conflict)):
        contribute(server, household, "o2")


def test_another_schema_is_refused(server: Server, household: Household) -> None:
    household.owner("o0", server.connect).server  # noqa: B018 - its files are good
    with server.connect() as http:
        http.post(
            "http://hall/api/update", json={"jobId": "job", "clientId": "o1", "totalClients": 3, "schema": SCHEMA}
        )
    other = [{"name": "height", "dataType": "BOOLEAN"}]
    with pytest.raises(Conflict, match="schema"):
        household.owner("o0", server.connect).contribute("job", [1, 1], total_clients=3, schema=other)


def test_one_falls_silent_and_comes_back_too_late(server: Server, tmp_path: Path) -> None:
    household = Household(tmp_path, 5)
    wishes = Wishes(minimum=4, round_seconds=2)

    def silent(progress: Progress) -> None:
        if progress.sent and progress.stage == "advertise":
            raise Killed

    def one(name: str) -> Any:
        if name == "o4":
            with pytest.raises(Killed):
                contribute(server, household, name, wishes=wishes, progress=silent)
            return None
        return contribute(server, household, name, wishes=wishes)

    with ThreadPoolExecutor(5) as pool:
        *results, _ = pool.map(one, household.names)
    assert results[0]["metadata"]["summedClients"] == household.names[:4]
    assert results[0]["aggregatedResults"][0]["pooled"]["count"] == 36
    with pytest.raises(DroppedOut, match="o4"):
        contribute(server, household, "o4", wishes=wishes)


def test_an_administrators_sum_is_taken_part_in(server: Server, household: Household) -> None:
    """An orchestrator that speaks to the coordinator's routes; there is no job of the room's own behind it."""
    owners = [household.owner(name, server.connect) for name in household.names]
    for owner in owners:
        owner.register()
    with server.connect() as http:
        order = {"computationType": "sum", "clients": household.names}
        assert http.post("http://hall/api/secure-aggregation/job-id/direct", json=order).status_code == 200
        assert [one.terms.job for one in owners[0].sessions()] == ["direct"]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda owner: owner.take_part("direct", [1, 2.5]), owners))
        deadline = time.monotonic() + 30
        while (told := http.get("http://hall/api/get-result/job-id/direct").json())["status"] != "COMPLETED":
            assert time.monotonic() < deadline, json.dumps(told)
    assert told["computationOutput"] == ["3", "7.5"]
    assert owners[0].sessions() == []


def test_a_policy_is_the_owners_own_whatever_the_server_asks(server: Server, household: Household) -> None:
    from quintet.aggregation.secagg.policy import Policy

    owners = [household.owner(name, server.connect) for name in household.names]
    for owner in owners:
        owner.register()
    with server.connect() as http:
        order = {"computationType": "sum", "clients": household.names}
        http.post("http://hall/api/secure-aggregation/job-id/direct", json=order)
    wary = household.owner("o0", server.connect, policy=Policy(least_cohort=4))
    with pytest.raises(PermissionDenied, match="fewer than the 4"):
        wary.take_part("direct", [1, 2.5])
