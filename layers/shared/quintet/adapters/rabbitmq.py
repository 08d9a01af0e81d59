"""Messages to RabbitMQ's queues, each confirmed by the broker before it counts as sent.

A queue is addressed by its name, through the default exchange. Nothing is lost where a publisher returns; a message may
arrive twice, with the same `message_id`, where only the broker's answer was lost.
"""

import json
import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from quintet.adapters.rabbitmq_errors import house_errors
from quintet.adapters.secrets import secret_text
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from quintet.kernel.settings import BrokerSettings

if TYPE_CHECKING:
    from pika import BasicProperties, BlockingConnection, ConnectionParameters
    from pika.adapters.blocking_connection import BlockingChannel

HEARTBEAT_SECONDS = 30
BLOCKED_SECONDS = 30
ATTEMPTS = 3

_CONNECT_SECONDS = 5
_UNANSWERED_MILLISECONDS = 10_000


@dataclass(frozen=True)
class BrokerAddress:
    host: str = "localhost"
    port: int = 5672
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    vhost: str = "/"
    tls: bool = False


def address_of(broker: BrokerSettings) -> BrokerAddress:
    """Raises Misconfigured where its secret holds no user and password."""
    user, password = broker.user, broker.password.get_secret_value()
    if broker.secret_arn:
        try:
            secret = json.loads(secret_text(broker.secret_arn))
            user, password = secret["username"], secret["password"]
        except (ValueError, KeyError):
            raise Misconfigured("RABBITMQ_SECRET_ARN: the secret is no JSON with username and password") from None
    return BrokerAddress(broker.host, broker.port, user, password, broker.vhost, broker.tls)


class RabbitMqPublisher:
    """Connects with the first message, and again where the connection was lost or Lambda had frozen us.

    Threads may share it; they take turns. A thread that keeps it for long calls `keep_alive` every few seconds while
    it has nothing to send, so that the broker hears its heartbeats.
    """

    def __init__(self, address: BrokerAddress, *, pause: float = 0.5) -> None:
        self._address = address
        self._pause = pause
        self._turn = Lock()
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        """Raises Unavailable, Overloaded, and Misconfigured for what only somebody's hand can mend."""
        properties = _properties(message_id, correlation_id)
        with self._turn:
            for attempt in range(1, ATTEMPTS):
                try:
                    self._publish(queue, body.encode(), properties)
                except Unavailable:
                    time.sleep(self._pause * attempt)
                else:
                    return
            self._publish(queue, body.encode(), properties)

    def keep_alive(self) -> None:
        """Answer the broker; a connection that was lost meanwhile is let go."""
        with self._turn:
            self._listen()

    def close(self) -> None:
        with self._turn:
            self._drop()

    def _publish(self, queue: str, body: bytes, properties: "BasicProperties") -> None:
        from pika.exceptions import UnroutableError

        self._listen()
        with self._dropping(), house_errors(queue):
            channel = self._open()
            try:
                channel.basic_publish("", queue, body, properties, mandatory=True)
            except UnroutableError:
                channel.queue_declare(queue, durable=True)
                channel.basic_publish("", queue, body, properties, mandatory=True)

    def _listen(self) -> None:
        if self._connection is None:
            return
        with suppress(QuintetError), self._dropping(), house_errors():
            self._connection.process_data_events(0)

    def _open(self) -> "BlockingChannel":
        if self._channel is None or not self._channel.is_open:
            self._connection = connect(self._address)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        """A connection on which something failed is not used again."""
        try:
            yield
        except QuintetError:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with suppress(QuintetError), house_errors():
                connection.close()


def connect(address: BrokerAddress) -> "BlockingConnection":
    """One attempt; raises what pika raises, which is much: see `house_errors`."""
    from pika import BlockingConnection

    logging.getLogger("pika").setLevel(logging.CRITICAL)  # whatever it logs as an error, it raises too
    return BlockingConnection(parameters(address))


def parameters(address: BrokerAddress) -> "ConnectionParameters":
    from pika import ConnectionParameters, PlainCredentials, SSLOptions

    return ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.vhost,
        credentials=PlainCredentials(address.user, address.password),
        ssl_options=SSLOptions(ssl.create_default_context(), address.host) if address.tls else None,
        heartbeat=HEARTBEAT_SECONDS,
        blocked_connection_timeout=BLOCKED_SECONDS,
        socket_timeout=_CONNECT_SECONDS,
        stack_timeout=2 * _CONNECT_SECONDS,
        tcp_options={"TCP_USER_TIMEOUT": _UNANSWERED_MILLISECONDS},
    )


def _properties(message_id: str, correlation_id: str) -> "BasicProperties":
    from pika import BasicProperties, DeliveryMode

    return BasicProperties(
        content_type="application/json",
        delivery_mode=DeliveryMode.Persistent.value,
        message_id=message_id,
        correlation_id=correlation_id or None,
    )
