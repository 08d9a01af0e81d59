"""Who plays which part in the aggregation room."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from importlib.util import find_spec
from random import SystemRandom
from typing import TYPE_CHECKING

from quintet.adapters.aws import client
from quintet.adapters.http_calls import HttpCalls, addresses_of
from quintet.adapters.redis_jobs import RedisJobKeys
from quintet.adapters.result_files import result_files
from quintet.adapters.sqs import SqsQueue
from quintet.aggregation import settings
from quintet.aggregation.addresses import listed
from quintet.aggregation.delivery import Deliverer, Tell
from quintet.aggregation.delivery_channels import (
    Configured,
    KeptResults,
    ToApi,
    ToFiles,
    ToLog,
    ToReturnUrl,
    configured,
)
from quintet.aggregation.jobs import Job
from quintet.aggregation.ledger import Ledger
from quintet.aggregation.messages import Nudge, Outcome
from quintet.aggregation.narration import NarratedAggregator, NarratedKeys, NarratedReports, Reports
from quintet.aggregation.outbox import Channel, Errand, Outbox
from quintet.aggregation.ports import Aggregator
from quintet.aggregation.results import Format
from quintet.entry.caller import Gate
from quintet.entry.iam import IamGate
from quintet.entry.ports import Queue
from quintet.house import Housed
from quintet.kernel.calls import Calls
from quintet.kernel.errors import NotFound
from quintet.kernel.job_keys import JobKeys
from quintet.kernel.log import logger
from quintet.kernel.rows import Create
from quintet.kernel.settings import read
from quintet.kernel.text_log import write_text

if TYPE_CHECKING:  # the function that tells results carries neither numpy nor cryptography
    from quintet.aggregation.coordinator import Coordinator
    from quintet.aggregation.driving import Driver
    from quintet.aggregation.owners import Owners
    from quintet.aggregation.return_urls import ReturnUrls
    from quintet.aggregation.session import Session
    from quintet.aggregation.sessions import Sessions
    from quintet.aggregation.watching import Watch

LOGS = ("aggregation", "aggregation-api", "aggregation-queue")

REDIS_SECONDS = 0.5
"""Redis's keys are a copy: nobody waits for it longer."""


