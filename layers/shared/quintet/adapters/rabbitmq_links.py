"""The connections of one loop: one, and further ones where the broker allows no more channels on one."""

import random
from collections.abc import Callable
from typing import Any

from quintet.adapters.rabbitmq_connection import Connection
from quintet.adapters.rabbitmq_errors import as_house_error
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import StreamsState

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 30.0
"""A connection that lasted so long has nothing to do with the failures before it."""


class Links:
    """What is lost is opened again, after pauses that grow. All methods are for the loop's thread, but `state`.

    `changed` is called whenever there may be room for a channel where there was none.
    """

    def __init__(self, parameters: Any, message_limit: int, loop: Any, changed: Callable[[], None]) -> None:
        self.state = StreamsState(False, "RabbitMQ is not connected yet")
        self._parameters = parameters
        self._message_limit = message_limit
        self._loop = loop
        self._changed = changed
        self._since: dict[Connection, float] = {}
        self._opening: Connection | None = None
        self._pause: Any = None
        self._failures = 0
        self._parting = False

    def with_room(self) -> Connection | None:
        """A connection that may have one channel more; where there is none, one will be, and `changed` is called."""
        found = next((connection for connection in self._since if connection.has_room), None)
        if found is None and self._opening is None and self._pause is None and not self._parting:
            self._opening = Connection(self._parameters, self._opened, self._lost, self._lost, custom_ioloop=self._loop)
            self._opening.message_limit = self._message_limit
        return found

    def drop(self, error: Unavailable) -> None:
        """Give back to the broker all that it has not heard of."""
        for connection in self._since:
            connection.drop(error)
        if self._pause is None:
            self._rest()

    def part(self, seconds: float) -> None:
        """Close them all, and stop the loop then, or after so many seconds."""
        self._parting = True
        for connection in self._all():
            connection.close()
        self._loop.call_later(seconds, self._loop.stop)
        self._stop_alone()

    def cut(self) -> None:
        """The loop runs no more: leave no socket open, or the broker would keep its messages for nobody."""
        for connection in self._all():
            connection.cut()

    def _all(self) -> list[Connection]:
        return [*self._since, *([self._opening] if self._opening else [])]

    def _opened(self, connection: Connection) -> None:
        self._opening = None
        self._since[connection] = stopwatch()
        self.state = StreamsState(True)
        self._changed()

    def _lost(self, connection: Connection, error: Exception) -> None:
        """It may never have been open."""
        if self._opening is connection:
            self._opening = None
        if stopwatch() - self._since.pop(connection, stopwatch()) > STEADY_SECONDS:
            self._failures = 0
        self.state = StreamsState(bool(self._since), words(error))
        if self._parting:
            self._stop_alone()
        elif self._pause is None:
            self._rest()

    def _rest(self) -> None:
        seconds = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE) * random.uniform(0.5, 1)
        self._failures = min(self._failures + 1, 10)
        self._pause = self._loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._pause = None
        self.with_room()
        self._changed()

    def _stop_alone(self) -> None:
        if not self._all():
            self._loop.stop()


def words(error: Exception) -> str:
    """Of the innermost error: pika wraps `[Errno 111] Connection refused` four times."""
    if isinstance(error, Unavailable):
        return error.message
    inside = getattr(error, "exceptions", None) or [getattr(error, "exception", None), *error.args[:1]]
    wrapped = [one for one in inside if isinstance(one, Exception)]
    if wrapped and not isinstance(error, OSError):
        return words(wrapped[-1])
    return as_house_error(error).message
