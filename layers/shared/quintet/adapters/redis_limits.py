"""Limits that all environments share, in Redis: requests in a moving window by the library `limits`, and failures."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quintet.adapters.redis_connection import RedisConnection

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter
    from redis import Redis


@dataclass
class RedisRateLimit:
    """`most` requests in any `seconds`."""

    connection: RedisConnection
    most: int
    seconds: int = 60
    prefix: str = "handover:rate"
    _limiter: "MovingWindowRateLimiter | None" = field(default=None, repr=False)

    def take(self, who: str) -> float:
        """One round trip where it is let in. Raises Unavailable."""
        waiting: float = self.connection.ask(lambda redis: self._take(redis, who))
        return waiting

    def _take(self, redis: "Redis", who: str) -> float:
        limiter = self._limiter = self._limiter or self._made(redis)
        if limiter.hit(self._item, who):
            return 0.0
        return max(0.001, limiter.get_window_stats(self._item, who).reset_time - time.time())

    def _made(self, redis: "Redis") -> "MovingWindowRateLimiter":
        from limits.storage import RedisStorage
        from limits.strategies import MovingWindowRateLimiter

        storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=self.prefix)
        return MovingWindowRateLimiter(storage)

    @cached_property
    def _item(self) -> "RateLimitItem":
        from limits import RateLimitItemPerSecond

        return RateLimitItemPerSecond(self.most, self.seconds)


@dataclass(frozen=True)
class RedisAttempts:
    """A counter for each, which expires. `prefix` stands before their names."""

    connection: RedisConnection
    prefix: str

    def failures(self, who: str) -> tuple[int, float]:
        count, left = self._ask(lambda pipe: pipe.get(self._key(who)).pttl(self._key(who)))
        return int(count or 0), max(0, left) / 1000

    def fail(self, who: str, *, seconds: int) -> int:
        counted: int = self._ask(lambda pipe: pipe.incr(self._key(who)).expire(self._key(who), seconds))[0]
        return counted

    def forgive(self, who: str) -> None:
        self.connection.ask(lambda redis: redis.delete(self._key(who)))

    def all(self) -> list[int]:
        counts: list[int] = self.connection.ask(self._all)
        return counts

    def _all(self, redis: "Redis") -> list[int]:
        keys = list(set(redis.scan_iter(match=f"{self.prefix}:*", count=1000)))
        found: Any = redis.mget(keys) if keys else []
        return [int(count) for count in found if count is not None]

    def _ask(self, commands: Any) -> list[Any]:
        """All of them or none."""
        answers: list[Any] = self.connection.ask(lambda redis: commands(redis.pipeline(transaction=True)).execute())
        return answers

    def _key(self, who: str) -> str:
        return f"{self.prefix}:{who}"
