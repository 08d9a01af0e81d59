"""Signed tokens: JWT (RFC 7519) by HS256 alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Misconfigured, Unauthenticated
from quintet.kernel.ids import new_id

ALGORITHM = "HS256"
SHORTEST_SECRET = 32
"""Bytes: as many as the hash has (RFC 7518, 3.2)."""

REQUIRED = ("sub", "aud", "iss", "exp")


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
        if claims.get("type") not in ({self.use, None} if self.untyped else {self.use}):
            raise Unauthenticated("Invalid token")
        return JwtClaims(claims["sub"], str(claims.get("jti", "")), claims["exp"] - self.clock.now().timestamp())

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(),
                algorithms=[ALGORITHM],
                audience=self.audience,
                issuer=self.audience,
                options={"require": list(REQUIRED)},
            )
        except (jwt.InvalidTokenError, RecursionError):  # a header of brackets alone is read before its signature
            raise Unauthenticated("Invalid token") from None
        return claims

    def check(self) -> None:
        """Raises Misconfigured where there is no secret, or too short a one."""
        self._key()

    def _key(self) -> str:
        secret = self.secret()
        if len(secret.encode()) < SHORTEST_SECRET:
            said = "is missing" if not secret else f"is shorter than {SHORTEST_SECRET} bytes"
            raise Misconfigured(f"{self.name} {said}: set it, for instance to the output of `openssl rand -hex 32`")
        return secret
