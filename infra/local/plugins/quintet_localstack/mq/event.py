"""Amazon MQ's event, as Lambda gives it to a function: RabbitMQ's message as Java's JSON writes it.

A text in a header is an object of its bytes, a number stands for itself, and what the publisher left out is null.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of JSON that one invocation takes. A record that alone is larger is dropped."""


@dataclass(frozen=True)
class Source:
    """What a mapping listens to."""

    broker: str
    queue: str
    vhost: str = "/"

    def event(self, records: list[bytes]) -> bytes:
        """The payload; `records` are what `record` made."""
        key = json.dumps(f"{self.queue}::{self.vhost}").encode()
        head = b'{"eventSource": "aws:rmq", "eventSourceArn": %s, "rmqMessagesByQueue": {%s: ['
        return head % (json.dumps(self.broker).encode(), key) + b", ".join(records) + b"]}}"

    @cached_property
    def room(self) -> int:
        """Bytes that are left for records and the commas between."""
        return PAYLOAD_LIMIT - len(self.event([]))


def record(properties: Any, body: bytes, redelivered: bool) -> bytes:
    """One message as JSON; `properties` are pika's BasicProperties."""
    return json.dumps({
        "basicProperties": basic_properties(properties, len(body)),
        "redelivered": redelivered,
        "data": b64encode(body).decode(),
    }).encode()  # fmt: skip


def basic_properties(given: Any, size: int) -> dict[str, Any]:
    return {
        "contentType": given.content_type,
        "contentEncoding": given.content_encoding,
        "headers": None if given.headers is None else header(given.headers),
        "deliveryMode": given.delivery_mode,
        "priority": given.priority,
        "correlationId": given.correlation_id,
        "replyTo": given.reply_to,
        "expiration": given.expiration,
        "messageId": given.message_id,
        "timestamp": None if given.timestamp is None else moment(given.timestamp),
        "type": given.type,
        "userId": given.user_id,
        "appId": given.app_id,
        "clusterId": given.cluster_id,
        "bodySize": size,
    }


def header(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): header(item) for name, item in value.items()}
    if isinstance(value, list):
        return [header(item) for item in value]
    if isinstance(value, (str, bytes)):
        return {"bytes": signed(value.encode() if isinstance(value, str) else value)}
    if isinstance(value, datetime):
        return moment(int(value.replace(tzinfo=UTC).timestamp()))
    return number(value)


def number(value: Any) -> Any:
    """As it is, but for what JSON has no number for."""
    if isinstance(value, (float, Decimal)):
        return float(value) if isfinite(value) else None
    return value


def signed(content: bytes) -> list[int]:
    """Java's bytes go from -128 to 127."""
    return [byte - 256 if byte > 127 else byte for byte in content]


def moment(seconds: int) -> str | None:
    """A time as Java writes it for Americans; None past the year 9999.

    >>> moment(2021)
    'Jan 1, 1970, 12:33:41 AM'
    """
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{when:%b} {when.day}, {when.year}, {when.hour % 12 or 12}:{when:%M:%S %p}"
