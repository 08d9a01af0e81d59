"""Telemetry while Redis is away: what was said meanwhile comes later, once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_telemetry import RedisTelemetry
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from quintet.kernel.telemetry import Count, Gauge, Keep, Observe
from tests.contract.telemetry_writers import CELLS, LAST, METRICS, PREFIX, REQUESTS, SCORE, SECONDS
from tests.contract.test_telemetry_contract import series, value

REST = 5.1


@dataclass
class Wire:
    """A real connection that can be cut before a question goes out, or before its answer comes back."""

    real: RedisConnection
    cut: str = ""
    error: QuintetError = field(default_factory=lambda: Unavailable("the cache does not answer"))
    asked: int = 0

    def ask(self, command: Callable[[Any], Any], *, attempts: int = 2) -> Any:
        self.asked += 1
        if self.cut == "before":
            raise self.error
        answer = self.real.ask(command, attempts=attempts)
        if self.cut == "after":
            raise self.error
        return answer


@pytest.fixture
def wire(redis_url: str) -> Wire:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    return Wire(RedisConnection(redis_url))


@pytest.fixture
def trouble() -> list[str]:
    return []


@pytest.fixture
def telemetry(wire: Wire, clock: SteppedClock, trouble: list[str]) -> RedisTelemetry:
    return RedisTelemetry(wire, METRICS, prefix=PREFIX, clock=clock, on_trouble=trouble.append)  # type: ignore[arg-type]


def succeed(telemetry: RedisTelemetry, times: int = 1) -> None:
    for _ in range(times):
        telemetry.add(Count(REQUESTS, ("success",)), Observe(SECONDS, 0.05))


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_was_counted_meanwhile_is_added_later_and_once(
    telemetry: RedisTelemetry, wire: Wire, clock: SteppedClock, cut: str
) -> None:
    succeed(telemetry, 3)
    wire.cut = cut
    succeed(telemetry, 4)
    for _ in range(3):
        clock.advance(REST)
        succeed(telemetry, 2)
    wire.cut = ""
    clock.advance(REST)
    succeed(telemetry)
    assert value(telemetry, "requests_total", "success") == 14
    assert series(telemetry, "seconds")[()].counts == (14, 0, 0)


def test_nobody_waits_for_a_redis_that_did_not_answer_just_now(
    telemetry: RedisTelemetry, wire: Wire, clock: SteppedClock, trouble: list[str]
) -> None:
    wire.cut = "before"
    succeed(telemetry, 1000)
    assert wire.asked == 1
    assert trouble == ["the cache does not answer"]
    clock.advance(REST)
    succeed(telemetry, 1000)
    assert wire.asked == 2
    assert len(trouble) == 1, "an outage is told of once"
    wire.cut = ""
    clock.advance(REST)
    succeed(telemetry)
    wire.cut = "before"
    succeed(telemetry)
    assert len(trouble) == 2, "the next outage is told of, too"


def test_what_waits_takes_no_more_room_however_long_it_lasts(
    telemetry: RedisTelemetry, wire: Wire, clock: SteppedClock
) -> None:
    wire.cut = "before"
    for number in range(500):
        telemetry.add(Count(CELLS, (f"cell_{number}",)), Keep(LAST, str(number)))
    clock.advance(REST)
    wire.cut, wire.asked = "", 0
    assert sum(one.value for one in series(telemetry, "cells_total").values()) == 500
    assert len(series(telemetry, "cells_total")) <= 6
    assert telemetry.kept(LAST)[0] == "499"
    assert len(telemetry.kept(LAST)) == 7


def test_a_scrape_says_that_redis_is_away(telemetry: RedisTelemetry, wire: Wire) -> None:
    succeed(telemetry)
    wire.cut = "before"
    with pytest.raises(Unavailable):
        telemetry.read()
    with pytest.raises(Unavailable):
        telemetry.kept(LAST)


def test_a_wrong_password_stops_no_prediction(telemetry: RedisTelemetry, wire: Wire, trouble: list[str]) -> None:
    wire.cut, wire.error = "before", Misconfigured("Redis refuses the user or password of REDIS_URL")
    succeed(telemetry)
    assert trouble == ["Redis refuses the user or password of REDIS_URL"]


def test_a_gauge_that_comes_late_does_not_cover_a_later_one(
    telemetry: RedisTelemetry, wire: Wire, clock: SteppedClock, redis_url: str
) -> None:
    wire.cut = "before"
    telemetry.add(Gauge(SCORE, 0.1))
    later = SteppedClock(clock.now() + timedelta(seconds=1))
    other = RedisTelemetry(RedisConnection(redis_url), METRICS, prefix=PREFIX, clock=later)
    other.add(Gauge(SCORE, 0.9))
    wire.cut = ""
    clock.advance(REST)
    assert value(telemetry, "score") == 0.9


def test_a_redis_that_was_emptied_begins_anew(telemetry: RedisTelemetry, redis_url: str) -> None:
    succeed(telemetry, 5)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    succeed(telemetry, 2)
    assert value(telemetry, "requests_total", "success") == 2
