"""What the owners of a session agree to before they give anything away."""

import json
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from quintet.kernel.errors import InvalidInput

Round = Literal["advertise", "share", "mask", "confirm", "unmask"]
ROUNDS: tuple[Round, ...] = ("advertise", "share", "mask", "confirm", "unmask")

VERSION = 1
DECIMALS = 9

ClientId = Annotated[str, Field(min_length=1, max_length=128)]


class Terms(BaseModel):
    """Who takes part, how many must stay to the end, and what is summed.

    `clients` are sorted and distinct; a client's place among them is its point on Shamir's polynomials. `threshold`:
    how many owners can put a secret together. `minimum`: fewer than so many are never summed. `size`: elements of a
    vector; None is whatever the owners say alike. Terms that can be read need not be sound: see `flaw`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    session: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    job: Annotated[str, Field(min_length=1, max_length=128)]
    clients: tuple[ClientId, ...] = Field(min_length=1, max_length=1000)
    threshold: int = Field(ge=1)
    minimum: int = Field(ge=1)
    size: int | None = Field(default=None, ge=1)
    decimals: int = Field(default=DECIMALS, ge=0, le=18)

    @field_validator("clients")
    @classmethod
    def in_order(cls, clients: tuple[str, ...]) -> tuple[str, ...]:
        if list(clients) != sorted(set(clients)):
            raise ValueError("the clients must be sorted and distinct")
        return clients

    @property
    def digest(self) -> bytes:
        """SHA-256 of the terms as canonical JSON (RFC 8785)."""
        return digested(self)

    @property
    def quorum(self) -> int:
        """How many owners each round must be left with."""
        return max(self.threshold, self.minimum)

    def index(self, client: str) -> int:
        """Where the client's shares are taken, from 1. Raises InvalidInput."""
        if client not in self.clients:
            raise InvalidInput(f"{client} is not a client of this session")
        return self.clients.index(client) + 1


@lru_cache(maxsize=64)
def digested(terms: Terms) -> bytes:
    text = json.dumps(terms.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).digest()


def default_threshold(clients: int) -> int:
    """More than two thirds: sound even where the server and a third of the owners work together (section 6.2).

    >>> [default_threshold(n) for n in (3, 4, 20, 50)]
    [3, 3, 14, 34]
    """
    return clients * 2 // 3 + 1


def flaw(terms: Terms) -> str:
    """Why nobody should agree to these terms; empty where nothing speaks against them."""
    count = len(terms.clients)
    if terms.version != VERSION:
        return f"the terms are of version {terms.version}; this is version {VERSION}"
    if 2 * terms.threshold <= count:
        return f"a threshold of {terms.threshold} of {count} owners lets two halves be told different things"
    if terms.threshold > count:
        return f"a threshold of {terms.threshold} can't be reached by {count} owners"
    if terms.minimum > count:
        return f"{count} owners can never be the {terms.minimum} that are asked for at least"
    return ""
