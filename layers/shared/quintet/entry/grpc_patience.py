"""An end to the wait for messages that don't come: a thread waits for each, and anybody may open a call."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from quintet.kernel.clock import stopwatch

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """A client may take this many `seconds` to send a message; less would do, but for slow lines and large exports."""

    seconds: float
    _waiting: dict[int, tuple[float, grpc.ServicerContext]] = field(default_factory=dict)

    def for_each(self, messages: Iterator[T], context: grpc.ServicerContext) -> Iterator[T]:
        """The messages as they come."""
        while (message := self._next(messages, context)) is not None:
            yield message

    def look(self) -> None:
        """Cancel the calls that have waited for too long. To be called every few seconds."""
        for since, context in list(self._waiting.values()):
            if stopwatch() - since > self.seconds:
                context.cancel()

    def _next(self, messages: Iterator[T], context: grpc.ServicerContext) -> T | None:
        self._waiting[id(context)] = stopwatch(), context
        try:
            return next(messages, None)
        finally:
            del self._waiting[id(context)]
