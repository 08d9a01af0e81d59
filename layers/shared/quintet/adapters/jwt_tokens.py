"""Signed tokens: JWT (RFC 7519) by HS256 alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Misconfigured, Unauthenticated
from quintet.kernel.ids import new_id

ALGORITHM = "HS256"
SHORTEST_SECRET = 32
"""Bytes: as many as the hash has (RFC 7518, 3.2)."""

LATEST = 1e12
"""Seconds of 1970 that no token's end is beyond."""

REQUIRED = ("sub", "aud", "iss", "exp")

MOST_KNOWN = 1024
"""Tokens whose signature is known to be right; of more, those not used for longest are looked at anew."""


class JwtClaims(NamedTuple):
    subject: str
    id: str
    seconds: float


@dataclass(frozen=True)
class JwtTokens:
    """Tokens for one `use`, which each says as its `type`: one for another is refused though the secret be the same.

    `name` is the setting that holds the secret; `audience` is who issues them and for whom. With `untyped`, tokens that
    say no type are taken, too.
    """

    use: str
    secret: Callable[[], str] = field(repr=False)
    name: str
    audience: str
    untyped: bool = False
    clock: Clock = field(default_factory=SystemClock)

    def issue(self, subject: str, *, seconds: float) -> str:
        import jwt

        now = self.clock.now().timestamp()
        claims = {
            "sub": subject,
            "aud": self.audience,
            "iss": self.audience,
            "iat": int(now),
            "exp": int(now + seconds),
            "jti": new_id(),
            "type": self.use,
        }
        return jwt.encode(claims, self._key(), algorithm=ALGORITHM)

    def read(self, token: str) -> JwtClaims:
        """Raises Unauthenticated."""
        claims = self._claims(token)
        use = claims.get("type", self.use if self.untyped else None)
        if use != self.use:
            raise Unauthenticated("Invalid token")
        return JwtClaims(claims["sub"], str(claims.get("jti", "")), self._left(claims["exp"]))

    def _left(self, end: object) -> float:
        """Seconds; the library takes a text that is a number, too, and one that no float holds."""
        if not isinstance(end, int | float) or abs(end) > LATEST:
            raise Unauthenticated("Invalid token")
        left = end - self.clock.now().timestamp()
        if left <= 0:  # it may have been verified long ago
            raise Unauthenticated("Invalid token")
        return left

    def _claims(self, token: str) -> dict[str, Any]:
        return _verified(token, self._key(), self.audience)

    def check(self) -> None:
        """Raises Misconfigured where there is no secret, or too short a one."""
        self._key()

    def _key(self) -> str:
        secret = self.secret()
        if len(secret.encode()) < SHORTEST_SECRET:
            said = "is missing" if not secret else f"is shorter than {SHORTEST_SECRET} bytes"
            raise Misconfigured(f"{self.name} {said}: set it, for instance to the output of `openssl rand -hex 32`")
        return secret


@lru_cache(MOST_KNOWN)
def _verified(token: str, key: str, audience: str) -> dict[str, Any]:
    """Kept: a caller shows the same token with each request, and to verify it was a tenth of what a prediction costs.

    Raises Unauthenticated, which is not kept.
    """
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=audience,
            options={"require": list(REQUIRED)},
        )
    except jwt.InvalidTokenError:
        raise Unauthenticated("Invalid token") from None
    return claims
