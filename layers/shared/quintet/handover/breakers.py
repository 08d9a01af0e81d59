"""The circuit breakers as their administrators see them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from quintet.handover.errors import ResourceNotFoundError
from quintet.handover.messages import Body
from quintet.kernel.breaker import Breaker, Rule, Standing
from quintet.kernel.clock import Clock


class BreakerConfig(Body):
    failure_threshold: int
    recovery_timeout: float
    success_threshold: int
    timeout: float


class BreakerStats(Body):
    """`failure_count` are failures since the last success; the totals are since the last reset. Moments are UTC."""

    name: str
    state: Literal["closed", "open", "half_open"]
    failure_count: int
    success_count: int
    total_calls: int
    total_failures: int
    total_successes: int
    refused_calls: int
    last_failure_time: datetime | None
    last_failure_reason: str
    opened_at: datetime | None
    config: BreakerConfig


class BreakersData(Body):
    circuit_breakers: dict[str, BreakerStats]
    open_circuits: tuple[str, ...]
    total_breakers: int
    open_count: int
    health: Literal["healthy", "degraded"]


class BreakersStatus(Body):
    status: Literal["success"] = "success"
    data: BreakersData


class BreakerAnswer(Body):
    status: Literal["success"] = "success"
    data: BreakerStats


class BreakersHealth(Body):
    """`unhealthy` where half of the breakers or more are open; the answer's HTTP status is 503 then."""

    status: Literal["healthy", "degraded", "unhealthy"]
    open_circuits: int
    total_circuits: int
    timestamp: datetime


class BreakersReset(Body):
    status: Literal["success"] = "success"
    message: str


class Breakers:
    """All of a room's breakers, by their names."""

    def __init__(self, breakers: Sequence[Breaker], clock: Clock) -> None:
        self._breakers: Mapping[str, Breaker] = {breaker.name: breaker for breaker in breakers}
        self._clock = clock

    def status(self) -> BreakersStatus:
        stats = {name: _stats(breaker) for name, breaker in self._breakers.items()}
        opened = tuple(name for name, one in stats.items() if one.state == "open")
        data = BreakersData(
            circuit_breakers=stats,
            open_circuits=opened,
            total_breakers=len(stats),
            open_count=len(opened),
            health="degraded" if opened else "healthy",
        )
        return BreakersStatus(data=data)

    def health(self) -> BreakersHealth:
        total = len(self._breakers)
        opened = sum(breaker.standing().state == "open" for breaker in self._breakers.values())
        bad: Literal["degraded", "unhealthy"] = "degraded" if 2 * opened < total else "unhealthy"
        return BreakersHealth(
            status=bad if opened else "healthy",
            open_circuits=opened,
            total_circuits=total,
            timestamp=self._clock.now().replace(microsecond=0),
        )

    def reset(self) -> BreakersReset:
        for breaker in self._breakers.values():
            breaker.reset()
        return BreakersReset(message="All circuit breakers have been reset to closed state")

    def reset_one(self, name: str) -> BreakersReset:
        """Raises ResourceNotFoundError."""
        self._named(name).reset()
        return BreakersReset(message=f"Circuit breaker '{name}' has been reset to closed state")

    def stats(self, name: str) -> BreakerAnswer:
        """Raises ResourceNotFoundError."""
        return BreakerAnswer(data=_stats(self._named(name)))

    def _named(self, name: str) -> Breaker:
        try:
            return self._breakers[name]
        except KeyError:
            known = ", ".join(self._breakers)
            raise ResourceNotFoundError(f"there is no such circuit breaker; there are: {known}") from None


def _stats(breaker: Breaker) -> BreakerStats:
    now = breaker.standing()
    return BreakerStats(
        name=breaker.name,
        state=now.state,
        failure_count=len(now.failed_at),
        success_count=now.successes,
        total_calls=now.calls,
        total_failures=now.total_failures,
        total_successes=now.calls - now.total_failures,
        refused_calls=now.refused,
        last_failure_time=_moment(now.last_failure_at),
        last_failure_reason=now.reason,
        opened_at=_opened(now),
        config=_config(breaker.rule),
    )


def _config(rule: Rule) -> BreakerConfig:
    return BreakerConfig(
        failure_threshold=rule.failures,
        recovery_timeout=rule.open_seconds,
        success_threshold=rule.successes,
        timeout=rule.call_seconds,
    )


def _opened(standing: Standing) -> datetime | None:
    return None if standing.state == "closed" else _moment(standing.opened_at)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
