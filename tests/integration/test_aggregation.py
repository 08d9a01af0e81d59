"""The aggregation room as deployed: twenty owners' processes of whom three die, a sum that is exact, and a server that
knows nothing else; then whatever of the server dies.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from signal import SIGKILL
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import psutil
import pytest
from redis import Redis

from infra.local import redis as local_redis
from infra.local.cloud import ROOT, Cloud
from infra.local.demo.aggregation_records import (
    OWNERS,
    RANGES,
    SCHEMA,
    Hospital,
    columns,
    hospitals,
    true_sum,
)
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from quintet.aggregation.schema import features_of
from quintet.aggregation.secagg.fixed_point import encode
from quintet.aggregation.vectors import vector
from tests.clouds import LocalCloud
from tests.integration.aggregation_scene import (
    PATIENCE,
    Few,
    Room,
    owner_processes,
    results_service,
    until,
    write_records,
)
from tests.integration.aggregation_search import (
    FEWEST,
    KEPT,
    MEMORY,
    Finds,
    Needles,
    Search,
    functions,
    may_look_into,
    pid_of,
    plain,
    telling,
)

SILENT_AFTER = {"hospital-05": "advertise", "hospital-11": "share", "hospital-17": "mask"}
MISSING = {"hospital-05", "hospital-11"}
"""The third has left its masked vector, and is in the sum: dead owners' masks are put together by the others."""

ROUND_SECONDS = 45.0
"""So late may the living be on a busy machine; three rounds take so long, each for its dead."""

TWENTY_COME = 480.0
"""Seconds for twenty processes to start on a busy machine and for two rounds to wait for their dead."""

pytestmark = pytest.mark.timeout(1200)  # the first test waits for the cloud and for the twenty
PLANTED, SUM = "planted", "sum"
KILLS = {"api": 5, "aggregate": 2}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """In a cloud of its own: functions and servers of it are killed, and all of it is looked through."""
    own = LocalCloud(tmp_path_factory.mktemp("cloud"), ROOT / "template.yaml")
    with results_service() as results:
        own.up("--rooms", "aggregation", RESULTS_API_URL=results.url)
        yield Room(own, results)
        own.run("down")


@dataclass(frozen=True)
class Summed:
    """What came of the twenty owners' job."""

    job: str
    known: tuple[Hospital, ...]
    status: dict[str, Any]
    codes: dict[str, int]
    complaints: dict[str, str]
    while_it_went_on: Finds

    @property
    def survivors(self) -> list[Hospital]:
        return [one for one in self.known if one.name not in MISSING]

    @property
    def output(self) -> list[Decimal]:
        return [Decimal(text) for text in self.status["jobInfo"]["finalResult"]["computationOutput"]]


def telling_values(known: tuple[Hospital, ...], public: list[Decimal]) -> dict[str, list[Decimal]]:
    features = features_of(SCHEMA)
    return {one.name: telling(vector(features, columns(one.records)), public) for one in known}


