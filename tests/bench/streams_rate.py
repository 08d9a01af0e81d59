"""How many messages a second the streams hand over and settle, against a bare pika consumer of the same messages.

    python -m tests.bench.streams_rate [--messages 20000] [--bytes 700] [--sessions 1 100 1000] [--prefetch 1 8 32]

Each consumer is a process of its own on one core: the bare one acknowledges each message where it gets it; the streams
hand it over, and another thread settles all that came meanwhile, as a worker does once it is durable. A session has two
queues, and each queue the same number of messages. Beside the rate, which the broker bounds, stands the processor time
a message costs, and what the process held of memory at its peak.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pika import BlockingConnection, SelectConnection

from quintet.adapters.rabbitmq import BrokerAddress, parameters
from quintet.adapters.rabbitmq_streams import RabbitMqStreams
from quintet.kernel.streams import Delivery
from tests import brokers

SIDES = ("inputs", "outputs")
COMMIT_SECONDS = 0.005


@dataclass(frozen=True)
class Task:
    kind: str
    host: str
    port: int
    messages: int
    sessions: int
    prefetch: int

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress(self.host, self.port)

    def queues(self, session: int) -> dict[str, str]:
        return {side: f"rate_{session}_{side}" for side in SIDES}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--messages", type=int, default=20_000)
    asked.add_argument("--bytes", type=int, default=700)
    asked.add_argument("--sessions", type=int, nargs="+", default=[1, 100, 1000])
    asked.add_argument("--prefetch", type=int, nargs="+", default=[1, 8, 32])
    asked.add_argument("--consume", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.consume:
        print(json.dumps(consume(Task(**json.loads(given.consume)))))
        return
    with tempfile.TemporaryDirectory(prefix="quintet-streams-") as folder:
        broker = brokers.start(Path(folder))
        try:
            for sessions in given.sessions:
                report(broker.address, given.messages, given.bytes, sessions, given.prefetch)
        finally:
            broker.stop()


def report(address: BrokerAddress, messages: int, size: int, sessions: int, prefetches: list[int]) -> None:
    per_queue = messages // (2 * sessions)
    print(f"{sessions} sessions, {2 * sessions * per_queue} messages of {size} bytes")
    for prefetch in prefetches:
        figures = {}
        for kind in CONSUMERS:
            task = Task(kind, address.host, address.port, 2 * sessions * per_queue, sessions, prefetch)
            fill(task, per_queue, b"x" * size)
            figures[kind] = measured(task)
        for kind, (rate, micros, mebibytes) in figures.items():
            ratio = rate / figures["bare"][0]
            print(f"  prefetch {prefetch:<3} {kind:<8} {rate:>8.0f}/s  {ratio:5.2f} of bare  {micros:5.0f} µs of "
                  f"processor a message  {mebibytes:5.0f} MiB")  # fmt: skip


def fill(task: Task, per_queue: int, body: bytes) -> None:
    patient = parameters(task.address)
    patient.tcp_options, patient.blocked_connection_timeout = {}, None  # a broker may hold up for long who fills it
    connection = BlockingConnection(patient)
    channel = connection.channel()
    names = [queue for session in range(task.sessions) for queue in task.queues(session).values()]
    for queue in names:
        channel.queue_declare(queue, arguments={"x-expires": 600_000})
        channel.queue_purge(queue)
    for _ in range(per_queue):
        for queue in names:
            channel.basic_publish("", queue, body)
    while sum(channel.queue_declare(queue, passive=True).method.message_count for queue in names) < task.messages:
        time.sleep(0.1)
    connection.close()


def measured(task: Task) -> tuple[float, float, float]:
    """Messages a second, microseconds of processor a message, MiB."""
    command = [sys.executable, "-m", "tests.bench.streams_rate", "--consume", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    rate, micros, mebibytes = json.loads(done.stdout)
    return rate, micros, mebibytes


def consume(task: Task) -> tuple[float, float, float]:
    """All is consumed from before the first message; the clock runs from the first to the last settlement sent."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    seconds, processor = CONSUMERS[task.kind](task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return task.messages / seconds, 1e6 * processor / task.messages, peak


class Clock:
    def __init__(self) -> None:
        self.start: tuple[float, float] | None = None

    def begin(self) -> None:
        if self.start is None:
            self.start = (time.perf_counter(), time.process_time())

    def end(self) -> tuple[float, float]:
        assert self.start is not None
        return time.perf_counter() - self.start[0], time.process_time() - self.start[1]


def bare(task: Task) -> tuple[float, float]:
    clock, count = Clock(), 0

    def got(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        nonlocal count
        clock.begin()
        channel.basic_ack(method.delivery_tag)
        count += 1
        if count == task.messages:
            channel.connection.ioloop.stop()

    def opened(connection: Any) -> None:
        for session in range(task.sessions):
            connection.channel(on_open_callback=partial(ready, task.queues(session)))

    def ready(queues: dict[str, str], channel: Any) -> None:
        channel.basic_qos(prefetch_count=task.prefetch)
        for queue in queues.values():
            channel.basic_consume(queue, got)

    connection = SelectConnection(parameters(task.address), opened)
    connection.ioloop.start()
    return clock.end()


class Committer:
    """Settles, every few milliseconds, all that it received."""

    def __init__(self, streams: RabbitMqStreams, messages: int) -> None:
        self.clock, self.done = Clock(), Event()
        self._streams = streams
        self._left = messages
        self._got: deque[Delivery] = deque()
        Thread(target=self._commit, daemon=True).start()

    def received(self, delivery: Delivery) -> None:
        self.clock.begin()
        self._got.append(delivery)

    def trouble(self, session: str, problem: str, final: bool) -> None:
        raise SystemExit(f"{session}: {problem}")

    def recovered(self, session: str) -> None: ...

    def _commit(self) -> None:
        while self._left > 0:
            time.sleep(COMMIT_SECONDS)
            batch = [self._got.popleft() for _ in range(len(self._got))]
            self._streams.settle(batch)
            self._left -= len(batch)
        self.done.set()


def streamed(task: Task) -> tuple[float, float]:
    streams = RabbitMqStreams(task.address, prefetch=task.prefetch)
    committer = Committer(streams, task.messages)
    for session in range(task.sessions):
        streams.open(f"{session}", "", task.queues(session))
    streams.start(committer)
    committer.done.wait()
    figures = committer.clock.end()
    streams.stop()
    return figures


CONSUMERS: dict[str, Callable[[Task], tuple[float, float]]] = {"bare": bare, "streams": streamed}


if __name__ == "__main__":
    main()
