"""What the room needs from the world. Adapters provide it; tests/contract holds every adapter to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from quintet.kernel.streams import Delivery, Receiver, Streams, StreamsState

__all__ = ["Delivery", "Experiments", "Measurement", "Objects", "Receiver", "Streams", "StreamsState"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a run's metric; `milliseconds` since 1970."""

    key: str
    value: float
    step: int
    milliseconds: int


class Experiments(Protocol):
    """Where data scientists watch runs.

    Raises Unavailable where it is away, Conflict where it answers and refuses, and nothing else.
    """

    def open(self, experiment: str, run_name: str, tags: Mapping[str, str]) -> str:
        """The id of the experiment's run that has these tags, now running; a new one called `run_name` else."""
        ...

    def params(self, run: str, params: Mapping[str, str]) -> None:
        """Those that the run does not have yet."""

    def metrics(self, run: str, measurements: Sequence[Measurement]) -> None:
        """The same measurement twice counts once."""

    def artifact(self, run: str, path: str, content: bytes) -> None:
        """A file of the run, in the place of what was there."""

    def close(self, run: str, status: str, tags: Mapping[str, str]) -> None:
        """`status`: FINISHED, FAILED or KILLED."""


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
