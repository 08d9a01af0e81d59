"""A cache in Redis."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quintet.adapters.redis_connection import RedisConnection

if TYPE_CHECKING:
    from redis import Redis

_REPLACE = """
if redis.call("get", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("set", KEYS[1], ARGV[2], "EX", ARGV[3])
return 1
"""
_SPECIAL = re.compile(r"[\\*?\[\]^]")


@dataclass(frozen=True)
class RedisCache:
    """`url` as in REDIS_URL: redis://, rediss:// or unix://. Connects with the first use, and asks for the `password`
    then; an empty one counts as none, and one in the URL goes first.
    """

    url: str
    timeout: float = 2.0
    password: Callable[[], str] = field(default=lambda: "", repr=False)

    def get(self, key: str) -> bytes | None:
        value: bytes | None = self._ask(lambda redis: redis.get(key))
        return value

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        self._ask(lambda redis: redis.set(key, value, ex=seconds))

    def add(self, key: str, value: bytes, *, seconds: int) -> bool:
        """Not asked twice: if only the answer was lost, a second question would find the first one's value."""
        return bool(self._ask(lambda redis: redis.set(key, value, ex=seconds, nx=True), attempts=1))

    def delete(self, key: str) -> None:
        self._ask(lambda redis: redis.delete(key))

    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool:
        """Not asked twice, for the reason given at `add`."""
        return bool(self._ask(lambda redis: redis.eval(_REPLACE, 1, key, expect, value, seconds), attempts=1))

    def keys(self, prefix: str) -> list[str]:
        pattern = _SPECIAL.sub(r"\\\g<0>", prefix) + "*"
        found = self._ask(lambda redis: set(redis.scan_iter(match=pattern, count=1000)))
        return [key.decode() for key in found]

    def _ask(self, command: "Callable[[Redis], Any]", attempts: int = 2) -> Any:
        return self._connection.ask(command, attempts=attempts)

    @cached_property
    def _connection(self) -> RedisConnection:
        return RedisConnection(self.url, self.timeout, self.password)
