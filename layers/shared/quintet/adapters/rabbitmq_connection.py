"""pika's connection as a consumer of many large messages needs it. What begins with `_` are pika's hooks."""

from collections.abc import Callable, Iterable
from typing import Any

from pika.adapters.select_connection import SelectConnection
from pika.channel import MAX_CHANNELS, Channel
from pika.frame import Header, Method
from pika.spec import Basic

READ_BYTES = 65536
"""At a time; with pika's 4096, a message of 200 KB costs two and a half times the work, mostly copies."""


class Connection(SelectConnection):  # type: ignore[misc]
    """Its channels refuse messages over `message_limit` bytes."""

    message_limit: int = 64 * 2**20
    _dropped = False

    @property
    def has_room(self) -> bool:
        """Whether it may have one channel more, by what was agreed with the broker."""
        return self.is_open and not self._dropped and len(self._channels) < (self.params.channel_max or MAX_CHANNELS)

    def acknowledge(self, frames: Iterable[bytes]) -> None:
        """In one write to the socket; see `acknowledgement`."""
        self._output_marshaled_frames([b"".join(frames)])

    def drop(self, reason: Exception) -> None:
        """Without a word to the broker, which takes back all that is not settled; `reason` comes with the callback."""
        self._dropped = True
        self._terminate_stream(reason)

    def cut(self) -> None:
        """Close the socket now: no callback follows. For a loop that runs no more."""
        if self._transport is not None:
            self._transport._close_and_finalize()

    def _on_stream_connected(self) -> None:
        self._transport._MAX_RECV_BYTES = READ_BYTES
        super()._on_stream_connected()

    def _create_channel(self, channel_number: int, on_open_callback: Callable[..., Any] | None) -> "BoundedChannel":
        return BoundedChannel(self, channel_number, on_open_callback, self.message_limit)


class BoundedChannel(Channel):  # type: ignore[misc]
    """A message's size is known before its content: of one that is too large, nothing is kept.

    Nor of any after it: whoever listens to `on_too_large` closes the channel.
    """

    def __init__(self, connection: Connection, number: int, on_open: Callable[..., Any] | None, limit: int) -> None:
        super().__init__(connection, number, on_open)
        self.on_too_large: Callable[[int], None] = lambda size: None
        self._limit = limit
        self._refusing = False

    def _handle_content_frame(self, frame_value: Any) -> None:
        if type(frame_value) is Header and frame_value.body_size > self._limit and not self._refusing:
            self._refusing = True
            self.on_too_large(frame_value.body_size)
        if not self._refusing:
            super()._handle_content_frame(frame_value)


def acknowledgement(channel: Any, tag: int, *, multiple: bool) -> bytes:
    frame: bytes = Method(channel.channel_number, Basic.Ack(tag, multiple)).marshal()
    return frame
