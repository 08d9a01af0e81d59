"""Who may read the metrics: Basic, an API key as Bearer, or a token of their own."""

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from quintet.handover.lockouts import Lockouts
from quintet.handover.passwords import Passwords, same
from quintet.handover.tokens import Tokens
from quintet.kernel.errors import Misconfigured, Unauthenticated

SUBJECT = "metrics"
NO_BASIC = "-"


class Ways(NamedTuple):
    """What opens; empty: that does not."""

    username: str = ""
    password: str = ""
    api_key: str = ""

    @property
    def basic(self) -> bool:
        return bool(self.username and self.username != NO_BASIC and self.password)


@dataclass(frozen=True)
class MetricsGate:
    ways: Callable[[], Ways]
    tokens: Tokens
    passwords: Passwords
    lockouts: Lockouts
    enabled: bool = True
    expiry_seconds: int = 3600

    def admit(self, authorization: str | None, address: str) -> None:
        """Raises Unauthenticated, counted where something was shown, and TooManyRequests where that was too often."""
        if not self.enabled:
            return
        self.lockouts.check(address)
        try:
            self._look_at(authorization)
        except Unauthenticated:
            if authorization:
                self.lockouts.failed(address)
            raise
        self.lockouts.succeeded(address)

    def _look_at(self, authorization: str | None) -> None:
        if not authorization:
            raise Unauthenticated("Authentication required: Authorization header required")
        scheme, _, given = authorization.partition(" ")
        looks = {"basic": self._opens_basic, "bearer": self._opens_bearer}
        if scheme.lower() not in looks:
            raise Unauthenticated("Authentication required: Unsupported authentication method")
        if not looks[scheme.lower()](given.strip()):
            raise Unauthenticated("Authentication required: Invalid credentials")

    def _opens_basic(self, given: str) -> bool:
        ways = self.ways()
        try:
            username, colon, password = b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        known = same(username, ways.username)
        return bool(colon) and known & self.passwords.match(password, ways.password) and ways.basic

    def _opens_bearer(self, given: str) -> bool:
        api_key = self.ways().api_key
        if api_key and same(given, api_key):
            return True
        try:
            return self.tokens.read(given).subject == SUBJECT
        except Unauthenticated:
            return False

    def token(self) -> str:
        return self.tokens.issue(SUBJECT, seconds=self.expiry_seconds)

    def check(self) -> None:
        """Raises Misconfigured where nobody could ever come through."""
        ways = self.ways()
        if self.enabled and not (ways.basic or ways.api_key):
            raise Misconfigured("set METRICS_AUTH_PASSWORD or METRICS_API_KEY, or METRICS_AUTH_ENABLED to false")
