"""One session's queues on one channel of a connection, from its opening to its end."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from pika.exceptions import ChannelClosedByBroker

from quintet.adapters.rabbitmq_connection import Connection, acknowledgement

_REFUSALS = {
    403: "Queue '{queue}' may not be read",
    404: "Queue '{queue}' does not exist",
    405: "Queue '{queue}' is used by somebody else alone",
}


class Watcher(Protocol):
    """Who is told, on the connection's thread."""

    def delivered(self, subscription: "Subscription", side: str, method: Any, body: bytes) -> None: ...

    def consuming(self, subscription: "Subscription") -> None:
        """All its queues are."""

    def ended(self, subscription: "Subscription", problem: str, final: bool) -> None:
        """By the broker; `problem` is empty where only the connection was lost."""


class Subscription:
    """Delivery tags count within one channel. So one that was ended is never begun again: a session gets a new one."""

    def __init__(self, session: str, queues: Mapping[str, str], prefetch: int, watcher: Watcher) -> None:
        self.session = session
        self.connection: Connection | None = None
        self._ended = False
        self._queues = queues
        self._prefetch = prefetch
        self._watcher = watcher
        self._asked = list(queues)
        self._unsettled: dict[int, None] = {}
        self._problem = ""
        self._final = False

    @property
    def is_open(self) -> bool:
        return not self._ended and self.connection is not None and bool(self._channel.is_open)

    def begin(self, connection: Connection) -> None:
        self.connection = connection
        self._channel = connection.channel(on_open_callback=self._opened)
        self._channel.on_too_large = self._too_large
        self._channel.add_on_close_callback(self._closed)
        self._channel.add_on_cancel_callback(self._cancelled)

    def end(self) -> None:
        """What is not settled returns to the queues."""
        self._ended = True
        self._close()

    def forget(self) -> None:
        """Its connection is about to end: nothing is said of it, nor handed over."""
        self._ended = True

    def acknowledgements(self, tags: list[int]) -> list[bytes]:
        """As few frames as say that these messages are settled, and no other."""
        settled = [tag for tag in tags if tag in self._unsettled]
        for tag in settled:
            del self._unsettled[tag]
        lowest = next(iter(self._unsettled), None)
        up_to = max((tag for tag in settled if lowest is None or tag < lowest), default=0)
        single = sorted(tag for tag in settled if tag > up_to)
        return [acknowledgement(self._channel, up_to, multiple=True)] * bool(up_to) + [
            acknowledgement(self._channel, tag, multiple=False) for tag in single
        ]

    def _opened(self, channel: Any) -> None:
        channel.basic_qos(prefetch_count=self._prefetch)
        for side, queue in self._queues.items():
            handed = partial(self._delivered, side)
            channel.basic_consume(queue, handed, consumer_tag=side, callback=partial(self._consumed, side))

    def _consumed(self, side: str, _: Any) -> None:
        self._asked.remove(side)
        if not self._asked and not self._ended:
            self._watcher.consuming(self)

    def _delivered(self, side: str, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if not self._ended:
            self._unsettled[method.delivery_tag] = None
            self._watcher.delivered(self, side, method, body)

    def _too_large(self, size: int) -> None:
        self._problem = f"A message of {size} bytes is larger than this service takes"
        self._final = True
        self._close()

    def _cancelled(self, frame: Any) -> None:
        self._problem = f"Queue '{self._queues[frame.method.consumer_tag]}' was deleted or has moved"
        self._close()

    def _closed(self, channel: Any, reason: Exception) -> None:
        if not self._ended:
            self._ended = True
            self._watcher.ended(self, self._problem or self._refusal(reason), self._final)

    def _refusal(self, reason: Exception) -> str:
        if not isinstance(reason, ChannelClosedByBroker):
            return ""
        if not self._asked:
            return f"RabbitMQ has closed the channel: {reason.reply_text}"
        words = _REFUSALS.get(reason.reply_code, "RabbitMQ refuses queue '{queue}'")
        return f"{words.format(queue=self._queues[self._asked[0]])}: {reason.reply_text}"

    def _close(self) -> None:
        if self.connection is not None and not (self._channel.is_closed or self._channel.is_closing):
            self._channel.close()
