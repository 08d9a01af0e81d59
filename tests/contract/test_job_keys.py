"""What every store of the documented keys promises."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from quintet.adapters.memory_jobs import MemoryJobKeys
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_jobs import RedisJobKeys
from quintet.kernel.clock import SteppedClock, SystemClock
from quintet.kernel.errors import Misconfigured, Unavailable
from quintet.kernel.job_keys import DurableJob, JobHash, JobKeys, Recorded
from tests.contract.conftest import AtOnce

SCHEMA = json.dumps([{"name": "age", "dataType": "NUMERIC"}, {"name": "ü", "dataType": "BOOLEAN"}])
NEW = DurableJob(3, "", (), "", SystemClock().now() + timedelta(days=1))
FINAL = json.dumps({"jobId": "j1", "status": "COMPLETED", "computationOutput": ["1"]})
Lose = Callable[[], object]


class JobKeysContract:
    @pytest.fixture
    def keys(self) -> JobKeys:
        raise NotImplementedError

    @pytest.fixture
    def lose(self) -> Lose:
        """Loses all keys."""
        raise NotImplementedError

    def test_a_client_counts_once(self, keys: JobKeys) -> None:
        assert keys.record("j1", "a", NEW) == Recorded(True, 1, 3, created=True)
        assert keys.record("j1", "a", NEW) == Recorded(False, 1, 3)
        assert keys.record("j1", "b", NEW) == Recorded(True, 2, 3)
        assert standing(keys) == (3, 2, ["a", "b"])

    def test_one_too_many_is_not_counted(self, keys: JobKeys) -> None:
        for client in "abc":
            keys.record("j1", client, NEW)
        assert keys.record("j1", "d", NEW) == Recorded(False, 3, 3, full=True)
        assert keys.record("j1", "c", NEW) == Recorded(False, 3, 3)
        assert standing(keys) == (3, 3, ["a", "b", "c"])

    @pytest.mark.parametrize("name", ["j1", "a b", "{j}", "日本:ü", "*", "j1:x"])
    def test_a_job_and_a_client_may_be_called_anything(self, keys: JobKeys, name: str) -> None:
        keys.record(name, name, NEW)
        keys.record(f"{name}.", "another", NEW)
        assert standing(keys, name) == (3, 1, [name])

    def test_what_is_not_there_is_none(self, keys: JobKeys) -> None:
        assert keys.read("j1") is None
        assert keys.absent(["j1", "j2"]) == ["j1", "j2"]
        keys.record("j2", "a", NEW)
        assert keys.absent(["j1", "j2"]) == ["j1"]
        assert keys.absent([]) == []

    def test_a_schema_is_stored_once(self, keys: JobKeys) -> None:
        with_schema = replace(NEW, schema_text=SCHEMA)
        assert not keys.record("j1", "a", NEW).schema_stored
        assert keys.record("j1", "b", with_schema) == Recorded(True, 2, 3, schema_stored=True)
        assert not keys.record("j1", "c", with_schema).schema_stored
        assert read(keys).schema_text == SCHEMA
        assert keys.record("j2", "a", with_schema).schema_stored

    def test_absent_keys_are_made_of_what_is_durable(self, keys: JobKeys, lose: Lose) -> None:
        for client in "ab":
            keys.record("j1", client, NEW)
        lose()
        durable = DurableJob(3, SCHEMA, ("a", "b"), "", NEW.expires_at)
        assert keys.record("j1", "c", durable) == Recorded(True, 3, 3, created=True, schema_stored=True)
        lose()
        assert keys.record("j1", "b", durable) == Recorded(False, 2, 3, created=True, schema_stored=True)
        assert standing(keys) == (3, 2, ["a", "b"])

    def test_no_client_is_taken_away_while_others_may_come(self, keys: JobKeys) -> None:
        keys.record("j1", "a", NEW)
        keys.write("j1", DurableJob(3, SCHEMA, ("b",), "", NEW.expires_at))
        assert standing(keys) == (3, 2, ["a", "b"])
        assert read(keys).schema_text == SCHEMA

    def test_what_is_final_is_exact(self, keys: JobKeys) -> None:
        for client in "axy":
            keys.record("j1", client, NEW)
        keys.write("j1", DurableJob(3, "", ("a", "b", "c"), "", NEW.expires_at))
        assert standing(keys) == (3, 3, ["a", "b", "c"])
        keys.write("j1", DurableJob(3, "", ("a", "b"), FINAL, NEW.expires_at))
        assert standing(keys) == (3, 2, ["a", "b"])

    def test_a_late_word_forgets_neither_schema_nor_result(self, keys: JobKeys) -> None:
        keys.write("j1", DurableJob(3, SCHEMA, ("a", "b", "c"), FINAL, NEW.expires_at))
        keys.write("j1", replace(NEW, clients=("a", "b")))
        assert read(keys) == JobHash(3, 3, SCHEMA, FINAL, read(keys).clients)

    def test_many_clients(self, keys: JobKeys, lose: Lose) -> None:
        clients = tuple(f"client {number:04d}" for number in range(2500))
        durable = DurableJob(2501, SCHEMA, clients, "", NEW.expires_at)
        assert keys.record("j1", "last", durable).done == 2501
        lose()
        keys.write("j1", durable)
        assert standing(keys) == (2501, 2500, [*clients])

    def test_of_many_at_once_each_counts_once(self, keys: JobKeys, at_once: AtOnce) -> None:
        durable = replace(NEW, total=5)
        outcomes = at_once(lambda number: keys.record("j1", f"c{number % 8}", durable))
        counted = [outcome for outcome in outcomes if isinstance(outcome, Recorded)]
        assert len(counted) == 16
        assert sorted(one.done for one in counted if one.new) == [1, 2, 3, 4, 5]
        assert sum(one.created for one in counted) == 1
        assert sum(one.full for one in counted) == 2 * 3


def read(keys: JobKeys, job: str = "j1") -> JobHash:
    found = keys.read(job)
    assert found is not None
    return found


def standing(keys: JobKeys, job: str = "j1") -> tuple[int, int, list[str]]:
    found = read(keys, job)
    return found.total, found.done, sorted(found.clients)


class TestMemoryJobKeys(JobKeysContract):
    @pytest.fixture
    def keys(self) -> MemoryJobKeys:
        return MemoryJobKeys()

    @pytest.fixture
    def lose(self, keys: MemoryJobKeys) -> Lose:
        return keys.flush

    def test_they_end_with_their_time(self) -> None:
        clock = SteppedClock(NEW.expires_at)
        keys = MemoryJobKeys(clock)
        keys.record("j1", "a", NEW)
        assert keys.read("j1") is None


class TestRedisJobKeys(JobKeysContract):
    @pytest.fixture
    def redis(self, redis_url: str) -> Iterator[Any]:
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            redis.flushdb()
            yield redis

    @pytest.fixture
    def keys(self, redis: Any, redis_url: str) -> RedisJobKeys:
        return RedisJobKeys(RedisConnection(redis_url))

    @pytest.fixture
    def lose(self, redis: Any) -> Lose:
        return partial(redis.flushdb)

    def test_the_keys_are_those_that_the_document_names(self, keys: JobKeys, redis: Any) -> None:
        keys.record("shared_job_123", "client_A", replace(NEW, schema_text=SCHEMA))
        assert sorted(redis.keys()) == ["job:shared_job_123", "job:shared_job_123:updatedClients"]
        assert redis.hgetall("job:shared_job_123") == {
            "totalClients": "3",
            "doneCount": "1",
            "schema": SCHEMA,
            "finalResult": "",
        }
        assert redis.smembers("job:shared_job_123:updatedClients") == {"client_A"}
        keys.write("shared_job_123", DurableJob(3, SCHEMA, ("client_A",), FINAL, NEW.expires_at))
        assert json.loads(redis.hget("job:shared_job_123", "finalResult"))["status"] == "COMPLETED"

    def test_both_keys_end_with_the_job(self, keys: JobKeys, redis: Any) -> None:
        keys.write("empty", NEW)
        keys.record("empty", "a", NEW)
        keys.record("j1", "a", NEW)
        keys.write("j2", replace(NEW, clients=("a",)))
        keys_there = redis.keys()
        assert len(keys_there) == 6
        for key in keys_there:
            assert redis.pttl(key) == pytest.approx(86_400_000, abs=600_000)

    @pytest.mark.parametrize("lost", ["job:j1", "job:j1:updatedClients"])
    def test_of_two_keys_one_is_lost(self, keys: JobKeys, redis: Any, lost: str) -> None:
        for client in "ab":
            keys.record("j1", client, NEW)
        redis.delete(lost)
        assert keys.record("j1", "c", replace(NEW, clients=("a", "b"))).done == 3
        assert standing(keys) == (3, 3, ["a", "b", "c"])

    def test_a_connection_that_died_meanwhile_is_made_anew(self, keys: JobKeys, redis: Any) -> None:
        keys.record("j1", "a", NEW)
        redis.client_kill_filter(_type="normal", skipme=True)
        assert keys.record("j1", "b", NEW).done == 2

    def test_a_key_of_another_kind_is_refused(self, keys: JobKeys, redis: Any) -> None:
        redis.set("job:j1", "x")
        with pytest.raises(Unavailable):
            keys.record("j1", "a", NEW)


def each_use(keys: JobKeys) -> list[Callable[[], object]]:
    return [
        lambda: keys.record("j1", "a", NEW),
        lambda: keys.read("j1"),
        lambda: keys.write("j1", NEW),
        lambda: keys.absent(["j1"]),
    ]


def test_keys_that_are_away_are_unavailable(tmp_path: Path) -> None:
    for keys in (MemoryJobKeys(away=True), RedisJobKeys(RedisConnection(f"unix://{tmp_path}/nobody"))):
        for use in each_use(keys):
            with pytest.raises(Unavailable):
                use()


def test_a_url_that_is_none_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="REDIS_URL"):
        RedisJobKeys(RedisConnection("http://127.0.0.1")).read("j1")
