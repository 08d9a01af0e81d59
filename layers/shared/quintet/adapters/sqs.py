"""Messages to an SQS queue."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import InvalidInput, TooLarge

MESSAGE_LIMIT = 1024 * 1024
"""Bytes of body and attributes that SQS takes at most; a queue may be set to less."""

ATTRIBUTES_LIMIT = 10

_NOT_TAKEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class SqsQueue:
    url: str

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Raises Unavailable, TooLarge, InvalidInput."""
        attributes = attributes or {}
        check_message(body, attributes)
        sqs = client("sqs")
        try:
            with translated("the queue"):
                sqs.send_message(
                    QueueUrl=self.url,
                    MessageBody=body,
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                    },
                )
        except sqs.exceptions.ClientError as error:
            if "must be shorter" in str(error):
                raise TooLarge("the message is too large for this queue", reason=str(error)) from error
            raise


def check_message(body: str, attributes: Mapping[str, str], limit: int = MESSAGE_LIMIT) -> None:
    """Raises TooLarge, and InvalidInput for what no SQS queue takes.

    >>> check_message("hello", {"correlation_id": "order-17"})
    """
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise InvalidInput(f"a message has at most {ATTRIBUTES_LIMIT} attributes, this one has {len(attributes)}")
    for text in (body, *attributes, *attributes.values()):
        if not text or _NOT_TAKEN.search(text):
            raise InvalidInput("a message's body and attributes are not empty and hold no control characters")
    if _size(body, attributes) > limit:
        raise TooLarge("the message is too large for this queue", size=_size(body, attributes), limit=limit)


def _size(body: str, attributes: Mapping[str, str]) -> int:
    parts = (len(part.encode()) for item in attributes.items() for part in (*item, "String"))
    return len(body.encode()) + sum(parts)
