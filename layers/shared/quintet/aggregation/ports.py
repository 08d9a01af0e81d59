"""What the room needs from the world. Adapters provide it; tests/contract holds every adapter to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from quintet.aggregation.messages import Outcome
from quintet.kernel.rows import Rows

__all__ = [
    "Aggregator",
    "Answer",
    "Calls",
    "DurableJob",
    "JobHash",
    "JobKeys",
    "Objects",
    "Queue",
    "Recorded",
    "ResultFiles",
    "Rows",
]


class Objects(Protocol):
    """Bulk storage, by key."""

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Store `body`, replacing what was there."""

    def get(self, key: str) -> tuple[bytes, str]:
        """Body and content type. Raises NotFound."""
        ...

    def part(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at the end. Raises NotFound."""
        ...

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        """(key, bytes, last change in UTC) of the first `limit` objects whose keys begin so, in the order of keys."""
        ...

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens where it is not there."""


class Queue(Protocol):
    """Where messages within the room go out."""

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Returns once the message is durable. Raises Unavailable."""


@dataclass(frozen=True)
class DurableJob:
    """What the documented keys of a job are to say: texts are JSON, or empty where there is nothing yet."""

    total: int
    schema_text: str
    clients: tuple[str, ...]
    final_result: str
    expires_at: datetime


@dataclass(frozen=True)
class Recorded:
    """`new`: this call counted the client; `full`: it was refused, for `total` others are counted."""

    new: bool
    done: int
    total: int
    full: bool = False


@dataclass(frozen=True)
class JobHash:
    """The documented keys of a job, as they stand."""

    total: int
    done: int
    schema_text: str
    final_result: str
    clients: tuple[str, ...]


class JobKeys(Protocol):
    """The keys that existing readers know: the hash `job:{id}` and the set `job:{id}:updatedClients`.

    Each method is one atomic step, and raises Unavailable where the keys can't be reached.
    """

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        """Count `client` once; keys that are absent are first made from `durable`."""
        ...

    def read(self, job: str) -> JobHash | None: ...

    def write(self, job: str, durable: DurableJob) -> None:
        """Bring the keys to `durable`: its clients are added to those counted, and none is taken away."""


class Aggregator(Protocol):
    """Who sums up without seeing the parts."""

    def start(
        self,
        job: str,
        clients: Sequence[str],
        *,
        size: int | None,
        minimum: int,
        round_seconds: float | None,
    ) -> None:
        """Start the sum of `size` elements over `clients`, once however often it is asked for.

        `minimum` is the least number of clients that may be in it. Raises InvalidInput, NotFound and Conflict for what
        can't be started, and Unavailable for what may pass.
        """

    def outcome(self, job: str) -> Outcome:
        """Raises NotFound where nothing was started, and Unavailable."""
        ...


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""


class Calls(Protocol):
    """Calls to others over HTTP. Redirections are not followed: their status is the answer's."""

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
        """Connects to one of `addresses` where they are given, whatever the URL's host resolves to. Raises Unavailable
        where there is no answer within `seconds`.
        """
        ...


class ResultFiles(Protocol):
    """Where result files go."""

    def write(self, name: str, content: bytes, *, content_type: str) -> str:
        """Store the file whole, in the place of one of that name; its address. Raises Unavailable, Misconfigured."""
        ...
