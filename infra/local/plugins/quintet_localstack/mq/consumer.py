"""A connection to the broker that holds one batch of messages until it is settled."""

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ConsumerCancelled

from quintet_localstack.mq.event import Source, record

LOG = logging.getLogger(__name__)
TROUBLES = (AMQPError, AMQPConnectorException, OSError)
HEARTBEAT = 30  # seconds

logging.getLogger("pika").setLevel(logging.CRITICAL)  # whatever it logs as an error, it raises too


@dataclass(frozen=True)
class Delivery:
    tag: int
    record: bytes
    arrived: float


def connect(user: str, password: str, vhost: str) -> pika.BlockingConnection:
    host, _, port = os.environ.get("QUINTET_AMQP", "127.0.0.1:5672").rpartition(":")
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=host,
            port=int(port),
            virtual_host=vhost,
            credentials=pika.PlainCredentials(user, password),
            heartbeat=HEARTBEAT,
            socket_timeout=5,
            stack_timeout=10,
        )
    )


class Consumer:
    """`size` messages at most are unsettled at a time; `window` is in seconds, from a batch's first message on."""

    def __init__(self, connection: pika.BlockingConnection, source: Source, size: int, window: float) -> None:
        self.connection = connection
        self.source = source
        self.size = size
        self.window = window
        self.waiting: list[Delivery] = []
        self.cancelled = False
        self.channel = connection.channel()
        self.channel.basic_qos(prefetch_count=size)
        self.channel.add_on_cancel_callback(self.cancel)
        self.channel.basic_consume(source.queue, self.take)

    def take(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        made = record(properties, body, method.redelivered)
        if len(made) > self.source.room:
            LOG.warning("A message of %d bytes on %s is dropped: with its JSON it is over 6 MB, the most that Lambda "
                        "takes", len(body), self.source.queue)  # fmt: skip
            channel.basic_ack(method.delivery_tag)
        else:
            self.waiting.append(Delivery(method.delivery_tag, made, time.monotonic()))

    def cancel(self, frame: Any) -> None:
        """The broker does this where the queue is deleted."""
        self.cancelled = True

    def listen(self, seconds: float) -> None:
        """Take what arrives and answer heartbeats, for so long or until something happens."""
        self.connection.process_data_events(max(0.0, seconds))  # type: ignore[arg-type]
        if self.cancelled:
            raise ConsumerCancelled(f"queue {self.source.queue} was deleted")

    def wake(self) -> None:
        """End a `listen`, from another thread."""
        with suppress(*TROUBLES):
            self.connection.add_callback_threadsafe(lambda: None)

    def due_in(self) -> float:
        """Seconds until a batch is due; infinite where no message is there."""
        if not self.waiting:
            return float("inf")
        if len(self.waiting) >= self.size or self.fitting() < len(self.waiting):
            return 0.0
        return max(0.0, self.waiting[0].arrived + self.window - time.monotonic())

    def batch(self) -> list[Delivery]:
        """As many of the oldest messages as one invocation takes."""
        end = min(self.size, self.fitting())
        taken, self.waiting = self.waiting[:end], self.waiting[end:]
        return taken

    def fitting(self) -> int:
        sizes = accumulate(len(one.record) + len(b", ") for one in self.waiting)
        return sum(1 for size in sizes if size <= self.source.room + len(b", "))

    def accept(self, batch: list[Delivery]) -> None:
        self.channel.basic_ack(batch[-1].tag, multiple=True)

    def give_back(self, batch: list[Delivery]) -> None:
        """All of it, and what came behind it, so that the queue's order and the batch stay what they were."""
        self.channel.basic_nack((self.waiting or batch)[-1].tag, multiple=True)
        self.waiting.clear()

    def close(self) -> None:
        with suppress(*TROUBLES):
            self.connection.close()