@dataclass
class AggregationRoom(Housed):
    """Everything the room's doors need, made when first asked for."""

    room = "aggregation"

    @cached_property
    def deferrals(self) -> None:
        """No request of this room takes long."""
        return None

    @cached_property
    def gate(self) -> Gate:
        keys = read(settings.Keys)
        if keys.callers == "iam":
            return IamGate(keys.administrators)
        return self.api_key_gate(enabled=keys.enabled, secret_arn=keys.secret_arn)

    @cached_property
    def jobs_settings(self) -> settings.Jobs:
        return read(settings.Jobs)

    @cached_property
    def retention(self) -> timedelta:
        return timedelta(days=self.jobs_settings.retention_days)

    @cached_property
    def nudges(self) -> Queue:
        return SqsQueue(read(settings.Queues).aggregate_url)

    @cached_property
    def errands(self) -> Queue:
        return SqsQueue(read(settings.Queues).deliver_url)

    @cached_property
    def keys(self) -> JobKeys | None:
        redis = self.redis(timeout=REDIS_SECONDS)
        return NarratedKeys(RedisJobKeys(redis), say) if redis else None

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.rows, self.clock)

    @cached_property
    def owners(self) -> "Owners":
        from quintet.aggregation.owners import Owners

        return Owners(self.rows, self.clock)

    @cached_property
    def orchestrator(self) -> Reports:
        from quintet.aggregation.orchestration import Orchestrator

        orchestrator = Orchestrator(
            self.ledger,
            self.keys,
            self.owners,
            self.objects,
            self.nudges,
            self.clock,
            self.jobs_settings,
            rounds=self.rounds,
        )
        return NarratedReports(orchestrator, say)

    @cached_property
    def external(self) -> settings.Coordinator | None:
        """Somebody else's aggregator, where one is set."""
        coordinator = read(settings.Coordinator)
        return coordinator if coordinator.host else None

    @cached_property
    def aggregator(self) -> Aggregator:
        if self.external:
            from quintet.aggregation.external import ExternalAggregator

            return NarratedAggregator(ExternalAggregator(self.calls, self.external), say)
        from quintet.aggregation.own_aggregator import OwnAggregator

        return NarratedAggregator(OwnAggregator(self.sessions), say)

    @cached_property
    def watch(self) -> "Watch | None":
        from quintet.aggregation.watching import Watch

        return Watch(every=self.external.poll_seconds) if self.external else None

    @cached_property
    def sessions(self) -> "Sessions":
        from quintet.aggregation.sessions import Sessions

        return Sessions(
            self.rows,
            self.objects,
            self.owners,
            self.clock,
            self.jobs_settings,
            finished=self.nudge,
            told=self.told,
        )

    def told(self, session: "Session", outcome: Outcome) -> None:
        self.coordinator.tell(session, outcome)

    def rounds(self, job: str) -> dict[str, object] | None:
        """How far the rounds of a job are, where ours is the aggregator."""
        if self.external:
            return None
        try:
            return self.sessions.progress(job)
        except NotFound:
            return None

    @cached_property
    def coordinator(self) -> "Coordinator":
        from quintet.aggregation.coordinator import Coordinator

        return Coordinator(self.sessions, self.owners, self.return_urls)

    @cached_property
    def return_urls(self) -> "ReturnUrls":
        from quintet.aggregation.return_urls import ReturnUrls

        return ReturnUrls(
            self.rows,
            self.objects,
            self.clock,
            listed(self.results.return_url_hosts),
            self.return_delivery,
            self.tell,
            self.retention,
        )

    @cached_property
    def driver(self) -> "Driver":
        from quintet.aggregation.driving import Driver
        from quintet.aggregation.releasing import Release

        return Driver(
            self.ledger,
            self.keys,
            self.aggregator,
            self.sessions,
            self.objects,
            Release(self.ledger, self.objects, self.deliveries, self.clock),
            self.nudges,
            self.errands,
            self.clock,
            self.jobs_settings,
            watch=self.watch,
            due=lambda: bool(self.outbox.due()),
            on_end=say_ending,
        )

    def nudge(self, job: str) -> None:
        self.nudges.send(Nudge(job=job).model_dump_json())

    def tell(self, job: str) -> None:
        self.errands.send(Errand(job=job).model_dump_json())

    @cached_property
    def results(self) -> settings.Results:
        return read(settings.Results)

    @cached_property
    def calls(self) -> Calls:
        return HttpCalls()

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.rows, self.clock, SystemRandom().random, self.retention)

    @cached_property
    def save_path(self) -> str:
        """Empty: nowhere."""
        return self.results.save_path or (f"s3://{self.bucket}/aggregation/results" if self.bucket else "")

    @cached_property
    def telling(self) -> Configured:
        return configured(self.results, has_place=bool(self.save_path))

    def deliveries(self, job: str, completed_at: datetime) -> list[Create]:
        return self.outbox.rows_for(job, self.telling.channels, completed_at=completed_at)

    def return_delivery(self, job: str, *, return_url: str, body_key: str) -> list[Create]:
        now = self.clock.now()
        return self.outbox.rows_for(job, ["return-url"], completed_at=now, return_url=return_url, body_key=body_key)

    @cached_property
    def deliverer(self) -> Deliverer:
        return Deliverer(self.outbox, self.channels, self.dead_letters, say, attempts=self.results.attempts)

    @cached_property
    def channels(self) -> dict[Channel, Tell]:
        kept = KeptResults(self.objects)
        formats: list[Format] = self.results.formats.split(",")  # type: ignore[assignment]
        channels: dict[Channel, Tell] = {
            "api": ToApi(self.calls, self.results.api_url, kept),
            "log": ToLog(say, kept),
            "return-url": ToReturnUrl(
                self.calls, listed(self.results.return_url_hosts), addresses_of, self.objects, kept
            ),
        }
        if self.save_path:
            channels["file"] = ToFiles(result_files(self.save_path), formats, kept)
        return channels

    def warm(self) -> None:
        """Load what a request needs. Raises what is wrong before a request does."""
        if read(settings.Keys).secret_arn:  # the function that has an HTTP door
            self.gate.check()
        if find_spec("cryptography"):  # those that take part in secure aggregation
            _ = self.orchestrator, self.coordinator, self.driver
            _ = client("dynamodb"), client("s3"), client("sqs")
        for warning in self.telling.warnings:
            say("warning", warning)


@cache
def aggregation() -> AggregationRoom:
    log_as_set(read(settings.TextLog))
    return AggregationRoom()


def log_as_set(log: settings.TextLog) -> Callable[[], None]:
    """As text, and in a file, where that is switched on; gives the way back."""
    return write_text(LOGS, log.path, name="computations-orchestrator") if log.enabled else lambda: None


def say(level: str, line: str) -> None:
    getattr(logger("aggregation"), level)(line)


def say_ending(job: Job) -> None:
    """Alarms count the line of a failure."""
    if job.state == "FAILED":
        say("warning", f"[Orchestrator] job ended FAILED: {job.id}: {job.reason}")
    else:
        say("info", f"[Orchestrator] job ended {job.state}: {job.id}")
