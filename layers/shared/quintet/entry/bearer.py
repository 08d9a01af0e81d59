"""Callers who show a token: `Authorization: Bearer …`."""

from collections.abc import Callable
from dataclasses import dataclass

from quintet.entry.caller import ANYONE, Caller
from quintet.kernel.errors import Unauthenticated


@dataclass(frozen=True)
class BearerGate:
    """`read` gives the caller of a token, or raises Unauthenticated; `secrets` raises Misconfigured where what tokens
    are known by is missing. Where no token is `required`, everybody is ANYONE, and none is looked at.
    """

    read: Callable[[str], Caller]
    secrets: Callable[[], object]
    required: bool = True

    def identify(self, key: str | None) -> Caller:
        """Raises Unauthenticated."""
        if not self.required:
            return ANYONE
        if not key:
            raise Unauthenticated("Missing token")
        return self.read(key)

    def check(self) -> None:
        if self.required:
            self.secrets()


def bearer_of(authorization: str | None) -> str | None:
    """The token in an Authorization header, None where it holds none.

    >>> bearer_of("bearer abc"), bearer_of("Basic abc"), bearer_of("Bearer"), bearer_of(None)
    ('abc', None, None, None)
    """
    scheme, _, token = (authorization or "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None
