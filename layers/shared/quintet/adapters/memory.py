"""Every port in memory: for tests, demonstrations, and one process alone. Held to the same contract as the others."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import STATUS_CONSTANTS, DataRecord

from quintet.adapters.dynamodb import as_texts, from_fields, to_fields
from quintet.adapters.sqs import MESSAGE_LIMIT, check_message
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Conflict, NotFound, Unavailable

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryObjects:
    """URLs have the form `memory:///key?…` and say what they would let through."""

    _stored: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    _changed: dict[str, datetime] = field(default_factory=dict)

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self._stored[key] = (bytes(body), content_type)
        self._changed[key] = datetime.now(UTC)

    def get(self, key: str) -> tuple[bytes, str]:
        try:
            return self._stored[key]
        except KeyError:
            raise NotFound("there is no such object; it may have expired", key=key) from None

    def part(self, key: str, start: int, length: int) -> bytes:
        return self.get(key)[0][start : start + length]

    def size(self, key: str) -> int:
        return len(self.get(key)[0])

    def etag(self, key: str) -> str:
        return hashlib.sha256(self.get(key)[0]).hexdigest()

    def delete(self, key: str) -> None:
        self._stored.pop(key, None)

    def upload_url(self, key: str, *, size: int, content_type: str, seconds: int) -> str:
        return _url(key, method="PUT", size=size, content_type=content_type, seconds=seconds)

    def download_url(self, key: str, *, seconds: int) -> str:
        return _url(key, method="GET", seconds=seconds)

    def keys(self) -> list[str]:
        return sorted(self._stored)

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        keys = sorted((key for key in self._stored if key.startswith(prefix)), key=str.encode)
        return [(key, self.size(key), self._changed[key]) for key in keys[:limit]]


def _url(key: str, **allowed: object) -> str:
    return f"memory:///{quote(key)}?{urlencode(allowed)}"


class MemoryRecords:
    """Keeps the JSON text of every field, as DynamoRecords does: nobody shares a stored list by accident."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stored: dict[str, tuple[dict[str, str], datetime | None]] = {}
        self._lock = Lock()

    def create(self, key: str, record: Mapping[str, Any], *, seconds: int | None = None) -> None:
        fields = to_fields(record)
        with self._lock:
            if self._standing(key) is not None:
                raise Conflict("there is such a record already", key=key)
            end = None if seconds is None else self._clock.now() + timedelta(seconds=seconds)
            self._stored[key] = (fields, end)

    def read(self, key: str) -> dict[str, Any]:
        with self._lock:
            return from_fields(self._fields(key))

    def update(self, key: str, changes: Mapping[str, Any], *, expect: Mapping[str, Any]) -> None:
        changed, expected = as_texts(changes), as_texts(expect)
        with self._lock:
            fields = self._fields(key)
            if any(fields.get(name, "null") != text for name, text in expected.items()):
                raise Conflict("the record has changed meanwhile", key=key, expected=sorted(expect))
            fields.update(changed)

    def delete(self, key: str) -> None:
        with self._lock:
            self._stored.pop(key, None)

    def _fields(self, key: str) -> dict[str, str]:
        fields = self._standing(key)
        if fields is None:
            raise NotFound("there is no such record", key=key)
        return fields

    def _standing(self, key: str) -> dict[str, str] | None:
        fields, end = self._stored.get(key, (None, None))
        return None if end is not None and end <= self._clock.now() else fields


