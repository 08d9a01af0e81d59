"""What the room needs from the world. Adapters provide it; tests/contract holds every adapter to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from quintet.aggregation.messages import Outcome
from quintet.kernel.rows import Rows

__all__ = ["Aggregator", "Objects", "Queue", "Rows"]


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
