"""Whatever the interleaving of the last clients: as many as there are seats, and one start over exactly those."""

from datetime import UTC, datetime

import pytest
from redis import Redis

from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_jobs import RedisJobKeys
from quintet.aggregation.messages import Nudge, Update
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict
from quintet.kernel.rows import Rows
from tests.aggregation.job_room import JOB, OPERATOR, SCHEMA, JobRoom
from tests.contract.conftest import AtOnce

TOTAL = 12


def update(client: str, total: int = TOTAL) -> Update:
    return Update.model_validate({"jobId": JOB, "clientId": client, "totalClients": total, "schema": SCHEMA})


@pytest.fixture
def clock() -> SteppedClock:
    """Redis forgets by the machine's own."""
    return SteppedClock(datetime.now(UTC))


@pytest.fixture(params=["memory", "moto"])
def rows(request: pytest.FixtureRequest, clock: SteppedClock) -> Rows:
    if request.param == "memory":
        return MemoryRows(clock)
    return DynamoRows(request.getfixturevalue("moto_table"), clock)


@pytest.fixture(params=["Redis", "no Redis"])
def room(request: pytest.FixtureRequest, rows: Rows, clock: SteppedClock, redis_url: str) -> JobRoom:
    room = JobRoom(clock=clock, rows=rows, with_redis=False)
    if request.param == "Redis":
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        keys = RedisJobKeys(RedisConnection(redis_url, timeout=60))
        object.__setattr__(room.orchestrator, "keys", keys)
        object.__setattr__(room.driver, "keys", keys)
    return room


def test_as_many_as_there_are_seats_and_one_start(room: JobRoom, at_once: AtOnce) -> None:
    def come(number: int) -> str:
        """A client, and whoever looks after the job when its word comes."""
        client = f"c{number}"
        room.orchestrator.update(update(client), OPERATOR)
        room.driver.look_after(Nudge(job=JOB))
        return client

    outcomes = at_once(come)
    counted = {outcome for outcome in outcomes if isinstance(outcome, str)}
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert (len(counted), len(refused)) == (TOTAL, 16 - TOTAL), outcomes
    assert set(room.standing().clients) == counted
    room.look_after()
    assert {frozenset(clients) for _, clients in room.scripted.started} == {frozenset(counted)}
    assert (room.job().state, set(room.job().clients)) == ("AGGREGATING", counted)
    assert set(room.nudged()) == {JOB}


def test_each_says_it_twice_at_once(room: JobRoom, at_once: AtOnce) -> None:
    outcomes = at_once(lambda number: room.orchestrator.update(update(f"c{number // 2}", total=8), OPERATOR).new)
    assert (outcomes.count(True), outcomes.count(False)) == (8, 8), outcomes
    assert len(room.standing().reports) == 8
    assert room.nudged()


def test_one_of_many_ends_it(room: JobRoom, at_once: AtOnce) -> None:
    room.all_report(schema=SCHEMA)
    room.scripted.complete()
    at_once(lambda number: room.driver.look_after(Nudge(job=JOB)))
    assert (room.job().state, len(room.ended), len(room.outbox())) == ("COMPLETED", 1, 2)
