"""Calls to other services over HTTP. Adapters play `Calls`; tests/contract holds them to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ANSWER_BYTES = 64 * 1024 * 1024
"""Of an answer's body, at most; the rest is not read."""


@dataclass(frozen=True)
class Answer:
    """`body` is as much of it as came: a sender that breaks off has answered all the same.

    `headers` are by their names in lower case, of several alike all, with commas between; answers are compared
    without them.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


class Calls(Protocol):
    """Redirections are not followed: their status is the answer's."""

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, seconds: float) -> Answer:
        """Raises Unavailable where there is no answer within `seconds`."""
        ...

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float,
        addresses: Sequence[str] | None = None,
    ) -> Answer:
        """Connects to one of `addresses` where they are given, whatever the URL's host resolves to; host and
        certificate stay the URL's. Raises Unavailable where there is no answer within `seconds`.
        """
        ...
