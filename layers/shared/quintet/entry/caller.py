"""Who is calling."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from quintet.kernel.errors import Misconfigured, PermissionDenied, Unauthenticated
from quintet.kernel.ids import fingerprint


@dataclass(frozen=True)
class Caller:
    """Somebody who may call; `id` is safe in keys and logs and says nothing of their secret."""

    id: str
    administrator: bool = field(default=False, compare=False)


ANYONE = Caller("anyone", administrator=True)
"""The caller of an open door: everybody who gives no key, together. Doors are open on one's own machine only."""

ADMINISTRATOR = "admin "


class Gate(Protocol):
    def identify(self, key: str | None) -> Caller:
        """The caller with this key. Raises Unauthenticated (no key) or PermissionDenied (a wrong one)."""
        ...

    def check(self) -> None:
        """Raises Misconfigured where nobody could ever come through."""


@dataclass(frozen=True)
class ApiKeyGate:
    """Callers known by an API key. `keys_text` gives the list, one key a line, `#` for comments; in a line `admin KEY`
    it is an administrator's.

    Where a key is not `required`, no key means ANYONE; a key that is given must be right all the same.
    """

    keys_text: Callable[[], str]
    required: bool
    renewed_keys_text: Callable[[], str] | None = None
    """A newer list, asked for where a key is unknown: it may have been added a moment ago."""

    def identify(self, key: str | None) -> Caller:
        if not key:
            if self.required:
                raise Unauthenticated("API key required")
            return ANYONE
        matches = _matches(key, self.keys())
        if not matches and self.renewed_keys_text is not None:
            matches = _matches(key, _lines(self.renewed_keys_text()))
        if not matches:
            raise PermissionDenied("Invalid API key")
        administrator = any(line.startswith(ADMINISTRATOR) for line in matches)
        return Caller(f"key-{fingerprint(key)}", administrator)

    def check(self) -> None:
        if self.required:
            self.keys()

    def keys(self) -> list[str]:
        """The lines that hold a key. Raises Misconfigured where keys are required and there are none."""
        keys = _lines(self.keys_text())
        if self.required and not keys:
            raise Misconfigured("API keys are required and the list is empty: add one key a line")
        return keys


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _matches(key: str, lines: list[str]) -> list[str]:
    """All are compared: the time taken tells nothing."""
    return [line for line in lines if hmac.compare_digest(key.encode(), _key_of(line).encode())]


def _key_of(line: str) -> str:
    return line.removeprefix(ADMINISTRATOR).strip()
