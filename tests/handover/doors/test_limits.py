"""Limits that are shared, and what stands in for them."""

import pytest
from pydantic import SecretStr

from quintet.adapters.memory_limits import MemoryRateLimit
from quintet.handover.limits import Pace, RateLimit, Shared, TooManyRequests
from quintet.handover.secrets import Secrets
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, QuintetError


class World:
    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.everywhere = MemoryRateLimit(3, clock=self.clock)
        self.told: list[QuintetError] = []
        own = MemoryRateLimit(3, clock=self.clock)
        rates: Shared[RateLimit] = Shared(
            self.everywhere, own, tell=self.told.append, ticks=lambda: self.clock.now().timestamp()
        )
        self.pace = Pace(rates, per_minute=3)

    def let_in(self, times: int, address: str = "192.0.2.7") -> int:
        passed = 0
        for _ in range(times):
            try:
                self.pace.check(address)
            except TooManyRequests:
                continue
            passed += 1
        return passed


def test_so_many_a_minute_and_then_when_to_come_back() -> None:
    world = World()
    assert world.let_in(5) == 3
    world.clock.advance(20.5)
    with pytest.raises(TooManyRequests, match="3 requests a minute from one address") as refusal:
        world.pace.check("192.0.2.7")
    assert (refusal.value.status, refusal.value.retry_after) == (429, 40)
    assert world.let_in(1, "192.0.2.8") == 1
    world.clock.advance(39.5)
    assert world.let_in(5) == 3


def test_while_all_is_away_ones_own_memory_counts_and_it_is_told_once_in_a_while() -> None:
    world = World()
    assert world.let_in(3) == 3
    world.everywhere.away = True
    assert world.let_in(50) == 3
    assert len(world.told) == 1
    world.clock.advance(5)
    assert world.let_in(1) == 0
    assert len(world.told) == 2


def test_when_it_is_back_it_counts_again() -> None:
    world = World()
    world.everywhere.away = True
    world.let_in(3)
    world.everywhere.away = False
    assert world.let_in(1) == 0
    world.clock.advance(5)
    assert world.let_in(5) == 3


def test_a_deployment_without_redis_counts_by_itself() -> None:
    pace = Pace(Shared(None, MemoryRateLimit(1)), per_minute=1)
    pace.check("192.0.2.7")
    with pytest.raises(TooManyRequests):
        pace.check("192.0.2.7")


def test_secrets_are_the_environments_first() -> None:
    secrets = Secrets(lambda: '{"JWT_SECRET": "kept", "AUTH_PASSWORD": "kept, too"}')
    assert secrets.get("JWT_SECRET", SecretStr("set")) == "set"
    assert secrets.get("JWT_SECRET", SecretStr("")) == "kept"
    assert secrets.get("METRICS_API_KEY", SecretStr("")) == ""
    assert Secrets(lambda: "").get("JWT_SECRET", SecretStr("")) == ""
    assert "kept" not in repr(secrets)


@pytest.mark.parametrize("text", ["change-me", "[]", '{"JWT_SECRET": 7}', '{"JWT_SECRET": null}'])
def test_a_secret_of_another_form_is_named_and_not_told(text: str) -> None:
    with pytest.raises(Misconfigured, match="JSON object") as refusal:
        Secrets(lambda: text).get("JWT_SECRET", SecretStr(""))
    assert text not in str(refusal.value)
