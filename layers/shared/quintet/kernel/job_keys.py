"""The keys of a job that others read in Redis: the hash `job:{id}` and the set `job:{id}:updatedClients`.

They are a copy of what is durable elsewhere, and the place where clients are counted in one step. Adapters play
`JobKeys`; tests/contract holds every adapter to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class DurableJob:
    """What the keys are to say; texts are JSON, or empty where there is nothing yet."""

    total: int
    schema_text: str
    clients: tuple[str, ...]
    final_result: str
    expires_at: datetime

    @property
    def final(self) -> bool:
        """Nobody can be added any more."""
        return bool(self.final_result) or len(self.clients) >= self.total


class Recorded(NamedTuple):
    """`new`: this call counted the client; `full`: it was refused, for `total` others are counted. `created`,
    `schema_stored`: this call made the keys, or was the first to give them a schema.
    """

    new: bool
    done: int
    total: int
    full: bool = False
    created: bool = False
    schema_stored: bool = False


class JobHash(NamedTuple):
    """The keys as they stand; `clients` in no order."""

    total: int
    done: int
    schema_text: str
    final_result: str
    clients: tuple[str, ...]


class JobKeys(Protocol):
    """`record` and `write` are one atomic step each. All raise Unavailable where the keys can't be reached."""

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        """Count `client` once. Keys that are absent, or don't agree with each other, are first made from `durable`."""
        ...

    def read(self, job: str) -> JobHash | None:
        """None: there are none."""
        ...

    def write(self, job: str, durable: DurableJob) -> None:
        """Bring the keys to `durable`, but forget neither schema nor result where it has none; clients that are counted
        are taken away only where it is final.
        """

    def absent(self, jobs: Sequence[str]) -> list[str]:
        """Those of `jobs` that have no keys."""
        ...
