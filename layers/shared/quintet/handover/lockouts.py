"""Addresses that gave wrong credentials too often are not listened to for a while, right credentials or not."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from quintet.handover.limits import Shared, TooManyRequests, neighbourhood
from quintet.kernel.ids import fingerprint


class Attempts(Protocol):
    """The failures of each, forgotten some time after the last of them. All methods raise Unavailable."""

    def failures(self, who: str) -> tuple[int, float]:
        """How many, and the seconds until they are forgotten."""
        ...

    def fail(self, who: str, *, seconds: int) -> int:
        """Count a failure, and keep all of them for `seconds` more: how many there are."""
        ...

    def forgive(self, who: str) -> None: ...

    def all(self) -> list[int]:
        """How many failures each has who has any."""
        ...


class LockoutStats(NamedTuple):
    total_failed_attempts: int
    unique_failed_ips: int
    currently_locked_ips: int
    max_attempts_before_lockout: int
    lockout_duration_seconds: int


@dataclass(frozen=True)
class Lockouts:
    """`most` failures, each within `seconds` of the one before, lock an address out for `seconds`.

    Addresses are known by fingerprints. Guesses that come at the same time are all looked at.
    """

    attempts: Shared[Attempts]
    most: int
    seconds: int

    def check(self, address: str) -> None:
        """Raises TooManyRequests."""
        who = _name(address)
        times, seconds = self.attempts.ask(lambda attempts: attempts.failures(who))
        if times >= self.most:
            raise TooManyRequests("Too many failed authentication attempts. Try again later.", seconds)

    def failed(self, address: str) -> None:
        who = _name(address)
        self.attempts.ask(lambda attempts: attempts.fail(who, seconds=self.seconds))

    def succeeded(self, address: str) -> None:
        who = _name(address)
        self.attempts.ask(lambda attempts: attempts.forgive(who))

    def stats(self) -> LockoutStats:
        counts = self.attempts.ask(lambda attempts: attempts.all())
        locked = sum(count >= self.most for count in counts)
        return LockoutStats(sum(counts), len(counts), locked, self.most, self.seconds)


def _name(address: str) -> str:
    return fingerprint(neighbourhood(address))
