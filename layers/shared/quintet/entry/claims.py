"""Claim check for queues: a body over the limit travels as a pointer to an object.

The pointer has the form of Amazon's extended client libraries for SQS, so that their users can read and write it:
`["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": …, "s3Key": …}]`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quintet.entry.ports import Message, Objects, Queue
from quintet.kernel.errors import InvalidInput
from quintet.kernel.ids import new_id

QUEUE_LIMIT = 256 * 1024
"""Bytes of body and attributes that every SQS queue takes, also those not yet raised to 1 MiB."""

_ROOM_FOR_ATTRIBUTES = 8 * 1024
_POINTER = "software.amazon.payloadoffloading.PayloadS3Pointer"
_PREFIX = "claims/"


@dataclass(frozen=True)
class ClaimCheckQueue:
    """A queue whose messages have no size limit."""

    queue: Queue
    objects: Objects
    bucket: str
    limit: int = QUEUE_LIMIT - _ROOM_FOR_ATTRIBUTES

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        self.queue.send(self._claimed(body), attributes)

    def send_many(self, messages: Sequence[Message]) -> None:
        self.queue.send_many([(self._claimed(body), attributes) for body, attributes in messages])

    def _claimed(self, body: str) -> str:
        content = body.encode()
        if len(content) <= self.limit:
            return body
        key = f"{_PREFIX}{new_id()}"
        self.objects.put(key, content)
        return json.dumps([_POINTER, {"s3BucketName": self.bucket, "s3Key": key}])


def redeem(body: str, objects: Objects, bucket: str) -> str:
    """The body behind a pointer; any other body as it is.

    Raises InvalidInput for a pointer that leads anywhere but into the claims of our own bucket or to something that
    is no text, and NotFound where its object has expired.
    """
    if _POINTER not in body[:100]:
        return body
    try:
        _, target = json.loads(body)
        place, key = target["s3BucketName"], target["s3Key"]
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("not a pointer to a large message") from None
    if place != bucket or not str(key).startswith(_PREFIX):
        raise InvalidInput("a pointer may lead only to the claims of this deployment's bucket", bucket=place, key=key)
    content, _ = objects.get(key)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidInput("a large message must be UTF-8 text", key=key) from None
