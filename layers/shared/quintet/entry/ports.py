"""What the doors need from the world. Adapters provide it; tests/contract holds every adapter to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

Record = dict[str, Any]
"""A stored record: JSON scalars by name; `schema` is the version of its shape."""

Message = tuple[str, Mapping[str, str]]
"""A body and its attributes."""


class Objects(Protocol):
    """Bulk storage, by key (`prefix/owner/name`)."""

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Store `body`, replacing what was there."""

    def get(self, key: str) -> tuple[bytes, str]:
        """Body and content type. Raises NotFound."""
        ...

    def part(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at the end. Raises NotFound."""
        ...

    def size(self, key: str) -> int:
        """Bytes. Raises NotFound."""
        ...

    def etag(self, key: str) -> str:
        """Another text whenever the body is another one. Raises NotFound."""
        ...

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        """(key, bytes, last change in UTC) of the first `limit` objects whose keys begin so, in the order of keys."""
        ...

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens where it is not there."""

    def upload_url(self, key: str, *, size: int, content_type: str, seconds: int) -> str:
        """A URL that takes one PUT of exactly `size` bytes of `content_type`, for `seconds`."""
        ...

    def download_url(self, key: str, *, seconds: int) -> str:
        """A URL that gives the object to whoever holds it, for `seconds`."""
        ...


class Records(Protocol):
    """Small control state that is durable before it is acknowledged."""

    def create(self, key: str, record: Mapping[str, Any], *, seconds: int | None = None) -> None:
        """Store a new record, forgotten after `seconds`. Raises Conflict where one stands."""

    def read(self, key: str) -> Record:
        """The record as of now. Raises NotFound, also past its time."""
        ...

    def update(self, key: str, changes: Mapping[str, Any], *, expect: Mapping[str, Any]) -> None:
        """Change fields in one atomic step if every expected field still has its value.

        Raises Conflict where one has not, and NotFound where the record is not there.
        """

    def delete(self, key: str) -> None:
        """Forget the record; nothing happens where it is not there."""


class Queue(Protocol):
    """Where messages go out."""

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Returns once the message is durable. Raises Unavailable."""

    def send_many(self, messages: Sequence[Message]) -> None:
        """Returns once all are durable; where it raises, some may have been sent."""


class Publisher(Protocol):
    """Where results go out: queues that others listen on, by their names on the broker."""

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        """Returns once the message is durable; a message may arrive twice, with the same `message_id`.

        Raises Unavailable and Overloaded for what may pass, Misconfigured for what somebody must set right.
        """


class Cache(Protocol):
    """What may be lost: values with an expiry."""

    def get(self, key: str) -> bytes | None:
        """The value, or None where there is none (any more). Raises Unavailable."""
        ...

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep `value` for `seconds`. Raises Unavailable."""

    def add(self, key: str, value: bytes, *, seconds: int) -> bool:
        """Keep `value` only where there is none; whether it was kept. Atomic."""
        ...

    def delete(self, key: str) -> None:
        """Forget it; nothing happens where it is not there."""

    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool:
        """Keep `value` only in the place of `expect`; whether it was kept. Atomic. Raises Unavailable."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Every key that begins so, in no order; one that comes or goes meanwhile may be among them or not."""
        ...
