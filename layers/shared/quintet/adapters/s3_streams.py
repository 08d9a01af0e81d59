"""Streams from a bucket, where there is no broker: an object is a message, and deleted once it is settled.

    {prefix}/{client}/{side}/{name}     a session's, the client's id quoted as in a URL
    {prefix}/notifications/{name}       what is opened as side `notifications`

Messages come in the order of their keys. A name is never used twice: the second object could go with the first.
"""

import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from threading import Event, Lock
from typing import Protocol, cast
from urllib.parse import quote

from quintet.adapters.lasting_thread import LastingThread
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import NotFound, QuintetError, Unavailable
from quintet.kernel.streams import Delivery, Receiver, StreamsState

NOTIFICATIONS = "notifications"

_PAGE = 1000
_LONGEST_PAUSE = 30.0
_STOP_SECONDS = 6.0


class Objects(Protocol):
    """What is needed of the doors' port of this name."""

    def get(self, key: str) -> tuple[bytes, str]: ...
    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]: ...
    def delete(self, key: str) -> None: ...


@dataclass(eq=False)
class _Place:
    """One side of a session. `due` is when it is looked at next, and `pause` how long it then waits if it is empty."""

    session: str
    side: str
    prefix: str
    due: float = 0.0
    pause: float = 0.0
    unsettled: set[str] = field(default_factory=set)


class S3Streams:
    """A place is looked at every `interval` seconds, less and less often while nothing comes, and at once after one of
    its messages was settled. All requests are made by one thread, one after the other: enough for a few clients.
    """

    def __init__(
        self,
        objects: Objects,
        prefix: str = "calibration/streams",
        *,
        prefetch: int = 8,
        interval: float = 1.0,
        idle_interval: float = 5.0,
        message_limit: int = 64 * 2**20,
    ) -> None:
        self._objects = objects
        self._prefix = prefix.rstrip("/")
        self._prefetch = prefetch
        self._interval = interval
        self._idle_interval = idle_interval
        self._message_limit = message_limit
        self._thread = LastingThread(self._run, "s3-streams")
        self._lock, self._wake = Lock(), Event()
        self._places: dict[str, list[_Place]] = {}
        self._settled: dict[str, _Place] = {}
        self._problem = "the bucket was not looked at yet"
        self._failures = 0

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._thread.start()

    def open(self, session: str, client_id: str, queues: Mapping[str, str]) -> None:
        """The queues' names mean nothing here."""
        with self._lock:
            self._places.setdefault(session, [_Place(session, side, self._place(client_id, side)) for side in queues])
        self._wake.set()

    def close(self, session: str) -> None:
        with self._lock:
            self._places.pop(session, None)

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        with self._lock:
            for delivery in deliveries:
                place, key = cast("tuple[_Place, str]", delivery.tag)
                if key in place.unsettled and place in self._places.get(place.session, []):
                    self._settled[key] = place
                    place.due = 0.0
        self._wake.set()

    def state(self) -> StreamsState:
        return StreamsState(not self._problem, self._problem)

    def stop(self) -> None:
        self._thread.stopping.set()
        self._wake.set()
        self._thread.stop(_STOP_SECONDS)

    def _place(self, client_id: str, side: str) -> str:
        if side == NOTIFICATIONS:
            return f"{self._prefix}/{NOTIFICATIONS}/"
        return f"{self._prefix}/{quote(client_id, safe='')}/{side}/"

    # what follows runs on the thread

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            self._wake.clear()
            try:
                self._turn()
            except QuintetError as error:
                self._fail(error)
            else:
                self._problem, self._failures = "", 0
                self._wake.wait(self._seconds_to_next())
        self._problem = "it was stopped"
        with suppress(QuintetError):
            self._delete_settled()

    def _turn(self) -> None:
        self._delete_settled()
        with self._lock:
            due = [place for places in self._places.values() for place in places if place.due <= stopwatch()]
        for place in due:
            self._look(place)

    def _delete_settled(self) -> None:
        while self._settled:
            key, place = next(iter(self._settled.items()))
            self._objects.delete(key)
            with self._lock:
                del self._settled[key]
                place.unsettled.discard(key)

    def _look(self, place: _Place) -> None:
        """Gives the next look its time before it looks: a message that is settled meanwhile makes it sooner."""
        with self._lock:
            full = len(place.unsettled) >= self._prefetch
            place.due = inf if full else stopwatch() + place.pause
        if full:
            return
        found = [self._hand_over(place, key, size) for key, size in self._listed(place)]
        longer = max(self._interval, min(place.pause * 1.5, self._idle_interval))
        place.pause = self._interval if any(found) else longer

    def _listed(self, place: _Place) -> list[tuple[str, int]]:
        """A client may be called `notifications`: its messages lie deeper."""
        limit = _PAGE if place.side == NOTIFICATIONS else self._prefetch
        listed = self._objects.list(place.prefix, limit)
        return [(key, size) for key, size, _ in listed if "/" not in key.removeprefix(place.prefix)]

    def _hand_over(self, place: _Place, key: str, size: int) -> bool:
        if not self._may_be_handed_over(place, key):
            return False
        if size > self._message_limit:
            return self._refuse(place, size)
        try:
            body, _ = self._objects.get(key)
        except NotFound:
            return False
        with self._lock:
            place.unsettled.add(key)
        self._deliver(Delivery(place.session, place.side, body, (place, key), stopwatch()))
        return True

    def _may_be_handed_over(self, place: _Place, key: str) -> bool:
        with self._lock:
            known = key in place.unsettled or key in self._settled
            full = len(place.unsettled) >= self._prefetch
            is_open = place in self._places.get(place.session, [])
            return is_open and not known and not full and not self._thread.stopping.is_set()

    def _refuse(self, place: _Place, size: int) -> bool:
        final = place.side != NOTIFICATIONS
        if final:
            self.close(place.session)
        self._receiver.trouble(
            place.session, f"A message of {size} bytes is larger than this service takes", final=final
        )
        return False

    def _deliver(self, delivery: Delivery) -> None:
        try:
            self._receiver.received(delivery)
        except Unavailable:
            self._give_back()
            raise

    def _give_back(self) -> None:
        with self._lock:
            for place in [place for places in self._places.values() for place in places]:
                place.unsettled = {key for key in place.unsettled if key in self._settled}
                place.due = 0.0

    def _fail(self, error: QuintetError) -> None:
        self._problem = error.message
        seconds = min(2.0**self._failures, _LONGEST_PAUSE) * random.uniform(0.5, 1)
        self._failures = min(self._failures + 1, 10)
        self._thread.stopping.wait(seconds)

    def _seconds_to_next(self) -> float:
        with self._lock:
            due = [place.due for places in self._places.values() for place in places]
        return min(max(min(due, default=inf) - stopwatch(), 0.0), self._idle_interval)
