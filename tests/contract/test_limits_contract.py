"""What every count of requests and of failures promises."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from quintet.adapters.memory_limits import MemoryAttempts, MemoryRateLimit
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_limits import RedisAttempts, RedisRateLimit
from quintet.handover.limits import RateLimit
from quintet.handover.lockouts import Attempts
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from tests.contract.conftest import AtOnce

Wait = Callable[[float], None]
MOST, SECONDS = 5, 2


class RateLimitContract:
    @pytest.fixture
    def rate(self) -> RateLimit:
        """MOST requests in SECONDS."""
        raise NotImplementedError

    @pytest.fixture
    def wait(self) -> Wait:
        raise NotImplementedError

    def test_so_many_are_let_in_and_no_more(self, rate: RateLimit) -> None:
        assert [rate.take("a") for _ in range(MOST)] == [0.0] * MOST
        assert 0 < rate.take("a") <= SECONDS
        assert rate.take("b") == 0.0

    def test_a_refused_request_does_not_count(self, rate: RateLimit, wait: Wait) -> None:
        for _ in range(3 * MOST):
            rate.take("a")
        wait(SECONDS + 0.1)
        assert [rate.take("a") for _ in range(MOST)] == [0.0] * MOST

    def test_who_waits_as_told_is_let_in(self, rate: RateLimit, wait: Wait) -> None:
        for _ in range(MOST):
            rate.take("a")
        wait(rate.take("a") + 0.05)
        assert rate.take("a") == 0.0

    def test_of_many_at_once_no_more_are_let_in(self, rate: RateLimit, at_once: AtOnce) -> None:
        assert at_once(lambda number: rate.take("a")).count(0.0) == MOST

    @pytest.mark.parametrize("who", ["2001:db8::/64", "a b\n*", "ü"])
    def test_anybody_may_be_called_anything(self, rate: RateLimit, who: str) -> None:
        for _ in range(MOST):
            rate.take(who)
        assert rate.take(who) > 0
        assert rate.take(f"{who}.") == 0.0


class TestMemoryRateLimit(RateLimitContract):
    @pytest.fixture
    def rate(self, clock: SteppedClock) -> RateLimit:
        return MemoryRateLimit(MOST, SECONDS, clock)

    @pytest.fixture
    def wait(self, clock: SteppedClock) -> Wait:
        return clock.advance


class TestRedisRateLimit(RateLimitContract):
    @pytest.fixture
    def rate(self, connection: RedisConnection) -> RateLimit:
        return RedisRateLimit(connection, MOST, SECONDS)

    @pytest.fixture
    def wait(self) -> Wait:
        return time.sleep

    def test_all_environments_count_together(self, rate: RateLimit, redis_url: str) -> None:
        other = RedisRateLimit(RedisConnection(redis_url), MOST, SECONDS)
        assert [rate.take("a"), other.take("a"), rate.take("a"), other.take("a"), rate.take("a")] == [0.0] * MOST
        assert min(rate.take("a"), other.take("a")) > 0

    def test_nothing_of_it_stays(self, rate: RateLimit, redis_url: str) -> None:
        rate.take("a")
        with Redis.from_url(redis_url) as redis:
            assert [0 < redis.ttl(key) <= SECONDS for key in redis.scan_iter()] == [True]

    def test_a_connection_that_died_meanwhile_is_made_anew(self, rate: RateLimit, redis_url: str) -> None:
        rate.take("a")
        with Redis.from_url(redis_url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
            redis.script_flush()
        assert rate.take("a") == 0.0


class AttemptsContract:
    @pytest.fixture
    def attempts(self) -> Attempts:
        raise NotImplementedError

    @pytest.fixture
    def wait(self) -> Wait:
        raise NotImplementedError

    def test_failures_add_up_and_are_forgiven(self, attempts: Attempts) -> None:
        assert attempts.failures("a")[0] == 0
        assert [attempts.fail("a", seconds=60) for _ in range(3)] == [1, 2, 3]
        times, seconds = attempts.failures("a")
        assert (times, attempts.failures("b")[0]) == (3, 0)
        assert 50 < seconds <= 60
        attempts.forgive("a")
        attempts.forgive("a")
        assert attempts.failures("a")[0] == 0

    def test_they_are_forgotten_after_the_last_of_them(self, attempts: Attempts, wait: Wait) -> None:
        attempts.fail("a", seconds=2)
        wait(1.2)
        attempts.fail("a", seconds=2)
        wait(1.2)
        assert attempts.failures("a")[0] == 2
        wait(1.0)
        assert attempts.failures("a") == (0, 0.0)
        assert attempts.fail("a", seconds=2) == 1

    def test_all_are_told(self, attempts: Attempts, wait: Wait) -> None:
        assert attempts.all() == []
        for who in ("a", "b", "b", "c"):
            attempts.fail(who, seconds=1 if who == "c" else 60)
        assert sorted(attempts.all()) == [1, 1, 2]
        wait(1.1)
        assert sorted(attempts.all()) == [1, 2]

    def test_none_of_many_at_once_is_lost(self, attempts: Attempts, at_once: AtOnce) -> None:
        assert sorted(map(str, at_once(lambda number: attempts.fail("a", seconds=60)))) == sorted(
            map(str, range(1, 17))
        )


class TestMemoryAttempts(AttemptsContract):
    @pytest.fixture
    def attempts(self, clock: SteppedClock) -> Attempts:
        return MemoryAttempts(clock)

    @pytest.fixture
    def wait(self, clock: SteppedClock) -> Wait:
        return clock.advance


class TestRedisAttempts(AttemptsContract):
    @pytest.fixture
    def attempts(self, connection: RedisConnection) -> Attempts:
        return RedisAttempts(connection, "failures")

    @pytest.fixture
    def wait(self) -> Wait:
        return time.sleep

    def test_those_of_other_doors_are_others(self, attempts: Attempts, connection: RedisConnection) -> None:
        attempts.fail("a", seconds=60)
        other = RedisAttempts(connection, "failures of another")
        assert (other.failures("a")[0], other.all()) == (0, [])


@pytest.fixture
def connection(redis_url: str) -> RedisConnection:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    return RedisConnection(redis_url)


@pytest.mark.parametrize("place", ["memory", "redis"])
def test_what_is_away_is_unavailable(place: str, tmp_path: Path) -> None:
    nowhere = RedisConnection(f"unix://{tmp_path}/nobody")
    rate: RateLimit = MemoryRateLimit(1, away=True) if place == "memory" else RedisRateLimit(nowhere, 1)
    attempts: Attempts = MemoryAttempts(away=True) if place == "memory" else RedisAttempts(nowhere, "failures")
    with pytest.raises(Unavailable):
        rate.take("a")
    uses: list[Callable[[], object]] = [
        lambda: attempts.failures("a"),
        lambda: attempts.fail("a", seconds=1),
        lambda: attempts.forgive("a"),
        attempts.all,
    ]
    for use in uses:
        with pytest.raises(Unavailable):
            use()


def test_memory_has_an_end() -> None:
    rate, attempts = MemoryRateLimit(1), MemoryAttempts()
    for number in range(10_050):
        rate.take(str(number))
        attempts.fail(str(number), seconds=60)
    assert len(attempts.all()) == 10_000
    assert (rate.take("0"), rate.take("10049") > 0) == (0.0, True)
