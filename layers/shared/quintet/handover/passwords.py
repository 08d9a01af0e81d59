"""Whether what is given is what is stored, told in a time that says nothing of either."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

HASHED = "$argon2"
"""How a stored password begins that is a hash."""


class Hashes(Protocol):
    def verify(self, given: str, stored: str) -> bool:
        """Whether `stored` is a hash of `given`. Raises Misconfigured where it is no hash."""
        ...


@dataclass(frozen=True)
class Passwords:
    hashes: Hashes

    def match(self, given: str, stored: str) -> bool:
        """Raises Misconfigured for a stored hash that is none."""
        return self.hashes.verify(given, stored) if stored.startswith(HASHED) else same(given, stored)


def same(given: str, stored: str) -> bool:
    """Compared by their digests, so that not even a length shows.

    >>> same("open", "open"), same("open", "opens")
    (True, False)
    """
    return hmac.compare_digest(_digest(given), _digest(stored))


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
