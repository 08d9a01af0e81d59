"""Where a RabbitMQ answers."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Broker:
    """Two URLs, both with the credentials of an administrator: the queues, and the HTTP API that manages them."""

    amqp: str
    management: str

    @property
    def bare_management(self) -> str:
        """The second without credentials."""
        parts = urlsplit(self.management)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
