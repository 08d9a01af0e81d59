"""What stands around calibrators in tests: clients and dispatchers on a real broker, a store, whoever is to be told."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pika
import pytest
from pika.exceptions import AMQPError

from quintet.adapters.aws import forget_clients
from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.rabbitmq import BrokerAddress
from quintet.adapters.s3 import S3Objects
from quintet.calibration.evaluation import Evaluator
from quintet.calibration.kept import DIAGRAM_PNG, DIAGRAM_SVG, REPORT_HTML, REPORT_PDF, RESULT, kept_as
from quintet.calibration.ledger import Ledger
from quintet.calibration.messages import Session
from quintet.kernel.clock import SystemClock
from quintet.kernel.ids import new_id
from tests.calibration.old_clients import described, labelled, predictions
from tests.calibration.world import Batch, batches
from tests.calibrators import Calibrators, make_store, mq_channel, until

PATIENCE = 60.0  # seconds
FILES = (RESULT, REPORT_HTML, REPORT_PDF, DIAGRAM_SVG, DIAGRAM_PNG)
ROWS, CLASSES, WIDTH = 8, 4, 4

SHAPES = {
    "two queues": "string client_id=1, string inter_queue_name=2, string client_queue_name=3",
    "one queue": "string client_id=1, string routing_key=2",
    "key and two queues": "string client_id=1, string routing_key=2, string queue_calibration=3, "
    "string queue_inter_connection=4",
    "formats": "string client_id=1, string inputs_format=2, string outputs_format=3",
    "formats and model": "string client_id=1, string inputs_format=2, string outputs_format=3, string model_type=4",
    "key and formats": "string client_id=1, string routing_key=2, string inputs_format=3, string outputs_format=4, "
    "string model_type=5",
}
"""What a registration looked like, as one generation after the other wrote it."""

RESPONSE = "string status=1, string message=2"


def registered(port: int, client: str, shape: str = "two queues", package: str = "new_client", **more: str) -> Any:
    """The answer to a client of that generation, whose bytes owe nothing to our .proto files."""
    messages: dict[str, Any] = dict(described(package, NewClientRequest=SHAPES[shape], NewClientResponse=RESPONSE))
    named = [part.split(" ")[1].split("=")[0] for part in SHAPES[shape].split(", ")]
    known = {**fields_of(client), **more}
    request = messages["NewClientRequest"](**{name: known[name] for name in named})
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(
            f"/{package}.ClientNotificationService/NotifyNewClient",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages["NewClientResponse"].FromString,
        )
        return call(request, timeout=30)


def fields_of(client: str) -> dict[str, str]:
    inputs, outputs = queues_of(client)
    return {
        "client_id": client,
        "inter_queue_name": inputs,
        "client_queue_name": outputs,
        "queue_calibration": outputs,
        "queue_inter_connection": inputs,
        "routing_key": f"{client}.key",
        "inputs_format": "(2,2)",
        "outputs_format": f"({CLASSES},)",
        "model_type": "image",
    }


def queues_of(client: str) -> tuple[str, str]:
    """Of the inputs and of the outputs: the names that the later designs fix serve for all."""
    return f"{client}_inputs_cal_queue", f"{client}_outputs_cal_queue"


def sent(found: Sequence[Batch], session_id: str = "") -> tuple[list[bytes], list[bytes]]:
    """A session's messages as the dispatcher and the client wrote them."""
    last = len(found) - 1
    inputs = [
        labelled(inputs_of(index, len(labels)), labels.tolist(), index, index == last, session_id)
        for index, (_, labels) in enumerate(found)
    ]
    outputs = [
        predictions(probabilities, index, index == last, session_id or None)
        for index, (probabilities, _) in enumerate(found)
    ]
    return inputs, outputs


def inputs_of(index: int, rows: int) -> list[list[float]]:
    return [[float(index), float(row), 0.5, -1.0] for row in range(rows)]


def some_batches(count: int = 24, seed: int = 0) -> list[Batch]:
    return batches(count, rows=ROWS, classes=CLASSES, seed=seed)


def evaluated(found: Sequence[Batch]) -> bytes:
    """What result.json must be, without any worker."""
    evaluator = Evaluator()
    for index, (probabilities, labels) in enumerate(found):
        evaluator.add(index, probabilities, labels)
    return evaluator.result().model_dump_json().encode()