@pytest.fixture(scope="module")
def summed(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Summed:
    job, known = f"records-{uuid4().hex[:8]}", tuple(hospitals())
    folder = tmp_path_factory.mktemp("owners")
    write_records(folder, known)
    values = telling_values(known, true_sum([one for one in known if one.name not in MISSING]))
    search = Search(room.endpoints, room.cloud.folder, Needles(values))
    names = [one.name for one in known]
    with owner_processes(room, folder, job, names, SILENT_AFTER, ROUND_SECONDS) as processes:
        until(partial(is_to_confirm, room, job), TWENTY_COME, tell=lambda: stand(room, job, processes))
        during = search.look("redis", "objects", "rows", "queues")
        codes = {name: process.wait(PATIENCE) for name, process in processes.items()}
        complaints = {name: text for name, process in processes.items() if (text := said(process))}
    return Summed(job, known, room.status(job), codes, complaints, during)


def is_to_confirm(room: Room, job: str) -> bool:
    """Whether the masked vectors are there and not yet unmasked."""
    status = room.status(job)
    assert status.get("status") not in {"COMPLETED", "FAILED"}, status
    return str((status.get("aggregation") or {}).get("round")) == "confirm"


def said(process: "subprocess.Popen[str]") -> str:
    """The error output of one that has ended."""
    assert process.stderr is not None
    return process.stderr.read().strip()


def stand(room: Room, job: str, processes: Mapping[str, "subprocess.Popen[str]"]) -> str:
    """How the job stands, and with which exit codes owners have ended."""
    ended = {name: process.returncode for name, process in processes.items() if process.poll() is not None}
    return f"{room.status(job)}; ended: {ended}"


def test_the_sum_is_that_of_the_survivors_digit_for_digit(summed: Summed) -> None:
    assert summed.status["status"] == "COMPLETED", summed.status
    summed_ones = set(summed.status["metadata"]["summedClients"])
    assert summed_ones == {one.name for one in summed.survivors}, summed.complaints
    assert summed.output == true_sum(summed.survivors)
    features = features_of(SCHEMA)
    words = [encode(vector(features, columns(one.records)), decimals=9, owners=OWNERS) for one in summed.survivors]
    assert [int(value * 10**9) % 2**64 for value in summed.output] == [int(total) for total in np.sum(words, axis=0)]


def test_three_were_killed_and_nobody_else_noticed(summed: Summed) -> None:
    assert {name for name, code in summed.codes.items() if code == -SIGKILL} == set(SILENT_AFTER)
    assert {code for name, code in summed.codes.items() if name not in SILENT_AFTER} == {0}, summed.complaints


def test_the_statistics_are_numpys_over_the_survivors_records(summed: Summed) -> None:
    decoded = {one["featureName"]: one for one in summed.status["aggregatedResults"]}
    for name, (low, high) in RANGES.items():
        records = np.array([float(record[name]) for one in summed.survivors for record in one.records])
        pooled = decoded[name]["pooled"]
        assert pooled["count"] == len(records)
        assert pooled["mean"] == pytest.approx(records.mean(), rel=1e-9)
        assert pooled["standardDeviation"] == pytest.approx(records.std(ddof=1), rel=1e-9)
        for quartile, share in (("q1", 25), ("q2", 50), ("q3", 75)):
            bounds, width = pooled["quartiles"][quartile], (high - low) / 50
            assert bounds["low"] - 1e-9 <= np.percentile(records, share) <= bounds["high"] + 1e-9
            assert bounds["high"] - bounds["low"] <= 2 * width + 1e-9
    malignant = [record["malignant"] for one in summed.survivors for record in one.records]
    assert decoded["malignant"]["aggregatedTrue"] == sum(malignant)
    assert decoded["grade"]["pooled"]["counts"]["malignant"] == sum(malignant)


def test_the_results_endpoint_and_the_file_have_it(summed: Summed, room: Room) -> None:
    posted = until(lambda: room.results.of(summed.job), tell=partial(room.status, summed.job))
    files = until(lambda: room.files(summed.job), tell=partial(room.status, summed.job))
    assert len({one.key for one in posted} | {""}) == 2, "one idempotency key"
    assert len({one.body for one in posted}) == 1
    told = json.loads(posted[0].body)
    assert set(told["clientList"]) == {one.name for one in summed.survivors}
    assert told["aggregatedResults"] == summed.status["aggregatedResults"]
    (name, content), *others = files.items()
    assert not others
    assert name.startswith(f"aggregation/results/{summed.job}_results_")
    assert json.loads(content)["aggregatedResults"] == told["aggregatedResults"]


@pytest.fixture(scope="module")
def found(summed: Summed, room: Room) -> Finds:
    """What one search finds of the owners' values, of their sum, and of the values of one that gave itself away."""
    owners = telling_values(summed.known, summed.output)
    assert min(map(len, owners.values())) >= FEWEST
    planted = [Decimal(f"{7000 + number}.{918273 + number}") for number in range(40)]
    grave = give_away(room, planted)
    given_away = f"given-away-{plain(planted[0])}"
    until(partial(has_failed, room, given_away), pause=2, tell=partial(room.status, given_away))
    needles = Needles({**owners, SUM: telling(summed.output), PLANTED: planted})
    search = Search(room.endpoints, room.cloud.folder, needles)
    found = search.look(*KEPT, *(MEMORY if may_look_into(room.cloud.folder) else ()))
    room.aws.client("sqs").purge_queue(QueueUrl=grave)
    return found


@pytest.fixture(params=[*KEPT, *MEMORY])
def found_there(request: pytest.FixtureRequest, found: Finds) -> set[str]:
    """Whose values were found in one of the places."""
    if request.param not in found:
        assert os.environ.get("CI") != "true", "CI must look into the servers' memory"
        pytest.skip("the memory of other processes is closed to this user")
    return found[request.param]


def test_no_owners_values_are_anywhere_at_the_servers(found_there: set[str]) -> None:
    assert found_there <= {SUM, PLANTED}


def test_one_that_gave_itself_away_is_found_in_every_place(found_there: set[str]) -> None:
    assert PLANTED in found_there


def test_the_sum_is_found_where_it_is_kept(found: Finds) -> None:
    assert all(SUM in found[kind] for kind in ("redis", "objects", *MEMORY) if kind in found)


def test_nothing_of_them_was_there_while_the_rounds_went_on(summed: Summed) -> None:
    assert summed.while_it_went_on == {kind: set() for kind in ("redis", "objects", "rows", "queues")}


def give_away(room: Room, values: list[Decimal]) -> str:
    """By the ways that are open to everybody; the queue of dead letters that has one now."""
    schema = [{"name": f"value {plain(value)}", "dataType": "BOOLEAN"} for value in values]
    words = encode(values, decimals=9, owners=2).astype("<u8").tobytes()
    report = {"jobId": f"given-away-{plain(values[0])}", "clientId": "c1", "totalClients": 3, "schema": schema}
    with room.http() as http:
        assert http.post("/api/update", json={**report, "deadlineSeconds": 0.1}).status_code == 200
        place = http.post("/uploads", json={"size": len(words), "content_type": "application/octet-stream"}).json()
        assert httpx.put(place["url"], content=words, headers=place["headers"]).is_success
    queues = room.aws.client("sqs")
    grave = str(queues.get_queue_url(QueueName="local-aggregation-aggregate-dead-letters")["QueueUrl"])
    queues.send_message(QueueUrl=grave, MessageBody=plain(values[1]))
    return grave


def test_two_last_clients_at_once_start_one_session(room: Room) -> None:
    jobs = [f"last-{number}-{uuid4().hex[:8]}" for number in range(8)]

    def report(job: str, client: str) -> int:
        with room.http() as http:
            body = {"jobId": job, "clientId": client, "totalClients": 4, "roundSeconds": 1}
            return http.post("/api/update", json=body).status_code

    with room.http() as http:
        for client in ("a", "b", "c", "d"):
            key = {"client_id": client, "port": 0, "crt": "", "force": True, "signing_key": "A" * 43 + "="}
            assert http.post("/api/register-client", json=key).status_code == 200
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: [report(job, "a"), report(job, "b")], jobs))
        last = [(job, client) for job in jobs for client in ("c", "d")]
        assert list(threads.map(lambda pair: report(*pair), last)) == [200] * len(last)
    for job in jobs:
        assert until(partial(sessions_of, room, job), tell=partial(room.status, job)) == 1
    for job in jobs:
        until(partial(has_failed, room, job), pause=2, tell=partial(room.status, job))
        assert sessions_of(room, job) == 1


