"""Passwords hashed by argon2."""

from functools import cached_property
from typing import TYPE_CHECKING

from quintet.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from argon2 import PasswordHasher


class Argon2Hashes:
    """As argon2-cffi does it. Its parameters are in each hash."""

    def verify(self, given: str, stored: str) -> bool:
        """Raises Misconfigured where `stored` is no argon2 hash."""
        from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

        try:
            return self._hasher.verify(stored, given)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            raise Misconfigured("a stored password begins like an argon2 hash and is none: write $argon2id$…") from None

    def hashed(self, password: str) -> str:
        return self._hasher.hash(password)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher

        return PasswordHasher()
