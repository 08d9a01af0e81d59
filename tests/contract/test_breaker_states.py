"""A breaker over each memory that processes share: what they count together."""

import pytest
from redis import Redis

from quintet.adapters.memory import MemoryCache
from quintet.adapters.redis_store import RedisCache
from quintet.kernel.breaker import Breaker, CircuitOpen, Rule, States
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from tests.contract.conftest import AtOnce


def away() -> None:
    raise Unavailable("it is away")


class BreakerStatesContract:
    @pytest.fixture
    def states(self) -> States:
        raise NotImplementedError

    def test_sixteen_at_once_are_all_counted(self, states: States, clock: SteppedClock, at_once: AtOnce) -> None:
        rule = Rule(failures=100)

        def call(number: int) -> None:
            for _ in range(5):
                with pytest.raises(Unavailable):
                    Breaker("nef", states, clock, rule).call(away)

        assert at_once(call) == [None] * 16
        standing = Breaker("nef", states, clock, rule).standing()
        assert (standing.calls, standing.total_failures, len(standing.failed_at)) == (80, 80, 80)

    def test_of_sixteen_at_once_one_tries(self, states: States, clock: SteppedClock, at_once: AtOnce) -> None:
        first = Breaker("nef", states, clock)
        for _ in range(5):
            with pytest.raises(Unavailable):
                first.call(away)
        clock.advance(60)
        tried: list[int] = []

        def call(number: int) -> str:
            def dies() -> None:
                tried.append(number)
                raise KeyError(number)

            try:
                Breaker("nef", states, clock).call(dies)
            except (CircuitOpen, KeyError) as error:
                return type(error).__name__
            return ""

        outcomes = at_once(call)
        assert (outcomes.count("KeyError"), outcomes.count("CircuitOpen"), len(tried)) == (1, 15, 1)

    def test_a_reset_is_everybodys(self, states: States, clock: SteppedClock) -> None:
        first, second = Breaker("nef", states, clock), Breaker("nef", states, clock)
        for _ in range(5):
            with pytest.raises(Unavailable):
                first.call(away)
        assert second.standing().state == "open"
        second.reset()
        assert first.call(lambda: "answer") == "answer"


class TestMemory(BreakerStatesContract):
    @pytest.fixture
    def states(self, clock: SteppedClock) -> States:
        return MemoryCache(clock)


class TestRedis(BreakerStatesContract):
    @pytest.fixture
    def states(self, redis_url: str) -> States:
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        return RedisCache(redis_url)