def has_failed(room: Room, job: str) -> bool:
    return room.swept(room.status(job)["status"] == "FAILED")


def sessions_of(room: Room, job: str) -> int:
    """How many the server has ever opened for the job: each leaves its outcome, or its row."""
    dynamodb = room.aws.client("dynamodb")
    opened = {
        json.dumps(item, sort_keys=True, default=str)
        for table in dynamodb.list_tables()["TableNames"]
        for page in dynamodb.get_paginator("scan").paginate(TableName=table)
        for item in page["Items"]
        if item["pk"]["S"] == f"aggregation#session#{job}" and item["sk"]["S"] == "session"
    }
    return len(opened)


def test_functions_are_killed_in_the_midst_and_the_job_ends_all_the_same(room: Room, tmp_path: Path) -> None:
    few = Few(room, tmp_path, f"killed-{uuid4().hex[:8]}", ["ka", "kb", "kc", "kd"])
    room.results.held.clear()
    killed, over = dict[str, int](), Event()
    killer = Thread(target=kill_the_busy, args=(room, KILLS, killed, over), daemon=True)
    killer.start()
    try:
        gave = [few.give(name) for name in few.names]
        until(lambda: room.swept(all(one.done() for one in gave)), pause=2, tell=few.status)
        until(lambda: room.results.of(few.job), tell=few.status)
        for process in functions(room.cloud.folder, "-deliver"):
            process.send_signal(SIGKILL)  # it waits for an answer
    finally:
        room.results.held.set()
        over.set()
        killer.join()
    assert killed == KILLS
    for one in gave:
        assert [Decimal(text) for text in one.result()["jobInfo"]["finalResult"]["computationOutput"]] == few.sum
    posted = until(
        lambda: room.swept(len(room.results.of(few.job)) > 1) and room.results.of(few.job), pause=3, tell=few.status
    )
    assert len({(one.key, one.body) for one in posted}) == 1, "told again as the very same"
    assert len(until(lambda: room.files(few.job), tell=few.status)) == 1


