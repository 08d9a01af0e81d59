"""How many batches a second the calibrator joins, judges and acknowledges, and a thousand clients at once.

    python -m tests.bench.calibration_scale rate  [--pairs 10000] [--clients 10]
    python -m tests.bench.calibration_scale scale [--clients 1000] [--batches 30] [--rate 150] [--poison 10] [--flood]

One RabbitMQ, started here; the worker is a process on one core (taskset), the broker and the publisher have the other.

`rate`: queues are filled first with pairs of halves (64 × 10 probabilities, 64 labels), then the worker takes them: a
second counts from the first acknowledgement to the last. The floor is a bare pika consumer on the same core that does
nothing but acknowledge the same messages, each by itself, with the same prefetch.

`scale`: each client's batches are 64 × 784 float32 with labels, and 64 × 10 probabilities, as the original's SDK and
dispatcher write them. They are published at `rate` batches a second over all clients, or as fast as the broker takes
them (`--flood`). Told are the time from the publication of a batch's second half to its acknowledgement, the worker's
peak RSS, and whether each client's result is, bit for bit, that of the evaluation of its rows alone. With `--poison`,
as many of the clients are poisonous: garbage, an endless stream, a queue that is deleted; the others' p99 is compared
with that of a run without them.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import grpc
import numpy as np
import pika

from infra.local.ports import free
from quintet.adapters.rabbitmq import BrokerAddress, parameters
from quintet.calibration.evaluation import Evaluator
from quintet.calibration.pb import new_client_pb2 as pb
from quintet.calibration.pb.calibration_pb2 import PredictionList, Predictions
from quintet.calibration.pb.dataset_pb2 import DataBatchLabeled
from quintet.calibration.pb.new_client_pb2_grpc import ClientNotificationServiceStub
from tests import brokers
from tests.bench.calibration_worker import MARK
from tests.calibrators import serves, until

ROWS, CLASSES, PIXELS = 64, 10, 784
CORE = ("taskset", "-c", "0")
OTHER_CORE = {1}
PATIENCE = 900.0

Rows = tuple[Any, Any]


@dataclass(frozen=True)
class Place:
    broker: BrokerAddress
    folder: Path


class Worker:
    """The calibrator on one core, until it is asked for its notes."""

    def __init__(self, place: Place, name: str, **settings: str) -> None:
        self.folder = place.folder / name
        self.folder.mkdir()
        self.port = free()
        broker = place.broker
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))},
            "BENCH_FOLDER": str(self.folder / "store"),
            "BENCH_NOTES": str(self.folder / "notes.json"),
            "QUINTET_ROOM": "calibration",
            "QUINTET_LOCAL": "true",
            "GRPC_PORT": str(self.port),
            "RABBITMQ_HOST": broker.host,
            "RABBITMQ_PORT": str(broker.port),
            "RABBITMQ_USER": broker.user,
            "RABBITMQ_PASSWORD": broker.password,
            "UPPER_BOUND_CLIENTS": "2000",
            "CLIENT_TIMEOUT_SECONDS": "600",
            **settings,
        }
        command = [*CORE, sys.executable, "-m", "tests.bench.calibration_worker"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        until(lambda: serves(self.port) or self._process.poll() is not None, 60)

    def results(self) -> dict[str, bytes]:
        """By client."""
        found = (self.folder / "store/calibration/sessions").glob("*/*/result.json")
        return {path.parts[-3]: path.read_bytes() for path in found}

    def reasons(self) -> list[str]:
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines() if line.startswith("{")]
        return [f"{line['client']}: {line['reason']}" for line in lines if line.get("state") == "FAILED"]

    def end(self) -> dict[str, Any]:
        self._process.terminate()
        self._process.wait(120)
        return dict(json.loads((self.folder / "notes.json").read_text()))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=["rate", "scale"])
    asked.add_argument("--pairs", type=int, default=10_000)
    asked.add_argument("--clients", type=int)
    asked.add_argument("--batches", type=int, default=30)
    asked.add_argument("--rate", type=float, default=150)
    asked.add_argument("--poison", type=int, default=0)
    asked.add_argument("--flood", action="store_true")
    asked.add_argument("--prefetch", type=int, default=0)
    given = asked.parse_args()
    os.sched_setaffinity(0, OTHER_CORE)
    with tempfile.TemporaryDirectory(prefix="quintet-calibration-") as folder:
        broker = brokers.start(Path(folder) / "broker")
        try:
            place = Place(broker.address, Path(folder))
            if given.what == "rate":
                rate(place, given.pairs, given.clients or 10, given.prefetch)
            else:
                scale(place, given)
        finally:
            broker.stop()


def rate(place: Place, pairs: int, clients: int, prefetch: int) -> None:
    chosen = {"CALIBRATION_PREFETCH": str(prefetch)} if prefetch else {}
    floors, ours = [], []
    for turn in range(3):
        names = [f"rate{turn}-{number}" for number in range(clients)]
        fill(place, names, pairs // clients)
        floors.append(2 * pairs / floor(place, names, 2 * pairs, prefetch or 8))
        fill(place, names, pairs // clients)
        worker = Worker(place, f"rate{turn}", CALIBRATION_BATCH_LIMIT="1000000", **chosen)
        for name in names:
            register(worker.port, name, "(1,)")
        until(lambda: len(worker.results()) == clients, PATIENCE)  # noqa: B023 - it is asked at once
        notes = worker.end()
        assert not worker.reasons(), worker.reasons()[0]
        ours.append(notes["settled"] / notes["span"])
        print(
            f"  floor {floors[-1]:.0f} messages/s, calibrator {ours[-1]:.0f}, RSS {notes['rss_mib']:.0f} MiB",
            flush=True,
        )
    share = max(ours) / max(floors)
    print(f"{pairs} pairs of {clients} clients: {max(ours) / 2:.0f} pairs/s, {100 * share:.0f} % of a bare consumer's")


def floor(place: Place, names: Sequence[str], count: int, prefetch: int) -> float:
    """Seconds from the first message to the last acknowledgement of a consumer that does nothing else."""
    told = subprocess.run(
        [*CORE, sys.executable, "-c", BARE, json.dumps([queue for name in names for queue in queues(name)]), str(count),
         str(prefetch), json.dumps(vars(place.broker) | {"password": place.broker.password})],
        capture_output=True, text=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    return float(told.stdout)


BARE = """
import json, sys, time
import pika
from quintet.adapters.rabbitmq import BrokerAddress, parameters
queues, count, prefetch, address = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
taken, first = 0, 0.0
def on_message(channel, method, properties, body):
    global taken, first
    first = first or time.monotonic()
    channel.basic_ack(method.delivery_tag)
    taken += 1
    if taken == count:
        print(time.monotonic() - first)
        channel.connection.close()
