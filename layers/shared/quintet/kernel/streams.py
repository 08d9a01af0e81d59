"""Streams: the messages of many sessions, each on queues of its own, handed over one by one and acknowledged later.

Nothing is lost: a message that was not settled comes again, to whoever opens the session next. So one may come twice.
Adapters play `Streams`, the rooms play `Receiver`; tests/contract holds every adapter to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One message. `side` names the queue within its session, `tag` is the adapter's own; `received_at` is the
    stopwatch's. `redelivered` is true where the message surely came before; false says nothing.
    """

    session: str
    side: str
    body: bytes
    tag: object
    received_at: float
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class StreamsState:
    """`problem` is for people and empty where all is well; a source that is not `connected` goes on trying."""

    connected: bool
    problem: str = ""


class Receiver(Protocol):
    """Who gets the messages. All methods are called from threads of the adapter's, and never two at once."""

    def received(self, delivery: Delivery) -> None:
        """May block for seconds, which holds the adapter's other messages up: so is the room's memory bounded.

        Raises Unavailable where it can take none now: the adapter gives back all that is not settled, this one
        included, and starts anew after a pause.
        """

    def trouble(self, session: str, problem: str, final: bool) -> None:
        """A queue of the session is missing, refused, closed, or unusable; `final`: the adapter has given it up.

        A session that was given up is closed as by `Streams.close`, and may be opened again.
        """

    def recovered(self, session: str) -> None:
        """The session's queues are consumed again, after trouble that was not final."""


class Streams(Protocol):
    """Where the messages come from. All methods may be called from any thread and return at once, but `stop`."""

    def start(self, receiver: Receiver) -> None:
        """Once. A source that is not there is tried again for ever; `state` tells."""

    def open(self, session: str, client_id: str, queues: Mapping[str, str]) -> None:
        """Hand over what comes on `queues`, whose names are given by side. A session that is open stays as it is."""

    def close(self, session: str) -> None:
        """Nothing more is handed over, but for what is on its way; what is not settled comes to who opens it next."""

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """They need not come again. Those that have been given back meanwhile are passed over: they do come again."""

    def state(self) -> StreamsState: ...

    def stop(self) -> None:
        """Close all within seconds; nothing is handed over once it has returned."""