def kill_the_busy(room: Room, wanted: dict[str, int], killed: dict[str, int], over: Event) -> None:
    """Each function so often, while it works."""
    spent: dict[int, float] = {}
    while not over.wait(0.05):
        for name, times in wanted.items():
            for process in functions(room.cloud.folder, f"-{name}"):
                with suppress(psutil.Error):
                    before = spent.get(process.pid)
                    spent[process.pid] = sum(process.cpu_times()[:2])
                    if before is not None and spent[process.pid] > before and killed.get(name, 0) < times:
                        process.send_signal(SIGKILL)
                        killed[name] = killed.get(name, 0) + 1
                        time.sleep(0.5)


def test_redis_dies_and_comes_back_empty_in_mid_job(room: Room, tmp_path: Path) -> None:
    few = Few(room, tmp_path, f"emptied-{uuid4().hex[:8]}", ["ra", "rb", "rc"])
    gave = [few.give("ra"), few.give("rb")]
    until(lambda: few.status().get("progress", {}).get("doneCount") == 2, tell=few.status)
    os.kill(pid_of(room.cloud.folder, "redis"), SIGKILL)
    gave.append(few.give("rc"))
    until(lambda: few.status()["status"] in {"AGGREGATING", "COMPLETED"}, tell=few.status)
    restart_redis(room)
    outputs = [one.result(240)["jobInfo"]["finalResult"]["computationOutput"] for one in gave]
    assert [[Decimal(text) for text in output] for output in outputs] == [few.sum] * 3
    with Redis.from_url(str(room.endpoints.redis), decode_responses=True) as redis:
        told = until(
            lambda: room.swept("finalResult" in (known := redis.hgetall(f"job:{few.job}"))) and known,
            pause=2,
            tell=few.status,
        )
        assert (told["doneCount"], told["totalClients"]) == ("3", "3")
        assert json.loads(told["finalResult"])["computationOutput"] == outputs[0]
        assert redis.smembers(f"job:{few.job}:updatedClients") == {"ra", "rb", "rc"}


def restart_redis(room: Room) -> None:
    """At its old port, with nothing in it."""
    progress = Progress()
    place = Cloud(Folder(room.cloud.folder), Ports(progress, always_free=True), progress, ROOT / "template.yaml")
    port = int(str(room.endpoints.redis).rpartition(":")[2].partition("/")[0])
    place.processes.start(local_redis.NAME, local_redis.command(place, port), {"PATH": os.defpath})
    local_redis.wait(port)
