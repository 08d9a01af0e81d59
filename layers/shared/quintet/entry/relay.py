"""The relay: what comes from RabbitMQ, by Amazon MQ's event, goes to the SQS queue of the same role.

    @from_rabbitmq(deps=post_office)
    def handler(queue, office):
        return office.boxes.get(queue)

Bodies stay what they are, properties become attributes. One bad message never fails the batch: what can't be forwarded
goes to the dead letters with its reason. Where SQS itself is away, the whole batch is retried: a message may then be
forwarded twice.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.ports import Message, Objects, Queue
from quintet.kernel.errors import InvalidInput, Misconfigured, NotFound, QuintetError
from quintet.kernel.log import logger
from quintet.kernel.settings import PlaceSettings, read
from quintet.kernel.text import printable, queues_take

_REASON_LIMIT = 512
_EMPTY = "(empty)"


class RelayRoom(Protocol):
    """What the relay needs of a room."""

    @property
    def objects(self) -> Objects: ...
    @property
    def bucket(self) -> str: ...
    @property
    def dead_letters(self) -> Queue: ...
    def warm(self) -> None: ...


Room = TypeVar("Room", bound=RelayRoom)
Event = Mapping[str, Any]
Route = Callable[[str], Queue | None]
Tally = dict[str, int]


def from_rabbitmq(
    *, deps: Callable[[], Room]
) -> Callable[[Callable[[str, Room], Queue | None]], Callable[[Event, Any], Tally]]:
    """Turn `route(queue, room)`, the way of a queue's messages, into a Lambda handler of Amazon MQ's event."""

    def decorate(route: Callable[[str, Room], Queue | None]) -> Callable[[Event, Any], Tally]:
        if read(PlaceSettings).function:
            deps().warm()

        def handler(event: Event, context: Any) -> Tally:
            room = deps()
            dead_letters = ClaimCheckQueue(room.dead_letters, room.objects, room.bucket)
            return relay(event, lambda queue: route(queue, room), dead_letters)

        return handler

    return decorate


def relay(event: Event, route: Route, dead_letters: Queue) -> Tally:
    """How many messages were forwarded and how many set aside. Raises Unavailable and Misconfigured, for all again."""
    post = Post(route, dead_letters)
    for queue, messages in by_queue(event).items():
        post.forward(queue, messages)
    tally = {"forwarded": post.forwarded, "set_aside": post.set_aside}
    _log().info("messages relayed", extra=tally)
    return tally


@dataclass
class Post:
    route: Route
    dead_letters: Queue
    forwarded: int = 0
    set_aside: int = 0

    def forward(self, queue: str, messages: list[Message]) -> None:
        way = self.route(queue)
        if way is None:
            self.bury(messages, NotFound(f"{printable(queue)} leads nowhere"))
        else:
            self.bury([one for one in messages if is_empty(one)], InvalidInput("an empty message says nothing"))
            self.send(way, [one for one in messages if not is_empty(one)])

    def send(self, way: Queue, messages: list[Message]) -> None:
        """All at once, and where they can't be sent so, one by one: one of them is to blame."""
        try:
            way.send_many(messages)
            self.forwarded += len(messages)
        except QuintetError as error:
            if passes(error):
                raise
            for message in messages:
                self.send_one(way, message)

    def send_one(self, way: Queue, message: Message) -> None:
        try:
            way.send(*message)
            self.forwarded += 1
        except QuintetError as error:
            if passes(error):
                raise
            self.bury([message], error)

    def bury(self, messages: list[Message], error: QuintetError) -> None:
        reason = {"error": type(error).__name__, "reason": printable(error.message)[:_REASON_LIMIT]}
        for body, attributes in messages:
            _log().error("message set aside", extra={**attributes, **reason, "details": error.details})
            self.dead_letters.send(body, {**attributes, **reason})
            self.set_aside += 1


def is_empty(message: Message) -> bool:
    return message[1].get("encoding") == "empty"


def passes(error: QuintetError) -> bool:
    """Whether another time may help, or a setting of ours is in the way: then no message is to blame."""
    return error.retry or isinstance(error, Misconfigured)


def by_queue(event: Event) -> dict[str, list[Message]]:
    """The messages by the queue they were on, oldest first."""
    found: defaultdict[str, list[Message]] = defaultdict(list)
    for source, records in event["rmqMessagesByQueue"].items():
        queue = source.rpartition("::")[0]
        found[queue] += [as_message(queue, record) for record in records]
    return found


def as_message(queue: str, record: Mapping[str, Any]) -> Message:
    """Body and attributes for SQS, which takes text only: what is none goes as base64 and says so in `encoding`."""
    body, encoding = as_text(b64decode(record["data"]))
    return body, dict(attributes(queue, record)) | ({"encoding": encoding} if encoding else {})


def as_text(body: bytes) -> tuple[str, str]:
    """
    >>> as_text(b"{}"), as_text(bytes([255])), as_text(b"")
    (('{}', ''), ('/w==', 'base64'), ('(empty)', 'empty'))
    """
    if not body:
        return _EMPTY, "empty"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b64encode(body).decode(), "base64"
    return (text, "") if queues_take(text) else (b64encode(body).decode(), "base64")


def attributes(queue: str, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Not `message_id`: by that name the queue door knows what it has done, and clients may use theirs twice."""
    properties = record["basicProperties"]
    known = {
        "amqp_message_id": properties.get("messageId"),
        "correlation_id": properties.get("correlationId"),
        "user_id": properties.get("userId"),
        "queue": queue,
        "redelivered": str(record["redelivered"]).lower(),
    }
    yield from ((name, printable(value)) for name, value in known.items() if value)


def _log() -> Any:
    return logger(f"{read(PlaceSettings).room}-relay")
