"""A receiver that remembers, and the worlds that streams are tried in."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Event
from typing import Any, Protocol
from urllib.parse import quote

from quintet.adapters.memory_streams import MemoryStreams
from quintet.adapters.rabbitmq_streams import RabbitMqStreams
from quintet.adapters.s3_streams import Objects, S3Streams
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import Delivery, Streams
from tests.brokers import TestBroker

PATIENCE = 60.0
"""Seconds until a test gives up waiting; nothing waits so long where all is well."""


class Probe:
    """`away` makes it refuse, `refusals` that many times; a cleared `gate` makes it block."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.troubles: list[tuple[str, str, bool]] = []
        self.recoveries: list[str] = []
        self.refused = 0
        self.refusals = 0
        self.away = False
        self.fault: Exception | None = None
        self.gate = Event()
        self.gate.set()
        self._changed = Condition()

    def received(self, delivery: Delivery) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        with self._noted():
            if self.away or self.refused < self.refusals:
                self.refused += 1
                raise Unavailable("the journal does not answer")
            self.got.append(delivery)
        self.gate.wait()

    def trouble(self, session: str, problem: str, final: bool) -> None:
        with self._noted():
            self.troubles.append((session, problem, final))

    def recovered(self, session: str) -> None:
        with self._noted():
            self.recoveries.append(session)

    def of(self, session: str, side: str | None = None) -> list[Delivery]:
        return [one for one in list(self.got) if one.session == session and side in (None, one.side)]

    def bodies(self, session: str, side: str | None = None) -> list[bytes]:
        return [one.body for one in self.of(session, side)]

    def forget(self) -> None:
        self.got.clear()

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
        """Whether it came true."""
        with self._changed:
            deadline = time.monotonic() + seconds
            while not condition():
                if time.monotonic() > deadline:
                    return False
                self._changed.wait(0.05)
            return True

    @contextmanager
    def _noted(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()


class World(Protocol):
    """A place that streams come from. A session's client and queues are called after it."""

    def streams(self, prefetch: int = 8) -> Streams: ...

    def make(self, session: str) -> dict[str, str]:
        """Its queues by side, empty."""
        ...

    def put(self, session: str, side: str, *bodies: bytes) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self._made: list[MemoryStreams] = []
        self._queues: dict[str, list[bytes]] = {}

    def streams(self, prefetch: int = 8) -> MemoryStreams:
        self._made = [MemoryStreams(self._queues, prefetch=prefetch, patience=10, threaded=True)]
        return self._made[0]

    def make(self, session: str) -> dict[str, str]:
        queues = {side: f"{session}_{side}_cal_queue" for side in ("inputs", "outputs")}
        for queue in queues.values():
            self.declare(queue)
        return queues

    def declare(self, queue: str) -> None:
        self._queues.setdefault(queue, [])
        for one in self._made:
            one.put(queue)

    def delete(self, queue: str) -> None:
        self._queues.pop(queue, None)
        for one in self._made:
            one.delete(queue)

    def put(self, session: str, side: str, *bodies: bytes) -> None:
        self._made[0].put(f"{session}_{side}_cal_queue", *bodies)


class S3World:
    def __init__(self, objects: Any) -> None:
        self.objects = objects
        self._number = 0

    def streams(self, prefetch: int = 8) -> S3Streams:
        objects: Objects = self.objects
        return S3Streams(objects, prefetch=prefetch, interval=0.02, idle_interval=0.1, message_limit=1000)

    def make(self, session: str) -> dict[str, str]:
        return {"inputs": "", "outputs": ""}

    def put(self, session: str, side: str, *bodies: bytes) -> None:
        for body in bodies:
            self._number += 1
            self.objects.put(f"calibration/streams/{quote(session, safe='')}/{side}/{self._number:08d}", body)


class RabbitMqWorld:
    def __init__(self, broker: TestBroker, channel: Any, unique: str) -> None:
        self.broker = broker
        self.declared: list[str] = []
        self._channel = channel
        self._unique = unique

    def streams(self, prefetch: int = 8) -> RabbitMqStreams:
        return RabbitMqStreams(self.broker.address, prefetch=prefetch, patience=3.0, message_limit=1000)

    def name(self, session: str, side: str) -> str:
        return f"{session}_{side}_cal_queue-{self._unique}"

    def make(self, session: str) -> dict[str, str]:
        queues = {side: self.name(session, side) for side in ("inputs", "outputs")}
        for queue in queues.values():
            self.declare(queue)
        return queues

    def declare(self, queue: str, **options: Any) -> None:
        self.declared.append(queue)
        self._channel.queue_declare(queue, durable=True, **options)

    def delete(self, queue: str) -> None:
        self._channel.queue_delete(queue)

    def put(self, session: str, side: str, *bodies: bytes) -> None:
        for body in bodies:
            self._channel.basic_publish("", self.name(session, side), body)

    def left(self, queue: str) -> int:
        """Neither handed over nor settled."""
        return int(self._channel.queue_declare(queue, passive=True).method.message_count)