def on_channel(channel, some):
    channel.basic_qos(prefetch_count=prefetch)
    for queue in some:
        channel.basic_consume(queue, on_message)
def on_open(connection):
    for pair in zip(queues[::2], queues[1::2]):
        connection.channel(on_open_callback=lambda channel, pair=pair: on_channel(channel, pair))
connection = pika.SelectConnection(parameters(BrokerAddress(**address)), on_open_callback=on_open,
                                   on_close_callback=lambda connection, _: connection.ioloop.stop())
connection.ioloop.start()
"""


def fill(place: Place, names: Sequence[str], batches: int) -> None:
    """Both queues of each client, with small inputs."""
    connection = pika.BlockingConnection(parameters(place.broker))
    channel = connection.channel()
    for number, name in enumerate(names):
        for queue in queues(name):
            channel.queue_declare(queue, durable=True)
        for index, rows in enumerate(rows_of(number, batches)):
            channel.basic_publish("", queues(name)[0], inputs(index, rows, b"\0" * 256, last=index == batches - 1))
            channel.basic_publish("", queues(name)[1], outputs(index, rows, last=index == batches - 1))
    connection.close()


def scale(place: Place, given: argparse.Namespace) -> None:
    clients = given.clients or 1000
    pace = float("inf") if given.flood else given.rate
    chosen = {"CALIBRATION_PREFETCH": str(given.prefetch)} if given.prefetch else {}
    clean = serve(place, "clean", clients, given.batches, pace, 0, chosen)
    if given.poison:
        ill = serve(place, "ill", clients, given.batches, pace, given.poison, chosen)
        print(f"p99 of the healthy with {given.poison} poisonous clients: {ill / clean:.2f} of that of a clean run")


def serve(
    place: Place, name: str, clients: int, batches: int, pace: float, poison: int, chosen: dict[str, str]
) -> float:
    """p99 of the healthy, in seconds."""
    worker = Worker(place, name, **chosen)
    names = [f"{name}{number:04d}" for number in range(clients)]
    patient = parameters(place.broker)
    patient.tcp_options, patient.blocked_connection_timeout = {}, None  # the broker may hold publishers back
    patient.heartbeat = 0
    channel = pika.BlockingConnection(patient).channel()
    for one in names:
        for queue in queues(one):
            channel.queue_declare(queue, durable=True)
    answered = sorted(register(worker.port, one, "(1,28,28)") for one in names)
    healthy, ill = names[poison:], names[:poison]
    began = time.monotonic()
    publish(channel, healthy, ill, batches, pace)
    published = time.monotonic()
    until(lambda: healthy_results(worker, healthy) == len(healthy), PATIENCE)
    ended = time.monotonic()
    results, reasons, notes = worker.results(), worker.reasons(), worker.end()
    wrong = [one for number, one in enumerate(names) if one in healthy and results[one] != judged(number, batches)]
    taken = sorted(second for seconds in notes["seconds"].values() for second in seconds)
    p50, p99 = (quantiles(taken, n=100)[rank - 1] for rank in (50, 99))
    p99_of_answers = answered[int(0.99 * len(answered))]
    print(
        f"{name}: {len(healthy)} healthy clients × {batches} batches of {ROWS} × {PIXELS}; {len(wrong)} results differ"
        "\n"
        f"  {ended - began:.0f} s, published in {published - began:.0f} s; worker: {notes['cpu']:.0f} s CPU, peak RSS "
        f"{notes['rss_mib']:.0f} MiB (and {notes['renderer_mib']:.0f} MiB that draw reports)\n"
        f"  second half to acknowledgement: p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms\n"
        f"  registration: p50 {1000 * answered[len(answered) // 2]:.1f} ms, p99 {1000 * p99_of_answers:.1f} ms",
        flush=True,
    )
    for reason in reasons:
        print(f"  ended: {reason}")
    assert len(reasons) == poison, "each poisonous client is ended with its reason, and no other"
    for one in names:
        for queue in queues(one):
            channel.queue_delete(queue)
    return float(p99)


def healthy_results(worker: Worker, healthy: Sequence[str]) -> int:
    time.sleep(0.5)
    sessions = worker.folder / "store/calibration/sessions"
    return sum(any((sessions / one).glob("*/result.json")) for one in healthy) if sessions.exists() else 0


def publish(channel: Any, healthy: Sequence[str], ill: Sequence[str], batches: int, pace: float) -> None:
    """Round by round, each client's next batch, now the one half first, now the other."""
    chance, began, sent = random.Random(0), time.monotonic(), 0
    every = {one: iter(rows_of(int(one[-4:]), batches)) for one in healthy}
    for index in range(batches):
        for one in chance.sample(list(healthy), len(healthy)):
            rows, last = next(every[one]), index == batches - 1
            data, halves = pixels(one, index), queues(one)
            first_inputs = chance.random() < 0.5
            if first_inputs:  # the moment of a batch whose inputs come first is that of its outputs, just after
                channel.basic_publish("", halves[0], inputs(index, rows, stamped(data), last=last))
                channel.basic_publish("", halves[1], outputs(index, rows, last=last))
            else:
                channel.basic_publish("", halves[1], outputs(index, rows, last=last))
                channel.basic_publish("", halves[0], inputs(index, rows, stamped(data), last=last))
            sent += 1
            behind = began + sent / pace - time.monotonic()
            if behind > 0.002:
                time.sleep(behind)
        if index == batches // 3:
            for number, one in enumerate(ill):
                channel.queue_delete(queues(one)[0]) if number % 3 == 2 else None
        if index >= batches // 3:
            for number, one in enumerate(ill):
                harm(channel, one, number % 3, index)


