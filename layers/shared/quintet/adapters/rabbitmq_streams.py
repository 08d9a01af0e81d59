"""Streams from RabbitMQ: one thread, one connection, a channel for each session.

The queues are there already, or they are missed: none is declared here. What goes wrong with one session's queues ends
its channel and no other.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from pika.adapters.select_connection import IOLoop

from quintet.adapters.lasting_thread import LastingThread
from quintet.adapters.rabbitmq import BrokerAddress, parameters
from quintet.adapters.rabbitmq_connection import Connection
from quintet.adapters.rabbitmq_links import Links
from quintet.adapters.rabbitmq_subscription import Subscription
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import Delivery, Receiver, StreamsState

HEARTBEAT_SECONDS = 600
BLOCKED_SECONDS = 300
CONNECTION_NAME = "quintet-streams"
"""As RabbitMQ's management shows it."""

CHANNEL_MAX = 2047
"""Channels on one connection, unless the broker allows fewer."""

_NAME_BYTES = 255
_LONGEST_PAUSE = 30.0
_PARTING_SECONDS = 3.0
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Heartbeats are rare; a broker whose machine is gone is noticed by these."""


@dataclass(eq=False)
class _Session:
    """Its trouble began at `since`."""

    name: str
    queues: dict[str, str]
    subscription: Subscription | None = None
    problem: str = ""
    since: float | None = None
    attempts: int = 0
    retry: Any = None


class RabbitMqStreams:
    """`prefetch` is how many messages of one queue may be unsettled, `patience` how many seconds a session's queue may
    be missing or refused before the session is given up. The session "" is for notifications: it is never given up.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        prefetch: int = 8,
        notifications_prefetch: int = 100,
        message_limit: int = 64 * 2**20,
        patience: float = 15.0,
        heartbeat: int = HEARTBEAT_SECONDS,
        blocked_timeout: int = BLOCKED_SECONDS,
    ) -> None:
        self._parameters = parameters(address)
        self._parameters.heartbeat = heartbeat
        self._parameters.blocked_connection_timeout = blocked_timeout
        self._parameters.channel_max = CHANNEL_MAX
        self._parameters.client_properties = {"connection_name": CONNECTION_NAME}
        self._parameters.tcp_options = {**self._parameters.tcp_options, **_KEEPALIVE}
        self._prefetch = prefetch
        self._notifications_prefetch = notifications_prefetch
        self._message_limit = message_limit
        self._patience = patience
        self._thread = LastingThread(self._run, "rabbitmq-streams")
        self._orders: deque[Callable[[], None]] = deque()
        self._sessions: dict[str, _Session] = {}
        self._waiting: dict[str, _Session] = {}
        self._loop: Any = None
        self._links: Links | None = None

    def start(self, receiver: Receiver) -> None:
        logging.getLogger("pika").setLevel(logging.CRITICAL)  # whatever it logs as an error, it tells us too
        self._receiver = receiver
        self._thread.start()

    def open(self, session: str, client_id: str, queues: Mapping[str, str]) -> None:
        self._order(partial(self._open, session, dict(queues)))

    def close(self, session: str) -> None:
        self._order(partial(self._close, session))

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        tags: dict[Subscription, list[int]] = {}
        for delivery in deliveries:
            subscription, tag = cast("tuple[Subscription, int]", delivery.tag)
            tags.setdefault(subscription, []).append(tag)
        if tags:
            self._order(partial(self._settle, tags))

    def state(self) -> StreamsState:
        links = self._links
        return links.state if links is not None else StreamsState(False, "RabbitMQ is not connected now")

    def stop(self) -> None:
        self._thread.stopping.set()
        self._order(self._part)
        self._thread.stop(2 * _PARTING_SECONDS)

    def _order(self, order: Callable[[], None]) -> None:
        """Have the loop's thread do it. What is ordered while there is no loop waits for the next."""
        self._orders.append(order)
        loop = self._loop
        if loop is not None:
            loop.add_callback_threadsafe(self._obey)

    # what follows runs on the loop's thread

    def _run(self) -> None:
        """What a loop before this one had open is gone with its connections."""
        loop = self._loop = IOLoop()
        self._links = Links(self._parameters, self._message_limit, loop, self._place)
        for session in self._sessions.values():
            session.subscription = session.retry = None
        self._waiting = dict(self._sessions)
        try:
            self._links.with_room()
            self._obey()
            loop.start()
        finally:
            self._links.cut()
            self._loop = self._links = None
            loop.close()

    def _obey(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _part(self) -> None:
        assert self._links is not None
        self._links.part(_PARTING_SECONDS)

    def _place(self) -> None:
        """Give a channel to each session that waits for one, as far as there is room."""
        assert self._links is not None
        while self._waiting and (connection := self._links.with_room()):
            session = self._waiting.pop(next(iter(self._waiting)))
            prefetch = self._prefetch if session.name else self._notifications_prefetch
            session.subscription = Subscription(session.name, session.queues, prefetch, self)
            session.subscription.begin(connection)

    def _open(self, name: str, queues: dict[str, str]) -> None:
        if name in self._sessions:
            return
        session = self._sessions[name] = _Session(name, queues)
        impossible = [queue for queue in queues.values() if not _is_name(queue)]
        if impossible:
            self._trouble(session, f"No queue can be called {impossible[0][:50]!r}", final=True)
        else:
            self._wait(session)

    def _wait(self, session: _Session) -> None:
        session.retry = None
        self._waiting[session.name] = session
        self._place()

    def _close(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        self._waiting.pop(name, None)
        if session is not None and session.retry is not None:
            self._loop.remove_timeout(session.retry)
        if session is not None and session.subscription is not None:
            session.subscription.end()

    def _settle(self, tags: dict[Subscription, list[int]]) -> None:
        frames: dict[Connection, list[bytes]] = {}
        for subscription, numbers in tags.items():
            if subscription.is_open and subscription.connection is not None:
                frames.setdefault(subscription.connection, []).extend(subscription.acknowledgements(numbers))
        for connection, together in frames.items():
            if together:
                connection.acknowledge(together)

    def delivered(self, subscription: Subscription, side: str, method: Any, body: bytes) -> None:
        if self._thread.stopping.is_set():
            return
        tag = (subscription, method.delivery_tag)
        delivery = Delivery(subscription.session, side, body, tag, stopwatch(), method.redelivered)
        try:
            with self._faults():
                self._receiver.received(delivery)
        except Unavailable as error:
            self._give_back(error)

    def consuming(self, subscription: Subscription) -> None:
        session = self._sessions[subscription.session]
        if session.since is not None:
            session.since, session.problem, session.attempts = None, "", 0
            with self._faults():
                self._receiver.recovered(session.name)

    def ended(self, subscription: Subscription, problem: str, final: bool) -> None:
        session = self._sessions[subscription.session]
        session.subscription = None
        if problem:
            self._trouble(session, problem, final=final)
        else:
            self._waiting[session.name] = session

    def _give_back(self, error: Unavailable) -> None:
        """Everything at once, also what was read but not handed over yet."""
        assert self._links is not None
        for session in self._sessions.values():
            if session.subscription is not None:
                session.subscription.forget()
                session.subscription = None
                self._waiting[session.name] = session
        self._links.drop(error)

    def _trouble(self, session: _Session, problem: str, *, final: bool) -> None:
        now = stopwatch()
        session.since = now if session.since is None else session.since
        left = session.since + self._patience - now if session.name else _LONGEST_PAUSE
        final = bool(session.name) and (final or left <= 0)
        if final:
            self._close(session.name)
        else:
            seconds = min(2.0**session.attempts, left, _LONGEST_PAUSE)
            session.attempts = min(session.attempts + 1, 10)
            session.retry = self._loop.call_later(seconds, partial(self._wait, session))
        if final or problem != session.problem:
            session.problem = problem
            with self._faults():
                self._receiver.trouble(session.name, problem, final)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """The receiver's own error, which pika takes for a lost connection, ends this thread, so that it is told."""
        try:
            yield
        finally:
            error = sys.exc_info()[1]
            if isinstance(error, Exception) and not isinstance(error, Unavailable):
                self._loop.call_later(0, partial(_throw, error))


def _throw(error: Exception) -> None:
    raise error


def _is_name(queue: str) -> bool:
    try:
        return 0 < len(queue.encode()) <= _NAME_BYTES
    except UnicodeEncodeError:
        return False
