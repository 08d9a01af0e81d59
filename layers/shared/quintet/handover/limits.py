"""How often one address may call: counted together for all environments, or in one's own memory while that is away."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, Protocol, TypeVar

from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable

Port = TypeVar("Port")
Result = TypeVar("Result")

REST_SECONDS = 5.0


class TooManyRequests(QuintetError):
    """Come back after `retry_after` seconds, and not before."""

    status = 429
    grpc = "RESOURCE_EXHAUSTED"
    retry = True

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(seconds))


class RateLimit(Protocol):
    def take(self, who: str) -> float:
        """Count a request of `who`: 0 where it is let in, else the seconds until one will be. Raises Unavailable."""
        ...


@dataclass
class Shared(Generic[Port]):
    """What is `everywhere` the same, and its stand-in of one's `own` for as long as it is away, which is told.

    After a failure it is left alone for a while, so that not every request waits for it.
    """

    everywhere: Port | None
    own: Port
    tell: Callable[[QuintetError], None] = lambda error: None
    ticks: Callable[[], float] = stopwatch
    _rests_until: float = float("-inf")

    def ask(self, question: Callable[[Port], Result]) -> Result:
        if self.everywhere is None or self.ticks() < self._rests_until:
            return question(self.own)
        try:
            return question(self.everywhere)
        except (Unavailable, Misconfigured) as error:  # a password that is refused is no reason to let nobody in
            self._rests_until = self.ticks() + REST_SECONDS
            self.tell(error)
            return question(self.own)


@dataclass(frozen=True)
class Pace:
    """So many requests a minute from one address."""

    rates: Shared[RateLimit]
    per_minute: int

    def check(self, address: str) -> None:
        """Raises TooManyRequests."""
        seconds = self.rates.ask(lambda rate: rate.take(neighbourhood(address)))
        if seconds > 0:
            said = f"Rate limit exceeded: {self.per_minute} requests a minute from one address"
            raise TooManyRequests(said, seconds)


@lru_cache(1024)
def neighbourhood(address: str) -> str:
    """What counts as one address: of IPv6 a network of 64 bits, for its owner may call from any address in it.

    >>> neighbourhood("192.0.2.7"), neighbourhood("2001:db8:1:2:3::4"), neighbourhood("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    >>> neighbourhood("testclient")
    'testclient'
    """
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or ip_network((known, 64), strict=False))
    return str(known)
