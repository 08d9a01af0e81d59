"""Who plays which part in the calibrator. The room's own parts are those of quintet.calibration.wiring."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial

from aws_lambda_powertools import Logger

from gpu_workers.calibrator.rendering import Renderer
from quintet.adapters import parquet
from quintet.adapters.http_calls import HttpCalls
from quintet.adapters.mlflow_experiments import MlflowExperiments
from quintet.adapters.rabbitmq import BrokerAddress, address_of
from quintet.adapters.rabbitmq_streams import RabbitMqStreams
from quintet.adapters.s3_streams import S3Streams
from quintet.calibration import settings
from quintet.calibration.access import Access
from quintet.calibration.admission import Admission
from quintet.calibration.calibrator import NOTIFICATIONS, Calibrator, Manner, Means
from quintet.calibration.callback import tell_ending
from quintet.calibration.closing import Aftermath, Closing, Files
from quintet.calibration.evaluation import Evaluator, Result, Stages
from quintet.calibration.health import Condition
from quintet.calibration.intake import Intake, Pace
from quintet.calibration.live import Limits, Live
from quintet.calibration.messages import Registration, Session
from quintet.calibration.report import Notes
from quintet.calibration.tending import Tending
from quintet.calibration.tracking import Tracker
from quintet.calibration.watched import Watched
from quintet.calibration.wiring import CalibrationRoom
from quintet.entry.caller import Gate
from quintet.entry.worker import foreign
from quintet.kernel.errors import QuintetError
from quintet.kernel.settings import read
from quintet.kernel.streams import Delivery, Streams

MIB = 1024 * 1024
REGISTRARS = 4

Guard = Callable[[], AbstractContextManager[None]]


@dataclass
class Receiving:
    """What comes from the streams: notifications are admitted beside, all else goes into the intake."""

    calibrator: Calibrator
    intake: Intake
    admit: Callable[[Delivery], None]

    def received(self, delivery: Delivery) -> None:
        if delivery.side == NOTIFICATIONS:
            self.admit(delivery)
        else:
            self.intake.put(delivery)

    def trouble(self, session: str, problem: str, final: bool) -> None:
        self.calibrator.trouble(session, problem, final)

    def recovered(self, session: str) -> None:
        self.calibrator.recovered(session)


@dataclass
class CalibratorWorker:
    """Everything that the worker needs, made when first asked for."""

    log: Logger
    room: CalibrationRoom = field(default_factory=CalibrationRoom)

    @property
    def gate(self) -> Gate:
        return self.room.gate

    @property
    def access(self) -> Access:
        return self.room.access

    def register(self, registration: Registration) -> Session:
        return self.calibrator.register(registration)

    def condition(self) -> Condition:
        return self.calibrator.condition()

    @cached_property
    def service(self) -> settings.CalibrationService:
        return read(settings.CalibrationService)

    @cached_property
    def streaming(self) -> settings.Streaming:
        return read(settings.Streaming)

    @cached_property
    def broker(self) -> settings.Broker:
        return read(settings.Broker)

    @cached_property
    def mlflow(self) -> settings.Mlflow:
        return read(settings.Mlflow)

    @cached_property
    def stages(self) -> settings.Stages:
        return read(settings.Stages)

    @cached_property
    def streams(self) -> Streams:
        chosen = self.streaming
        if not self.broker.host:
            return S3Streams(self.room.objects, prefetch=chosen.prefetch, message_limit=chosen.message_mb * MIB)
        return RabbitMqStreams(
            self.broker_address,
            prefetch=chosen.prefetch,
            notifications_prefetch=self.service.clients,
            message_limit=chosen.message_mb * MIB,
            patience=chosen.queue_seconds,
            heartbeat=self.broker.heartbeat_seconds,
            blocked_timeout=self.broker.blocked_seconds,
        )

    @cached_property
    def broker_address(self) -> BrokerAddress:
        return address_of(self.broker.as_known)

    @cached_property
    def calibrator(self) -> Calibrator:
        made = Calibrator(
            Means(self.room.ledger, self.streams, self.room.objects, self.room.clock),
            self.manner,
            self.evaluator,
            on_event=self.tell,
            guard=foreign,
        )
        made.on_admitted = self.watch
        made.on_released = self.unwatch
        made.on_stray = lambda delivery, live: self._beside(partial(made.keep_stray, delivery, live))
        return made

    def evaluator(self) -> Evaluator:
        chosen = self.stages
        stages = Stages(calibration_batches=chosen.calibration_batches, uncertainty_batches=chosen.uncertainty_batches)
        return Evaluator(stages, score="aps" if chosen.score == "aps" else "lac")

    @cached_property
    def manner(self) -> Manner:
        chosen, keep = self.streaming, self.streaming.keep_inputs
        return Manner(
            clients=self.service.clients,
            timeout=self.service.timeout_seconds,
            lease=read(settings.Leases).seconds,
            keep_inputs=keep == "true" if keep else bool(self.mlflow.uri),
            limits=Limits(chosen.batches, chosen.repeats, chosen.held_kb * 1024),
        )

    @cached_property
    def intake(self) -> Intake:
        chosen = self.streaming
        return Intake(Pace(chosen.commit_seconds, chosen.commit_mb * MIB, chosen.buffer_mb * MIB))

    @cached_property
    def closing(self) -> Closing:
        url = read(settings.Connections).url
        made = Closing(
            self.calibrator,
            Aftermath(
                files=self.files,
                tell=partial(self.tell_service, url) if url else None,
                track=self.watch if self.tracker else None,
            ),
        )
        self.calibrator.on_ended = made.put
        return made

    @cached_property
    def tending(self) -> Tending:
        return Tending(
            self.calibrator,
            self.closing,
            connections_queue=self.broker.connections_queue,
            status_seconds=read(settings.Leases).status_seconds,
        )

    @cached_property
    def registrars(self) -> ThreadPoolExecutor:
        """Notifications are admitted here, and strays kept: both wait for a store, and no other thread must."""
        return ThreadPoolExecutor(REGISTRARS, thread_name_prefix="registrar")

    @cached_property
    def receiving(self) -> Receiving:
        admission = Admission(self.calibrator, self.tending.pause_listening)
        return Receiving(
            self.calibrator, self.intake, lambda delivery: self._beside(partial(admission.admit, delivery))
        )

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(read(settings.Reports).language)

    @cached_property
    def tracker(self) -> Tracker | None:
        if not self.mlflow.uri:
            return None
        return Tracker(
            MlflowExperiments(self.mlflow.uri, self.room.clock, scratch=self.mlflow.artifacts),
            parquet.table,
            self.mlflow.experiment,
        )

    def watch(self, live: Live) -> None:
        """Have its run logged; the same session may be given again."""
        if self.tracker is not None:
            self.tracker.add(Watched(live, self.room.objects, self.calibrator.tenure.journal, self.stages.model_dump()))

    def unwatch(self, session: str) -> None:
        if self.tracker is not None:
            self.tracker.drop(session)

    def track(self) -> float:
        """Log what is new of all runs; the seconds to rest."""
        if self.tracker is None:
            return 3600.0
        told = self.tracker.round()
        for trouble in told.troubles:
            self.tell(
                "a run could not be logged", {"session": trouble.session, "reason": trouble.problem, **trouble.details}
            )
        for session in told.finished:
            live = self.calibrator.live(session)
            if live is not None:
                self.closing.tracked(live)
        return told.pause

    def files(self, live: Live, result: Result) -> Files:
        """The report, and its diagram."""
        notes = Notes(
            missing=live.join.missing(),
            conflicts=live.join.conflicts,
            duplicates=live.repeats,
            strays=len(live.strays),
            unlabelled=live.unlabelled,
            troubles=[live.trouble] if live.trouble else [],
        )
        return self.renderer.render(live.session, result, notes, live.session.ended_at or self.room.clock.now())

    def tell_service(self, url: str, session: Session) -> str:
        """How a session ended, to the service that announced it."""
        told = tell_ending(HttpCalls(), url, session)
        return f"{told.outcome} ({told.status})"

    def tell(self, event: str, said: object) -> None:
        extra = dict(said) if isinstance(said, dict) else {}
        level = self.log.warning if event in WARNINGS else self.log.info
        level(event, extra=extra)

    def _beside(self, do: Callable[[], None]) -> None:
        """By a registrar. What fails is not acknowledged, and so comes again."""

        def tried() -> None:
            try:
                with foreign():
                    do()
            except QuintetError as error:
                self.log.error("a message failed", extra={"error": type(error).__name__, "reason": error.message})
                self.tending.pause_listening()

        self.registrars.submit(tried)


WARNINGS = frozenset(
    {
        "a client has to wait",
        "a message was set aside",
        "messages of ended sessions are set aside",
        "a queue can't be consumed",
        "a queue is not there",
        "a report could not be drawn",
        "a run could not be logged",
        "an end could not be completed yet",
        "commit failed",
        "lease lost before messages could be acknowledged",
        "the lease is lost; beginning anew",
    }
)
