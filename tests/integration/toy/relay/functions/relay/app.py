"""A relay as a room has one, with one way: RabbitMQ → the toy's SQS queue."""

import os
from dataclasses import dataclass
from functools import cache

from quintet.adapters.s3 import S3Objects
from quintet.adapters.sqs import SqsQueue
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.ports import Objects, Queue
from quintet.entry.relay import from_rabbitmq


@dataclass(frozen=True)
class Toy:
    bucket: str
    objects: Objects
    letters: Queue
    dead_letters: Queue

    def warm(self) -> None:
        """There is nothing to load."""


@cache
def toy() -> Toy:
    bucket = os.environ["TOY_BUCKET"]
    objects = S3Objects(bucket)
    letters = ClaimCheckQueue(SqsQueue(os.environ["TOY_LETTERS"]), objects, bucket)
    return Toy(bucket, objects, letters, SqsQueue(os.environ["TOY_DEAD_LETTERS"]))


@from_rabbitmq(deps=toy)
def handler(queue: str, room: Toy) -> Queue | None:
    return room.letters if queue == "toy_relay_q" else None
