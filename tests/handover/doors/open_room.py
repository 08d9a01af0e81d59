"""The room behind its doors: its real use cases and its packaged model, over adapters in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from quintet.adapters.argon2_passwords import Argon2Hashes
from quintet.adapters.jwt_tokens import JwtTokens
from quintet.adapters.matplotlib_pictures import MatplotlibDrawing
from quintet.adapters.memory import MemoryObjects, MemoryQueue, MemoryRecords
from quintet.adapters.memory_limits import MemoryAttempts, MemoryRateLimit
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.memory_trails import MemoryTrails
from quintet.adapters.onnx_graph import OnnxGraph
from quintet.adapters.prometheus_page import page
from quintet.entry.bearer import BearerGate
from quintet.entry.caller import Caller
from quintet.entry.deferral import Deferrals
from quintet.entry.promises import KeptPromises
from quintet.entry.uploads import Uploads
from quintet.handover.breakers import Breakers
from quintet.handover.collection_runs import Collections
from quintet.handover.coverage import antennas_of
from quintet.handover.drift import looks
from quintet.handover.feedback import Feedback
from quintet.handover.kept_histories import KeptHistories, keeping
from quintet.handover.kept_outcomes import KEEPING, KeptOutcomes
from quintet.handover.limits import Pace, Shared
from quintet.handover.lockouts import Lockouts
from quintet.handover.messages import Kind
from quintet.handover.metrics_gate import MetricsGate, Ways
from quintet.handover.nef import NefClient
from quintet.handover.passwords import Passwords
from quintet.handover.pictures import Pictures
from quintet.handover.prediction import Predictor
from quintet.handover.runs import Runs
from quintet.handover.serving import Serving
from quintet.handover.settings import Models
from quintet.handover.telemetry import METRICS
from quintet.handover.tokens import Account, Login
from quintet.handover.trainings import Trainings
from quintet.handover.versions import Versions
from quintet.kernel.breaker import Breaker
from quintet.kernel.clock import SteppedClock
from quintet.kernel.ids import fingerprint
from tests.handover.nef_emulators import Scene
from tests.handover.watching.feedback_room import FeedbackRoom

USER, PASSWORD = "ada", "the right one"
JWT_SECRET, REFRESH_SECRET = "j" * 32, "r" * 32
API_KEY = "the-api-key"
METRICS_USER, METRICS_PASSWORD = "metrics", "the metrics' word"
MIB = 1024 * 1024
FORTNIGHT = 14 * 24 * 60


@dataclass
class OpenRoom:
    """`required`: a token is asked for. Nobody works on its queues but a test."""

    required: bool = True
    per_minute: int = 1000
    wait_seconds: float = 0.0
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(datetime.now(UTC)))
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    trainings_queue: MemoryQueue = field(default_factory=MemoryQueue)
    collections_queue: MemoryQueue = field(default_factory=MemoryQueue)
    with_jobs: bool = True

    def __post_init__(self) -> None:
        self.rows, self.records = MemoryRows(self.clock), MemoryRecords(self.clock)
        self.jobs = Deferrals("handover", self.records, self.objects, self.queue, self.clock)
        self.rate, self.attempts = MemoryRateLimit(self.per_minute, clock=self.clock), MemoryAttempts(self.clock)
        self.scene = Scene("fork", self.clock)
        self.feedback_room = FeedbackRoom(clock=self.clock)
        self.fed = self.feedback_room.feedback

    # --- who comes in

    @cached_property
    def access(self) -> JwtTokens:
        """Ends in a fortnight: tests let hours pass, and the library looks at the system's clock."""
        return JwtTokens("access", lambda: JWT_SECRET, name="JWT_SECRET", audience="ml-service", clock=self.clock)

    @cached_property
    def gate(self) -> BearerGate:
        return BearerGate(self.caller, self.access.check, self.required)

    def caller(self, token: str) -> Caller:
        return Caller(f"user-{fingerprint(self.access.read(token).subject)}", administrator=True)

    @cached_property
    def login(self) -> Login:
        refresh = JwtTokens(
            "refresh", lambda: REFRESH_SECRET, name="JWT_REFRESH_SECRET", audience="ml-service", clock=self.clock
        )
        return Login(
            account=lambda: Account(USER, PASSWORD),
            passwords=Passwords(Argon2Hashes()),
            access=self.access,
            refresh=refresh,
            spent=self.records,
            lockouts=Lockouts(Shared(None, MemoryAttempts(self.clock)), most=5, seconds=300),
            expires_minutes=FORTNIGHT,
        )

    @cached_property
    def metrics_gate(self) -> MetricsGate:
        return MetricsGate(
            ways=lambda: Ways(METRICS_USER, METRICS_PASSWORD, API_KEY),
            tokens=JwtTokens("metrics", lambda: JWT_SECRET, name="JWT_SECRET", audience="ml-service", untyped=True),
            passwords=Passwords(Argon2Hashes()),
            lockouts=Lockouts(Shared(None, self.attempts), most=5, seconds=300),
        )

    @cached_property
    def pace(self) -> Pace:
        return Pace(Shared(None, self.rate), self.per_minute)

    # --- what they come for

    @cached_property
    def serving(self) -> Serving:
        versions = Versions(self.objects, self.rows, lambda: (b"k" * 32,), self.clock)
        return Serving(versions, start=OnnxGraph, believed=0.0, training=self.trainings.health)

    @cached_property
    def telemetry(self) -> MemoryTelemetry:
        return MemoryTelemetry(METRICS, self.clock)

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(
            scoring=self.serving,
            histories=KeptHistories(MemoryTrails(keeping(10_000, 24), self.clock)),
            outcomes=KeptOutcomes(MemoryTrails(KEEPING, self.clock)),
            telemetry=self.telemetry,
            looks=looks(100),
            clock=self.clock,
        )

    @cached_property
    def models(self) -> Models:
        return Models(train_wait_seconds=self.wait_seconds)

    def kind(self) -> Kind:
        versions = self.serving.versions
        active = versions.active()
        return versions.read(active.version).kind if active.since else self.models.kind

    @cached_property
    def trainings(self) -> Trainings:
        return Trainings(
            Runs(self.rows, self.clock), self.objects, self.trainings_queue, KeptPromises(self.jobs), self.clock
        )

    @cached_property
    def collections(self) -> Collections:
        return Collections(
            rows=self.rows,
            objects=self.objects,
            queue=self.collections_queue,
            promises=KeptPromises(self.jobs),
            nef=lambda: self.nef,
            login=("", ""),
            start_task=lambda run: None,
            clock=self.clock,
        )

    @cached_property
    def feedback(self) -> Feedback:
        return self.fed

    @cached_property
    def pictures(self) -> Pictures:
        antennas = antennas_of("antenna_1=0:0,antenna_2=1000:0,antenna_3=500:866")
        return Pictures(MatplotlibDrawing(), self.objects, self.clock, antennas, self.serving)

    @cached_property
    def nef(self) -> NefClient:
        return self.scene.nef

    @cached_property
    def breaker(self) -> Breaker:
        return self.scene.breaker

    @cached_property
    def breakers(self) -> Breakers:
        return Breakers([self.breaker], self.clock)

    def scrape(self) -> bytes:
        return page(self.telemetry.read())

    # --- what the house's door needs

    @property
    def uploads(self) -> Uploads | None:
        return Uploads(self.objects, 64 * MIB, self.clock)

    @property
    def deferrals(self) -> Deferrals | None:
        return self.jobs if self.with_jobs else None

    def warm(self) -> None:
        self.gate.check()

    def app(self) -> FastAPI:
        """The app, which is one for all tests, in front of this room from now on."""
        _OPEN[:] = [self]
        return _app()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.issue(USER, seconds=FORTNIGHT * 60)}"}


_OPEN: list[OpenRoom] = []


@cache
def _app() -> FastAPI:
    from quintet.handover.http import handover_app

    return handover_app(lambda: _OPEN[0])


@contextmanager
def at_the_door(room: OpenRoom, address: str = "192.0.2.7", **more: Any) -> Iterator[TestClient]:
    """Somebody who calls from `address`."""
    client = TestClient(room.app(), raise_server_exceptions=False, client=(address, 40_000), **more)
    with client:
        yield client
