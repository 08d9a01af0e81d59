"""Who plays which part in the training room."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from quintet.adapters.ecs_tasks import EcsTasks
from quintet.adapters.rabbitmq import BrokerAddress, RabbitMqPublisher, address_of
from quintet.adapters.sqs import SqsPublisher, SqsQueue
from quintet.entry.caller import ANYONE, Caller, Gate
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.ports import Objects, Publisher, Queue
from quintet.house import Housed
from quintet.kernel.errors import Overloaded, QuintetError
from quintet.kernel.ids import new_id
from quintet.kernel.log import logger
from quintet.kernel.settings import read
from quintet.training import settings
from quintet.training.access import Access
from quintet.training.jobs import Job
from quintet.training.ledger import Ledger
from quintet.training.messages import Kind, Order
from quintet.training.nudges import Nudges
from quintet.training.outbox import Outbox
from quintet.training.ports import Tasks, TaskState
from quintet.training.submission import Submissions
from quintet.training.tending import Tending
from quintet.training.waiting import Waiting

if TYPE_CHECKING:
    from quintet.training.detector_ports import Detector
    from quintet.training.inference import Detecting


@dataclass(frozen=True)
class TrainerTasks:
    """Jobs as tasks of the trainer."""

    ecs: EcsTasks

    def start(self, job: Job) -> str:
        if not self.ecs.task_definition:
            raise Overloaded("no trainer is deployed yet")
        environment = {"QUINTET_JOB_KEY": str(job.key), "QUINTET_JOB_ATTEMPT": str(job.attempt)}
        return self.ecs.start([job.kind], environment, once=f"{job.key}/{job.attempt}")

    def state(self, task: str) -> TaskState:
        return self.ecs.state(task)

    def stop(self, task: str, reason: str) -> None:
        self.ecs.stop(task, reason)


@dataclass(frozen=True)
class BackendGate:
    """Whoever comes through an open door is the backend: the jobs it sent over the broker are its own there, too."""

    gate: Gate
    backend: str

    def identify(self, key: str | None) -> Caller:
        caller = self.gate.identify(key)
        return Caller(self.backend) if caller == ANYONE else caller

    def check(self) -> None:
        self.gate.check()


@dataclass(frozen=True)
class OutspokenPublisher:
    """Says the broker's errors in the words that operators of the original know."""

    publisher: Publisher

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        try:
            self.publisher.publish(queue, body, message_id=message_id, correlation_id=correlation_id)
        except QuintetError as error:
            logger("training").error(f"[RMQ] {error.message}", extra={"queue": queue, "message_id": message_id})
            raise


class Detectors:
    """The models of the bucket, in this environment's memory and on its disk.

    What needs numpy and onnxruntime is imported here alone: most functions of the room carry neither.
    """

    def __init__(self, objects: Objects) -> None:
        from quintet.adapters.model_cache import ModelCache

        self._cache: ModelCache[Detector] = ModelCache(objects, _detector, Path(gettempdir()) / "quintet-models")

    def get(self, key: str) -> "Detector":
        from quintet.training.manifest import onnx_key

        return self._cache.get(onnx_key(key))


def _detector(key: str, content: bytes, manifest: bytes | None) -> "Detector":
    from quintet.adapters.onnx_detector import OnnxDetector
    from quintet.training.manifest import verified

    return OnnxDetector(content, verified(key, content, manifest) if manifest else None)


