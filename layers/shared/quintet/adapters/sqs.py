"""Messages to an SQS queue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import InvalidInput, Misconfigured, TooLarge, Unavailable
from quintet.kernel.text import queues_take

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

MESSAGE_LIMIT = 1024 * 1024
"""Bytes of body and attributes that SQS takes at most; a queue may be set to less."""

ATTRIBUTES_LIMIT = 10


BATCH_MESSAGES = 10
BATCH_BYTES = 256 * 1024

Message = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class SqsQueue:
    url: str

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Raises Unavailable, TooLarge, InvalidInput."""
        attributes = attributes or {}
        check_message(body, attributes)
        with _refusals():
            client("sqs").send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=_written(attributes))

    def send_many(self, messages: Sequence[Message]) -> None:
        """Ten at a time. Raises Unavailable, TooLarge, InvalidInput."""
        for body, attributes in messages:
            check_message(body, attributes)
        for batch in batches(messages):
            self._send_batch(batch)

    def _send_batch(self, batch: Sequence[Message]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(place), "MessageBody": body, "MessageAttributes": _written(attributes)}
            for place, (body, attributes) in enumerate(batch)
        ]
        with _refusals():
            answer = client("sqs").send_message_batch(QueueUrl=self.url, Entries=entries)
        for failure in answer.get("Failed", []):
            said = {"code": failure.get("Code"), "reason": failure.get("Message")}
            if failure.get("SenderFault"):
                raise InvalidInput("the queue refuses the message", **said)
            raise Unavailable("the queue did not take every message", **said)


def batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """In order, each as full as SQS takes it in one request.

    >>> [len(batch) for batch in batches([("x" * 100_000, {})] * 5 + [("x", {})] * 12)]
    [2, 2, 10, 3]
    """
    batch: list[Message] = []
    for message in messages:
        size = sum(_size(*one) for one in (*batch, message))
        if batch and (len(batch) == BATCH_MESSAGES or size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch


@contextmanager
def _refusals() -> Iterator[None]:
    sqs = client("sqs")
    try:
        with translated("the queue"):
            yield
    except sqs.exceptions.ClientError as error:
        if "must be shorter" in str(error) or "BatchRequestTooLong" in str(error):
            raise TooLarge("the message is too large for this queue", reason=str(error)) from error
        raise


def _written(attributes: Mapping[str, str]) -> dict[str, "MessageAttributeValueTypeDef"]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


@dataclass(frozen=True)
class SqsPublisher:
    """Stands for the broker where there is none: `urls` holds each queue's name on the broker and its SQS queue."""

    urls: Mapping[str, str]

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        """Raises Unavailable, TooLarge, InvalidInput, and Misconfigured for a name without a queue."""
        if queue not in self.urls:
            raise Misconfigured(f"Queue '{queue}' not found", known=sorted(self.urls))
        attributes = {"message_id": message_id, "correlation_id": correlation_id}
        SqsQueue(self.urls[queue]).send(body, {name: value for name, value in attributes.items() if value})


def check_message(body: str, attributes: Mapping[str, str], limit: int = MESSAGE_LIMIT) -> None:
    """Raises TooLarge, and InvalidInput for what no SQS queue takes.

    >>> check_message("hello", {"correlation_id": "order-17"})
    """
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise InvalidInput(f"a message has at most {ATTRIBUTES_LIMIT} attributes, this one has {len(attributes)}")
    for text in (body, *attributes, *attributes.values()):
        if not queues_take(text):
            raise InvalidInput("a message's body and attributes are not empty and hold no control characters")
    if _size(body, attributes) > limit:
        raise TooLarge("the message is too large for this queue", size=_size(body, attributes), limit=limit)


def _size(body: str, attributes: Mapping[str, str]) -> int:
    parts = (len(part.encode()) for item in attributes.items() for part in (*item, "String"))
    return len(body.encode()) + sum(parts)
