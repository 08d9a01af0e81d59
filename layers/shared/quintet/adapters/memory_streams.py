"""Streams in this process, for tests: a queue is a list of bodies, by its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import cast

from quintet.adapters.lasting_thread import LastingThread
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import Delivery, Receiver, StreamsState

_PAUSE = 0.005


@dataclass(eq=False)
class _Message:
    queue: str
    body: bytes
    redelivered: bool = False


@dataclass(eq=False)
class _Session:
    """`unsettled` is in the order of handing over, by side."""

    name: str
    queues: dict[str, str]
    unsettled: dict[str, list[_Message]] = field(default_factory=dict)
    attempts: int = 0


class MemoryStreams:
    """Hands over when `pump` is called, or on a thread of its own where it is `threaded`.

    A queue that is missing is trouble; after `patience` pumps the session is given up. While `away`, nothing comes.
    """

    def __init__(
        self,
        queues: Mapping[str, Iterable[bytes]] | None = None,
        *,
        prefetch: int = 8,
        patience: int = 3,
        threaded: bool = False,
    ) -> None:
        self.away = False
        self._queues = {name: [_Message(name, body) for body in bodies] for name, bodies in (queues or {}).items()}
        self._prefetch = prefetch
        self._patience = patience
        self._sessions: dict[str, _Session] = {}
        self._receiver: Receiver | None = None
        self._lock, self._pumping = RLock(), RLock()
        self._thread = LastingThread(self._run, "memory-streams") if threaded else None
        self._stopped = False

    def put(self, queue: str, *bodies: bytes) -> None:
        """Makes the queue where there is none."""
        with self._lock:
            self._queues.setdefault(queue, []).extend(_Message(queue, body) for body in bodies)

    def delete(self, queue: str) -> None:
        """With what is in it, also what is handed over and not settled."""
        with self._lock:
            self._queues.pop(queue, None)
            for session in self._sessions.values():
                if queue in session.queues.values():
                    self._give_back(session)

    def bodies(self, queue: str) -> list[bytes]:
        """What is neither handed over nor settled."""
        with self._lock:
            return [message.body for message in self._queues.get(queue, [])]

    def drop(self) -> None:
        """As when the connection is lost: all that is not settled comes again."""
        with self._lock:
            for session in self._sessions.values():
                self._give_back(session)

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        if self._thread is not None:
            self._thread.start()

    def open(self, session: str, client_id: str, queues: Mapping[str, str]) -> None:
        with self._lock:
            self._sessions.setdefault(session, _Session(session, dict(queues), {side: [] for side in queues}))

    def close(self, session: str) -> None:
        with self._lock:
            closed = self._sessions.pop(session, None)
            if closed is not None:
                self._give_back(closed)

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        with self._lock:
            for delivery in deliveries:
                handed, message = cast("tuple[list[_Message], _Message]", delivery.tag)
                if message in handed:
                    handed.remove(message)

    def state(self) -> StreamsState:
        return StreamsState(False, "it is away") if self.away else StreamsState(not self._stopped)

    def stop(self) -> None:
        self._stopped = True
        if self._thread is not None:
            self._thread.stop(5.0)
        self.drop()

    def pump(self) -> int:
        """Hands over all that may be now; how many messages that was."""
        with self._pumping:
            count = 0
            with self._lock:
                sessions = list(self._sessions.values())
            for session in sessions:
                self._check(session)
                while self._hand_over(session):
                    count += 1
            return count

    def _run(self) -> None:
        assert self._thread is not None
        while not self._thread.stopping.wait(_PAUSE):
            self.pump()

    def _check(self, session: _Session) -> None:
        assert self._receiver is not None, "start it first"
        missing = [queue for queue in session.queues.values() if queue not in self._queues]
        if not missing and session.attempts:
            session.attempts = 0
            self._receiver.recovered(session.name)
        elif missing:
            session.attempts += 1
            final = session.attempts > self._patience
            if final:
                self.close(session.name)
            if final or session.attempts == 1:
                self._receiver.trouble(session.name, f"Queue '{missing[0]}' does not exist", final)

    def _hand_over(self, session: _Session) -> bool:
        assert self._receiver is not None
        delivery = self._next(session)
        if delivery is None:
            return False
        try:
            self._receiver.received(delivery)
        except Unavailable:
            self.drop()
            return False
        return True

    def _next(self, session: _Session) -> Delivery | None:
        with self._lock:
            if self.away or self._stopped or session.attempts or self._sessions.get(session.name) is not session:
                return None
            for side, queue in session.queues.items():
                handed, waiting = session.unsettled[side], self._queues.get(queue, [])
                if waiting and len(handed) < self._prefetch:
                    message = waiting.pop(0)
                    handed.append(message)
                    tag = (handed, message)
                    return Delivery(session.name, side, message.body, tag, stopwatch(), message.redelivered)
            return None

    def _give_back(self, session: _Session) -> None:
        for side, handed in session.unsettled.items():
            for message in handed:
                message.redelivered = True
            if session.queues[side] in self._queues:
                self._queues[session.queues[side]][:0] = handed
            session.unsettled[side] = []