def harm(channel: Any, one: str, how: int, index: int) -> None:
    """Garbage, or far more batches than there may be; the third kind has lost a queue."""
    if how == 0:
        channel.basic_publish("", queues(one)[0], bytes([255]) * 100_000)
    elif how == 1:
        rows = np.ones((1, CLASSES)), np.zeros(1, int)
        for number in range(1500):
            body = inputs(1500 * index + number, rows, b"\0" * 4 * PIXELS, last=False)
            channel.basic_publish("", queues(one)[0], body)


def queues(name: str) -> tuple[str, str]:
    return f"{name}_inputs_cal_queue", f"{name}_outputs_cal_queue"


def rows_of(number: int, batches: int) -> Iterator[Rows]:
    """The same for the same client, whoever asks."""
    chance = np.random.default_rng(number)
    for _ in range(batches):
        logits = 2 * chance.standard_normal((ROWS, CLASSES))
        labels = chance.integers(0, CLASSES, ROWS)
        logits[np.arange(ROWS), labels] += 3
        powers = np.exp(logits)
        yield (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), labels


def judged(number: int, batches: int) -> bytes:
    evaluator = Evaluator()
    for index, (probabilities, labels) in enumerate(rows_of(number, batches)):
        evaluator.add(index, probabilities, labels)
    return evaluator.result().model_dump_json().encode()


_NOISE = np.random.default_rng(0).standard_normal(ROWS * PIXELS + 4096).astype("<f4").tobytes()


def pixels(name: str, index: int) -> bytes:
    """A batch's inputs: noise from another place each time, so that no two are the same."""
    start = 4 * ((int(name[-4:]) * 31 + index * 17) % 4096)
    return _NOISE[start : start + 4 * ROWS * PIXELS]


def stamped(data: bytes) -> bytes:
    return MARK + struct.pack("<d", time.monotonic()) + data[16:]


def inputs(index: int, rows: Rows, data: bytes, *, last: bool) -> bytes:
    message = DataBatchLabeled(data=data, labels=rows[1].tolist())
    if index:
        message.batch_index = index
    if last:
        message.is_last_batch = True
    return message.SerializeToString()


def outputs(index: int, rows: Rows, *, last: bool) -> bytes:
    predictions = [PredictionList(values=row) for row in rows[0].tolist()]
    return Predictions(pred=predictions, eof=last, batch_index=index).SerializeToString()


def register(port: int, name: str, shape: str) -> float:
    """The seconds until it was answered."""
    channel = _CHANNELS.setdefault(port, grpc.insecure_channel(f"127.0.0.1:{port}"))
    began = time.monotonic()
    request = pb.NewClientRequest(client_id=name, second=shape, third="(10,)")
    answer = ClientNotificationServiceStub(channel).NotifyNewClient(request, timeout=30)
    assert answer.status == "OK", answer
    return time.monotonic() - began


_CHANNELS: dict[int, grpc.Channel] = {}

if __name__ == "__main__":
    main()