@dataclass
class TrainingRoom(Housed):
    """Everything the room's doors need, made when first asked for."""

    room = "training"

    @cached_property
    def defaults(self) -> settings.Defaults:
        return read(settings.Defaults)

    @cached_property
    def work(self) -> settings.Work:
        return read(settings.Work)

    @cached_property
    def broker(self) -> settings.Broker:
        return read(settings.Broker)

    @cached_property
    def queue_names(self) -> settings.QueueNames:
        return read(settings.QueueNames)

    @cached_property
    def gate(self) -> Gate:
        keys = read(settings.Keys)
        gate = self.api_key_gate(enabled=keys.enabled, secret_arn=keys.secret_arn)
        return BackendGate(gate, self.access_settings.backend)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.rows, self.clock)

    @cached_property
    def access(self) -> Access:
        return Access(self.access_settings.folders, self.bucket)

    @cached_property
    def access_settings(self) -> settings.Access:
        return read(settings.Access)

    @cached_property
    def nudges(self) -> Nudges:
        return Nudges(SqsQueue(self.work.tend_queue_url), SqsQueue(self.work.publish_queue_url))

    @cached_property
    def routes(self) -> Mapping[str, Queue]:
        """Where the relay sends what comes on the broker's queues."""
        names, work = self.queue_names, self.work
        urls = {
            names.train_request: work.train_queue_url,
            names.convert_request: work.convert_queue_url,
            names.inference_request: work.inference_queue_url,
        }
        return {name: ClaimCheckQueue(SqsQueue(url), self.objects, self.bucket) for name, url in urls.items()}

    @cached_property
    def submissions(self) -> Submissions:
        return Submissions(self.ledger, self.access, self.defaults, self.nudges, self.clock)

    @cached_property
    def tasks(self) -> Tasks:
        work = self.work
        return TrainerTasks(
            EcsTasks(
                cluster=work.cluster,
                task_definition=work.task_definition,
                container="trainer",
                group="training",
                capacity_provider=work.capacity_provider,
                subnets=listed(work.subnets),
                security_groups=listed(work.security_groups),
            )
        )

    @cached_property
    def waiting(self) -> Waiting:
        queue = ClaimCheckQueue(SqsQueue(self.work.inference_queue_url), self.objects, self.bucket)
        return Waiting(self.ledger, queue, self.clock)

    @cached_property
    def tending(self) -> Tending:
        return Tending(
            self.ledger,
            self.tasks,
            self.nudges,
            self.waiting,
            self.clock,
            at_once=self.defaults.jobs_at_once,
            patience=timedelta(minutes=self.work.patience_minutes),
        )

    @cached_property
    def publisher(self) -> Publisher:
        if not self.broker.usable:
            return SqsPublisher(json.loads(self.work.told_queue_urls))
        return OutspokenPublisher(self.rabbitmq)

    @cached_property
    def rabbitmq(self) -> RabbitMqPublisher:
        """Our line to the broker, for who keeps it for long."""
        return RabbitMqPublisher(self.broker_address)

    @cached_property
    def broker_address(self) -> BrokerAddress:
        return address_of(self.broker)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.ledger, self.publisher, self.queue_names)

    @cached_property
    def models(self) -> "Detectors":
        return Detectors(self.objects)

    @cached_property
    def detecting(self) -> "Detecting":
        from quintet.adapters.pillow_images import PillowImages
        from quintet.training.image_source import ImageSource
        from quintet.training.inference import Detecting

        return Detecting(
            models=self.models,
            images=PillowImages(),
            source=ImageSource(self.objects, self.defaults.uploads_dir, self.place.local, bucket=self.bucket),
            objects=self.objects,
            access=self.access,
            ledger=self.ledger,
            nudges=self.nudges,
            waiting=self.waiting,
            clock=self.clock,
            default_model=self.defaults.model,
            models_dir=self.defaults.models_dir,
        )

    def take(self, kind: Kind, order: Order) -> Job:
        """The job that a message asks for. Raises Conflict where its job id is in use."""
        caller = self.caller_of(order)
        return self.submissions.take(kind, order.content, caller, correlation=order.correlation or new_id())

    def caller_of(self, order: Order) -> str:
        return order.sender if order.sender and order.sender in self.access.grants else self.access_settings.backend

    def warm(self) -> None:
        """Say how the room is set up, and load what a request needs. Raises what is wrong before a request does."""
        say_once(self.broker)
        if read(settings.Keys).secret_arn:  # the functions that have an HTTP door
            self.gate.check()
        if find_spec("onnxruntime"):  # those that carry what runs models
            import_module("quintet.adapters.onnx_detector")
            _ = self.detecting


@cache
def training() -> TrainingRoom:
    return TrainingRoom()


@cache
def say_once(broker: settings.Broker) -> None:
    from quintet.training.broker import broker_status

    _, warnings = broker_status(broker)
    for warning in warnings:
        logger("training").warning(warning)


def listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
