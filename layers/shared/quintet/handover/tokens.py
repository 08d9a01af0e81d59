"""Logging in: a short-lived access token for every call, and a refresh token that gives one new pair, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from quintet.handover.lockouts import Lockouts
from quintet.handover.passwords import Passwords, same
from quintet.kernel.errors import Conflict, Unauthenticated

SECONDS_OF_A_MINUTE = 60
SECONDS_OF_AN_HOUR = 3600


class Claims(Protocol):
    @property
    def subject(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def seconds(self) -> float:
        """Until it expires."""
        ...


class Tokens(Protocol):
    """Tokens of one use. One of another use, signed by another or not at all, or expired, is not known."""

    def issue(self, subject: str, *, seconds: float) -> str: ...

    def read(self, token: str) -> Claims:
        """Raises Unauthenticated."""
        ...

    def check(self) -> None:
        """Raises Misconfigured where there is no secret that signs well enough."""


class Spent(Protocol):
    def create(self, key: str, record: dict[str, object], *, seconds: int | None = None) -> None:
        """Raises Conflict where there is one already."""


class Account(NamedTuple):
    username: str
    password: str
    """Or its argon2 hash."""


class Pair(NamedTuple):
    access: str
    refresh: str


@dataclass(frozen=True)
class Login:
    """`account` is the one that may log in; without a username nobody may. `spent` knows the refresh tokens that were
    used.
    """

    account: Callable[[], Account]
    passwords: Passwords
    access: Tokens
    refresh: Tokens
    spent: Spent
    lockouts: Lockouts
    expires_minutes: float = 30
    refresh_expires_hours: float = 24

    def log_in(self, username: str, password: str, address: str) -> Pair:
        """The time taken does not tell what was wrong. Raises Unauthenticated and TooManyRequests."""
        self.lockouts.check(address)
        account = self.account()
        known = same(username, account.username)
        right = self.passwords.match(password, account.password)
        if not (known & right and account.username and account.password):
            self.lockouts.failed(address)
            raise Unauthenticated("Invalid credentials")
        self.lockouts.succeeded(address)
        return self._pair(username)

    def renew(self, token: str) -> Pair:
        """A new pair for a refresh token, which is spent with that. Raises Unauthenticated."""
        try:
            claims = self.refresh.read(token)
            self.spent.create(f"handover#refreshed#{claims.id}", {"schema": 1}, seconds=int(claims.seconds) + 1)
        except (Unauthenticated, Conflict):
            raise Unauthenticated("Invalid refresh token") from None
        return self._pair(claims.subject)

    def _pair(self, subject: str) -> Pair:
        return Pair(
            self.access.issue(subject, seconds=self.expires_minutes * SECONDS_OF_A_MINUTE),
            self.refresh.issue(subject, seconds=self.refresh_expires_hours * SECONDS_OF_AN_HOUR),
        )