@dataclass
class Scene:
    """Workers, and all that they work with. Nothing of it is shared with another scene but the servers."""

    workers: Calibrators
    broker: BrokerAddress | None
    objects: S3Objects
    ledger: Ledger

    def declare(self, *queues: str) -> None:
        with self._channel() as channel:
            for queue in queues:
                channel.queue_declare(queue, durable=True)

    def publish(self, queue: str, *bodies: bytes, exchange: str = "") -> None:
        """Persistent, as the dispatcher and the clients do; and the broker has them once this returns."""
        with self._channel() as channel:
            channel.confirm_delivery()
            for body in bodies:
                channel.basic_publish(exchange, queue, body, pika.BasicProperties(delivery_mode=2))

    def send(self, client: str, found: Sequence[Batch], session_id: str = "") -> None:
        """A whole session, in order."""
        self.declare(*queues_of(client))
        for queue, bodies in zip(queues_of(client), sent(found, session_id), strict=True):
            self.publish(queue, *bodies)

    def left(self, *queues: str) -> int:
        """Messages that wait there; those under way to a consumer don't count."""
        with self._channel() as channel:
            return sum(channel.queue_declare(queue, passive=True).method.message_count for queue in queues)

    def await_empty(self, *queues: str) -> None:
        until(lambda: self.left(*queues) == 0)

    def register(self, port: int, client: str, shape: str = "two queues", **more: str) -> None:
        answer = registered(port, client, shape, **more)
        assert answer.status == "OK", answer.message

    def await_registered(self, port: int, client: str) -> None:
        """Until its session before has ended, or the worker has its lease again."""
        until(lambda: registered(port, client).status == "OK")

    def register_somehow(self, port: int, other: int, client: str) -> None:
        """At the first worker, which may die before it answers, or else at the other."""
        for worker in (port, other):
            with suppress(grpc.RpcError):
                answer = registered(worker, client)
                assert answer.status == "OK" or "already registered" in answer.message
                return
        raise AssertionError("nobody answers")

    def session(self, client: str) -> Session:
        """The client's newest."""
        return self.ledger.sessions_of(client, limit=1)[0]

    def ended(self, client: str, *, left: Sequence[str] = (), patience: float = PATIENCE) -> Session:
        """The client's newest session, once nothing is to be done for it any more but the tasks named."""
        found: Session = until(lambda: self._ended(client, left), patience)
        return found

    def result(self, client: str) -> bytes:
        return self.file(client, RESULT)

    def file(self, client: str, name: str) -> bytes:
        return self.objects.get(kept_as(self.session(client), name))[0]

    def keys(self, prefix: str) -> list[str]:
        return [key for key, _, _ in self.objects.list(prefix, 1000)]

    def close(self) -> None:
        self.workers.close()

    def _ended(self, client: str, left: Sequence[str]) -> Session | None:
        known = self.ledger.sessions_of(client, limit=1)
        done = known and known[0].ended and set(known[0].tasks) <= set(left)
        return known[0] if done else None

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        """The broker may just be coming back."""
        with ExitStack() as open_ones:
            yield until(lambda: self._opened(open_ones), PATIENCE)

    def _opened(self, stack: ExitStack) -> Any:
        with suppress(AMQPError):
            return stack.enter_context(mq_channel(self.broker or NOWHERE))
        return None


@contextmanager
def scene_at(broker: BrokerAddress | None, aws: str, folder: Path, **settings: str) -> Iterator[Scene]:
    """Its bucket and its table are its own, so that no worker takes over from another scene's."""
    name = f"calibrations-{new_id()[:12].lower()}"
    make_store(aws, name)
    workers = Calibrators(broker or NOWHERE, aws, folder, settings, store=name)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in workers.environment.items():
            if variable.startswith("AWS_"):
                patch.setenv(variable, value)
        forget_clients()
        made = Scene(workers, broker, S3Objects(name), Ledger(DynamoRows(name), SystemClock()))
        try:
            yield made
        finally:
            made.close()
    forget_clients()


NOWHERE = BrokerAddress(host="")


@dataclass
class ConnectionsService:
    """The service that is told how sessions end; it answers `status`."""

    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    status: int = 200
    url: str = ""


@contextmanager
def connections_service() -> Iterator[ConnectionsService]:
    service = ConnectionsService()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.told.append((self.path, json.loads(body)))
            self.send_response(service.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield service
        server.shutdown()
