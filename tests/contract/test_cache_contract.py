"""What every cache promises."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from quintet.adapters.memory import MemoryCache
from quintet.adapters.redis_store import RedisCache
from quintet.entry.ports import Cache
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, Unavailable
from tests.contract.conftest import AtOnce

Wait = Callable[[float], None]


class CacheContract:
    @pytest.fixture
    def cache(self) -> Cache:
        raise NotImplementedError

    @pytest.fixture
    def wait(self) -> Wait:
        """Lets seconds pass."""
        raise NotImplementedError

    @pytest.mark.parametrize("value", [b"", b"text", bytes(range(256)), b"x" * 6_000_000], ids=len)
    def test_bytes_come_back_as_they_went(self, cache: Cache, value: bytes) -> None:
        cache.set("a", value, seconds=60)
        assert cache.get("a") == value

    @pytest.mark.parametrize("key", ["a", "job:1:{x}", "日本 ü", "a b\nc\x00"])
    def test_a_key_may_be_called_anything(self, cache: Cache, key: str) -> None:
        cache.set(key, b"here", seconds=60)
        cache.set(f"{key}.", b"elsewhere", seconds=60)
        assert cache.get(key) == b"here"

    def test_what_is_not_there_is_none(self, cache: Cache) -> None:
        assert cache.get("a") is None
        cache.set("a", b"x", seconds=60)
        cache.delete("a")
        cache.delete("a")
        assert cache.get("a") is None

    def test_the_last_set_stands(self, cache: Cache) -> None:
        cache.set("a", b"first", seconds=60)
        cache.set("a", b"second", seconds=60)
        assert cache.get("a") == b"second"

    def test_add_keeps_what_is_there(self, cache: Cache) -> None:
        assert cache.add("a", b"first", seconds=60)
        assert not cache.add("a", b"second", seconds=60)
        assert cache.get("a") == b"first"
        cache.delete("a")
        assert cache.add("a", b"third", seconds=60)

    def test_an_empty_value_is_a_value(self, cache: Cache) -> None:
        assert cache.add("a", b"", seconds=60)
        assert not cache.add("a", b"x", seconds=60)

    def test_a_value_ends_with_its_time(self, cache: Cache, wait: Wait) -> None:
        cache.set("a", b"x", seconds=1)
        cache.set("b", b"x", seconds=1)
        cache.set("b", b"x", seconds=60)
        assert cache.add("c", b"x", seconds=1)
        wait(1.1)
        assert (cache.get("a"), cache.get("b"), cache.get("c")) == (None, b"x", None)
        assert cache.add("a", b"y", seconds=60)

    def test_replace_asks_what_is_there(self, cache: Cache) -> None:
        assert not cache.replace("a", b"new", expect=b"old", seconds=60)
        assert not cache.replace("a", b"new", expect=b"", seconds=60)
        assert cache.get("a") is None
        cache.set("a", b"old", seconds=60)
        assert not cache.replace("a", b"new", expect=b"other", seconds=60)
        assert cache.get("a") == b"old"
        assert cache.replace("a", bytes(range(256)), expect=b"old", seconds=60)
        assert cache.replace("a", b"newest", expect=bytes(range(256)), seconds=60)
        assert cache.get("a") == b"newest"

    def test_what_replaces_has_its_own_time(self, cache: Cache, wait: Wait) -> None:
        cache.set("a", b"old", seconds=60)
        assert cache.replace("a", b"new", expect=b"old", seconds=1)
        cache.set("b", b"old", seconds=1)
        assert cache.replace("b", b"new", expect=b"old", seconds=60)
        wait(1.1)
        assert (cache.get("a"), cache.get("b")) == (None, b"new")
        assert not cache.replace("a", b"newest", expect=b"new", seconds=60)

    def test_one_of_many_replaces(self, cache: Cache, at_once: AtOnce) -> None:
        cache.set("a", b"old", seconds=60)
        outcomes = at_once(lambda number: cache.replace("a", str(number).encode(), expect=b"old", seconds=60))
        assert outcomes.count(True) == 1
        assert cache.get("a") == str(outcomes.index(True)).encode()

    def test_keys_are_told_by_how_they_begin(self, cache: Cache, wait: Wait) -> None:
        for key in ("a:1", "a:2", "ab", "b:a:1", "x*[y]?\\z:1", "xx[y]?\\z:1", "ü:1"):
            cache.set(key, b"x", seconds=60)
        cache.set("a:3", b"x", seconds=1)
        wait(1.1)
        assert sorted(cache.keys("a:")) == ["a:1", "a:2"]
        assert (cache.keys("x*[y]?\\z:"), cache.keys("ü"), cache.keys("c")) == (["x*[y]?\\z:1"], ["ü:1"], [])
        assert len(cache.keys("")) == 7

    def test_more_keys_than_are_told_at_once(self, cache: Cache) -> None:
        for number in range(2500):
            cache.set(f"many:{number}", b"", seconds=60)
        assert sorted(cache.keys("many:")) == sorted(f"many:{number}" for number in range(2500))

    def test_one_of_many_adds(self, cache: Cache, at_once: AtOnce) -> None:
        outcomes = at_once(lambda number: cache.add("a", str(number).encode(), seconds=60))
        assert outcomes.count(True) == 1
        assert outcomes.count(False) == 15
        assert cache.get("a") == str(outcomes.index(True)).encode()


class TestMemoryCache(CacheContract):
    @pytest.fixture
    def cache(self, clock: SteppedClock) -> Cache:
        return MemoryCache(clock)

    @pytest.fixture
    def wait(self, clock: SteppedClock) -> Wait:
        return clock.advance


class TestRedisCache(CacheContract):
    @pytest.fixture
    def cache(self, redis_url: str) -> Cache:
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        return RedisCache(redis_url)

    @pytest.fixture
    def wait(self) -> Wait:
        return time.sleep

    def test_a_connection_that_died_meanwhile_is_made_anew(self, cache: Cache, redis_url: str) -> None:
        cache.set("a", b"x", seconds=60)
        with Redis.from_url(redis_url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
        assert cache.get("a") == b"x"
        with Redis.from_url(redis_url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
        assert cache.add("b", b"x", seconds=60)

    def test_a_key_of_another_kind_is_refused(self, cache: Cache, redis_url: str) -> None:
        with Redis.from_url(redis_url) as redis:
            redis.rpush("list", "x")
        with pytest.raises(Unavailable):
            cache.get("list")


def each_use(cache: Cache) -> list[Callable[[], Any]]:
    return [
        lambda: cache.get("a"),
        lambda: cache.set("a", b"x", seconds=1),
        lambda: cache.add("a", b"x", seconds=1),
        lambda: cache.delete("a"),
        lambda: cache.replace("a", b"x", expect=b"y", seconds=1),
        lambda: cache.keys("a"),
    ]


def test_a_memory_that_is_away_is_unavailable() -> None:
    cache = MemoryCache()
    cache.away = True
    for use in each_use(cache):
        with pytest.raises(Unavailable):
            use()


def test_a_redis_that_is_away_is_unavailable(tmp_path: Path) -> None:
    for use in each_use(RedisCache(f"unix://{tmp_path}/nobody")):
        with pytest.raises(Unavailable):
            use()


def test_a_url_that_is_none_is_named_without_its_password() -> None:
    with pytest.raises(Misconfigured, match="REDIS_URL") as refusal:
        RedisCache("http://:secret@127.0.0.1").get("a")
    assert "secret" not in repr(refusal.value) + str(refusal.value.details)