@dataclass
class MemoryQueue:
    """Keeps what was sent: `sent` is (body, attributes), oldest first. While `away`, it raises Unavailable."""

    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    limit: int = MESSAGE_LIMIT
    away: bool = False

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        check_message(body, attributes or {}, self.limit)
        if self.away:
            raise Unavailable("the queue does not answer")
        self.sent.append((body, dict(attributes or {})))

    def send_many(self, messages: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        for body, attributes in messages:
            check_message(body, attributes, self.limit)
        for body, attributes in messages:
            self.send(body, attributes)

    def as_event(self, *positions: int, deliveries: int = 1) -> dict[str, Any]:
        """What Lambda gets from SQS for the messages at `positions` of `sent`, by default all of them.

        >>> queue = MemoryQueue()
        >>> queue.send("hello", {"correlation_id": "order-17"})
        >>> record = queue.as_event()["Records"][0]
        >>> record["body"], record["messageAttributes"]["correlation_id"]["stringValue"]
        ('hello', 'order-17')
        """
        chosen = positions or range(len(self.sent))
        return {"Records": [_sqs_record(position, *self.sent[position], deliveries) for position in chosen]}


def message_id(position: int) -> str:
    """The SQS message id of the message at `position` of a MemoryQueue."""
    return str(UUID(int=position))


def _sqs_record(position: int, body: str, attributes: Mapping[str, str], deliveries: int) -> dict[str, Any]:
    sent_at = str(int(_BEGINNING.timestamp() * 1000))
    return {
        "messageId": message_id(position),
        "receiptHandle": f"{position}/{deliveries}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(deliveries),
            "SentTimestamp": sent_at,
            "SenderId": "memory",
            "ApproximateFirstReceiveTimestamp": sent_at,
        },
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in attributes.items()
        },
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:memory",
        "awsRegion": "eu-central-1",
    }


@dataclass(frozen=True)
class Published:
    queue: str
    body: str
    message_id: str
    correlation_id: str = ""


@dataclass
class MemoryPublisher:
    """Keeps what was published, oldest first. While `away`, it raises Unavailable."""

    published: list[Published] = field(default_factory=list)
    away: bool = False

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        if self.away:
            raise Unavailable("Failed to connect to RabbitMQ: it is away")
        self.published.append(Published(queue, body, message_id, correlation_id))

    def bodies(self, queue: str) -> list[str]:
        return [message.body for message in self.published if message.queue == queue]


class MemoryCache:
    """While `away`, it raises Unavailable."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.away = False
        self._clock = clock or SystemClock()
        self._stored: dict[str, tuple[bytes, datetime]] = {}
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        self._check()
        value, end = self._stored.get(key, (None, self._clock.now()))
        return value if end > self._clock.now() else None

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        self._check()
        with self._lock:
            self._keep(key, value, seconds)

    def add(self, key: str, value: bytes, *, seconds: int) -> bool:
        with self._lock:
            if self.get(key) is not None:
                return False
            self._keep(key, value, seconds)
            return True

    def delete(self, key: str) -> None:
        self._check()
        with self._lock:
            self._stored.pop(key, None)

    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool:
        with self._lock:
            if self.get(key) != expect:
                return False
            self._keep(key, value, seconds)
            return True

    def keys(self, prefix: str) -> list[str]:
        self._check()
        with self._lock:
            return [key for key in self._stored if key.startswith(prefix) and self.get(key) is not None]

    def _check(self) -> None:
        if self.away:
            raise Unavailable("the cache does not answer")

    def _keep(self, key: str, value: bytes, seconds: int) -> None:
        self._stored[key] = (bytes(value), self._clock.now() + timedelta(seconds=seconds))


class MemoryDoneMessages(BasePersistenceLayer):
    """Powertools' memory of done messages, by the rules of its DynamoDB layer. Time is the system's, as in there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stored: dict[str, DataRecord] = {}
        self._lock = Lock()

    def _get_record(self, idempotency_key: str) -> DataRecord:
        with self._lock, _absent_is_not_found():
            return self._stored[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        with self._lock:
            standing = self._stored.get(data_record.idempotency_key)
            if standing is not None and not _is_over(standing):
                raise IdempotencyItemAlreadyExistsError(old_data_record=standing)
            self._stored[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        with self._lock:
            self._stored[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        with self._lock:
            self._stored.pop(data_record.idempotency_key, None)


@contextmanager
def _absent_is_not_found() -> Iterator[None]:
    try:
        yield
    except KeyError:
        raise IdempotencyItemNotFoundError from None


def _is_over(record: DataRecord) -> bool:
    if record.is_expired:
        return True
    ends = record.in_progress_expiry_timestamp
    in_progress = record.status == STATUS_CONSTANTS["INPROGRESS"]
    return in_progress and ends is not None and ends < datetime.now(UTC).timestamp() * 1000
