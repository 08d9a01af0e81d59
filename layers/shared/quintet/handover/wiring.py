"""Who plays which part in the handover room."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from secrets import token_hex
from threading import Event
from typing import TYPE_CHECKING

from pydantic import SecretStr

from quintet.adapters.argon2_passwords import Argon2Hashes
from quintet.adapters.jwt_tokens import JwtTokens
from quintet.adapters.memory_limits import MemoryAttempts, MemoryRateLimit
from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.memory_trails import MemoryTrails
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_limits import RedisAttempts, RedisRateLimit
from quintet.adapters.redis_telemetry import RedisTelemetry
from quintet.adapters.redis_trails import RedisTrails
from quintet.adapters.secrets import secret_text
from quintet.adapters.sqs import SqsQueue
from quintet.entry.bearer import BearerGate
from quintet.entry.caller import Caller, Gate
from quintet.entry.promises import KeptPromises
from quintet.handover import settings
from quintet.handover.limits import Pace, RateLimit, Shared
from quintet.handover.lockouts import Attempts, Lockouts
from quintet.handover.manifest import Keys, Manifest, keys_of
from quintet.handover.messages import CollectMessage, Kind
from quintet.handover.metrics_gate import MetricsGate, Ways
from quintet.handover.passwords import Passwords
from quintet.handover.secrets import Secrets
from quintet.handover.telemetry import METRICS, trained
from quintet.handover.tokens import Account, Login
from quintet.house import Housed
from quintet.kernel.errors import Misconfigured, QuintetError
from quintet.kernel.ids import fingerprint
from quintet.kernel.log import logger
from quintet.kernel.settings import read
from quintet.kernel.telemetry import Telemetry
from quintet.kernel.trails import Keeping, Trails

if TYPE_CHECKING:  # each function carries only what its own part needs
    from quintet.adapters.ecs_tasks import EcsTasks
    from quintet.adapters.process_load import ProcessLoad
    from quintet.handover.breakers import Breakers
    from quintet.handover.collection_runs import Collections
    from quintet.handover.feedback import Feedback
    from quintet.handover.health import TrainingHealth
    from quintet.handover.kept_outcomes import KeptOutcomes
    from quintet.handover.nef import NefClient
    from quintet.handover.pictures import Pictures
    from quintet.handover.prediction import Predictor
    from quintet.handover.serving import Serving
    from quintet.handover.training import TrainingPlace
    from quintet.handover.trainings import Trainings
    from quintet.handover.versions import Versions
    from quintet.kernel.breaker import Breaker

SERVICE = "ml-service"
"""Who issues tokens and for whom, as the original's said."""

READ_AT_START = (
    settings.Limits, settings.Models, settings.Tracking, settings.Guards, settings.NefSettings, settings.Breaking,
    settings.Learning,
)  # fmt: skip
"""A wrong value of these would fail the requests that need it, one by one."""

REDIS_SECONDS = 0.5
"""What Redis keeps may be lost: nobody waits for it longer."""

PREFIX = "handover"
LOGS = ("handover", "handover-api", "handover-queue", "handover-rest", "handover-selector")


@dataclass
class HandoverRoom(Housed):
    """Everything the room's doors need, made when first asked for."""

    room = "handover"

    _passing_secret: str = field(default_factory=lambda: token_hex(32), repr=False)
    """Signs tokens where nobody is asked for one, until this process ends."""

    # who may call

    @cached_property
    def access(self) -> settings.Access:
        return read(settings.Access)

    @cached_property
    def limits(self) -> settings.Limits:
        return read(settings.Limits)

    @cached_property
    def metrics_access(self) -> settings.MetricsAccess:
        return read(settings.MetricsAccess)

    @cached_property
    def secrets(self) -> Secrets:
        arn = self.access.secret_arn
        return Secrets(lambda: secret_text(arn) if arn else "")

    def secret(self, name: str, given: SecretStr, *, passing: bool = False) -> str:
        """`passing`: where nobody is asked for a token, any secret will do."""
        found = self.secrets.get(name, given)
        return found or (self._passing_secret if passing and self.access.disabled else "")

    def jwt_secret(self) -> str:
        return self.secret("JWT_SECRET", self.access.jwt_secret, passing=True)

    def jwt_refresh_secret(self) -> str:
        found = self.secret("JWT_REFRESH_SECRET", self.access.jwt_refresh_secret, passing=True)
        if found == self.jwt_secret() and not self.access.disabled:
            raise Misconfigured("JWT_REFRESH_SECRET must be another one than JWT_SECRET")
        return found

    @cached_property
    def tokens(self) -> JwtTokens:
        return JwtTokens("access", self.jwt_secret, name="JWT_SECRET", audience=SERVICE, clock=self.clock)

    @cached_property
    def refresh_tokens(self) -> JwtTokens:
        name = "JWT_REFRESH_SECRET"
        return JwtTokens("refresh", self.jwt_refresh_secret, name=name, audience=SERVICE, clock=self.clock)

    @cached_property
    def metrics_tokens(self) -> JwtTokens:
        return JwtTokens(
            "metrics", self.jwt_secret, name="JWT_SECRET", audience=SERVICE, untyped=True, clock=self.clock
        )

    @cached_property
    def gate(self) -> Gate:
        return BearerGate(
            read=lambda token: caller_named(self.tokens.read(token).subject),
            secrets=self.check_secrets,
            required=not self.access.disabled,
        )

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords(Argon2Hashes())

    def account(self) -> Account:
        access = self.access
        return Account(
            self.secret("AUTH_USERNAME", SecretStr(access.username)), self.secret("AUTH_PASSWORD", access.password)
        )

    @cached_property
    def login(self) -> Login:
        return Login(
            account=self.account,
            passwords=self.passwords,
            access=self.tokens,
            refresh=self.refresh_tokens,
            spent=self.jobs.records,
            lockouts=self.lockouts("login"),
            expires_minutes=self.access.expires_minutes,
            refresh_expires_hours=self.access.refresh_expires_hours,
        )

    def lockouts(self, of: str) -> Lockouts:
        redis, limits = self.connection, self.limits
        shared = RedisAttempts(redis, prefix=f"{PREFIX}:failures:{of}") if redis else None
        attempts = Shared[Attempts](shared, MemoryAttempts(self.clock), tell=warn)
        return Lockouts(attempts, most=limits.attempts, seconds=limits.lockout_seconds)

    @cached_property
    def pace(self) -> Pace:
        redis, most = self.connection, self.limits.per_minute
        shared = RedisRateLimit(redis, most=most) if redis else None
        rates = Shared[RateLimit](shared, MemoryRateLimit(most=most, clock=self.clock), tell=warn)
        return Pace(rates, per_minute=most)

    @cached_property
    def metrics_gate(self) -> MetricsGate:
        access = self.metrics_access
        return MetricsGate(
            ways=self.ways_to_metrics,
            tokens=self.metrics_tokens,
            passwords=self.passwords,
            lockouts=self.lockouts("metrics"),
            enabled=access.enabled and not (self.access.disabled and not any(self.ways_to_metrics()[1:])),
            expiry_seconds=access.expiry_seconds,
        )

    def ways_to_metrics(self) -> Ways:
        access = self.metrics_access
        password = self.secret("METRICS_AUTH_PASSWORD", access.password)
        return Ways(access.username, password, self.secret("METRICS_API_KEY", access.api_key))

    def check_secrets(self) -> None:
        """Raises Misconfigured, which names the setting, where one is missing or too weak."""
        self.tokens.check()
        self.refresh_tokens.check()
        account = self.account()
        for name, value in (("AUTH_USERNAME", account.username), ("AUTH_PASSWORD", account.password)):
            if not value:
                raise Misconfigured(
                    f"{name} is missing: nobody could log in. Set it; or, for experiments on one's own machine,"
                    " AUTH_DISABLED=true"
                )

    # what is shared, and may be lost

    @cached_property
    def connection(self) -> RedisConnection | None:
        """One for all that the room asks of Redis."""
        return self.redis(timeout=REDIS_SECONDS)

    @cached_property
    def telemetry(self) -> Telemetry:
        redis = self.connection
        if redis is None:
            return MemoryTelemetry(METRICS, self.clock)
        return RedisTelemetry(redis, METRICS, prefix=f"{PREFIX}:1", clock=self.clock, on_trouble=warn_of)

    def trails(self, name: str, keeping: Keeping) -> Trails:
        redis = self.connection
        return RedisTrails(redis, keeping, f"{PREFIX}:{name}") if redis else MemoryTrails(keeping, self.clock)

    def scrape(self) -> bytes:
        """The page of `/metrics`. Raises Unavailable."""
        from quintet.adapters.prometheus_page import page
        from quintet.handover.scraping import Scrape

        return page(Scrape(self.telemetry, self.active_manifest, self.load).families())

    @cached_property
    def load(self) -> "ProcessLoad":
        from quintet.adapters.process_load import ProcessLoad

        return ProcessLoad()

    # the models, and what they answer

    @cached_property
    def models(self) -> settings.Models:
        return read(settings.Models)

    def signing_keys(self) -> Keys:
        return keys_of(self.secret("MODEL_SIGNING_KEY", self.models.signing_key))

    @cached_property
    def versions(self) -> "Versions":
        from quintet.handover.versions import Versions

        return Versions(self.objects, self.rows, self.signing_keys, self.clock, prefix=prefix_of(self.models.path))

    def active_manifest(self) -> Manifest:
        """Raises ModelAltered, NotFound, Unavailable."""
        return self.versions.read(self.versions.active().version)

    def kind(self) -> Kind:
        """The active version's; while that is the packaged one, the setting's."""
        active = self.versions.active()
        return self.versions.read(active.version).kind if active.since else self.models.kind

    @cached_property
    def serving(self) -> "Serving":
        from quintet.adapters.onnx_graph import OnnxGraph
        from quintet.handover.serving import Serving

        return Serving(
            self.versions,
            start=OnnxGraph,
            believed=self.models.believed_seconds,
            wanted=self.models.kind,
            training=self.training_health,
            tell=fell_back,
        )

    def training_health(self) -> "TrainingHealth | None":
        return self.trainings.health()

    @cached_property
    def learning(self) -> settings.Learning:
        return read(settings.Learning)

    @cached_property
    def predictor(self) -> "Predictor":
        from quintet.handover.circumstances import Windows
        from quintet.handover.drift import looks
        from quintet.handover.kept_histories import KeptHistories, keeping
        from quintet.handover.prediction import Predictor

        tracking = read(settings.Tracking)
        return Predictor(
            scoring=self.serving,
            histories=KeptHistories(self.trails("ue", keeping(tracking.most, tracking.hours))),
            outcomes=self.outcomes,
            telemetry=self.telemetry,
            looks=looks(self.learning.data_window),
            guards=read(settings.Guards),
            windows=Windows(tracking.signal_window, tracking.position_window),
            clock=self.clock,
            on_trouble=warn,
        )

    @cached_property
    def outcomes(self) -> "KeptOutcomes":
        from quintet.handover import kept_outcomes

        return kept_outcomes.KeptOutcomes(self.trails("qos", kept_outcomes.KEEPING))

    @cached_property
    def pictures(self) -> "Pictures":
        from quintet.adapters.matplotlib_pictures import MatplotlibDrawing
        from quintet.handover.coverage import antennas_of
        from quintet.handover.pictures import Pictures

        antennas = antennas_of(read(settings.Pictures).antennas)
        return Pictures(MatplotlibDrawing(), self.objects, self.clock, antennas, self.serving)

    # learning

    @cached_property
    def promises(self) -> KeptPromises:
        return KeptPromises(self.jobs)

    @cached_property
    def trainings(self) -> "Trainings":
        from datetime import timedelta

        from quintet.handover.runs import Runs
        from quintet.handover.trainings import Trainings

        lease = timedelta(seconds=self.learning.lease_seconds)
        queue = SqsQueue(read(settings.Queues).train_url)
        return Trainings(Runs(self.rows, self.clock, lease=lease), self.objects, queue, self.promises, self.clock)

    @cached_property
    def training_place(self) -> "TrainingPlace":
        from quintet.adapters.lightgbm_trees import LightgbmTrees
        from quintet.handover.making import makers
        from quintet.handover.training import TrainingPlace

        return TrainingPlace(
            self.trainings,
            self.objects,
            self.versions,
            self.serving,
            self.feedback,
            makers(LightgbmTrees(), self.models),
            self.start_training,
            self.clock,
            libraries=installed("lightgbm", "numpy", "onnx"),
            neighbours=self.models.neighbours,
            told=self.tell_training,
        )

    def train(self, run: str) -> None:
        """The use case of the queue of trainings."""
        from quintet.handover.training import train

        train(run, self.training_place)

    def tell_training(self, seconds: float, reason: str, outcome: str) -> None:
        """Alarms count the line of a failure."""
        self.telemetry.add(*trained(seconds, reason, outcome))
        said = {"asked_for_by": reason, "outcome": outcome, "seconds": round(seconds, 1)}
        logger("handover").info("training ended", extra=said)
        if outcome == "failed":
            logger("handover").warning(f"training failed (asked for by: {reason})")

    def start_training(self, run: str, number: int) -> str:
        """Raises NoTask, Overloaded, Unavailable."""
        from quintet.handover.training import NoTask

        if not self.tasks_settings.definition:
            raise NoTask(
                "Models with an LSTM are trained by a task of the selector, and this deployment has none: deploy its"
                " image (SelectorImage), or ask for lightgbm or online."
            )
        return self.tasks.start(["train", run], {}, once=f"train/{run}/{number}")

    @cached_property
    def tasks_settings(self) -> settings.Tasks:
        return read(settings.Tasks)

    @cached_property
    def tasks(self) -> "EcsTasks":
        from quintet.adapters.ecs_tasks import EcsTasks

        known = self.tasks_settings
        return EcsTasks(
            cluster=known.cluster,
            task_definition=known.definition,
            container=known.container,
            group="handover",
            capacity_provider=known.capacity_provider,
            subnets=listed(known.subnets),
            security_groups=listed(known.security_groups),
        )

    @cached_property
    def feedback(self) -> "Feedback":
        from quintet.adapters.river_detectors import RiverDetectors
        from quintet.handover.feedback import Feedback, Manner
        from quintet.handover.feedback_rows import FeedbackRows
        from quintet.handover.online_learning import OnlineLearning
        from quintet.handover.performance import Rule

        learning = self.learning
        return Feedback(
            FeedbackRows(self.rows, self.objects, self.clock, room=learning.buffer),
            RiverDetectors(),
            self.retrain,
            lambda: self.versions.active().version,
            OnlineLearning(self.versions, self.clock),
            self.outcomes,
            self.telemetry,
            self.clock,
            Manner(Rule(learning.window, learning.threshold), learning.rest_seconds, learning.held_back),
        )

    def retrain(self, *, once: str, reason: str) -> bool:
        """Alarms count the line of a drift."""
        queued = self.trainings.retrain(self.kind(), once)
        if queued and reason == "performance":
            logger("handover").warning("drift found (performance): a retraining is queued", extra={"retraining": once})
        return queued

    def watch(self) -> None:
        """The use case of the minute. Raises what was in the way, once all was seen to."""
        from quintet.adapters.river_detectors import RiverDetectors
        from quintet.handover.data_watch import DataWatch
        from quintet.handover.watching import Watch

        learning = self.learning
        data = DataWatch(
            self.telemetry, self.active_manifest, RiverDetectors(), self.rows, learning.data_window, learning.data_alert
        )
        Watch(data, self.feedback, self.tend_trainings, on_drift=warn_of_drift).look()

    def tend_trainings(self) -> None:
        if not self.versions.active().since:  # a model that was once switched to goes before the setting
            self.trainings.bootstrap(self.models.kind, tune=self.models.tune)
        self.trainings.look_after()

    # the NEF emulator

    @cached_property
    def nef_settings(self) -> settings.NefSettings:
        return read(settings.NefSettings)

    @cached_property
    def nef_breaker(self) -> "Breaker":
        from quintet.kernel.breaker import Breaker, Rule

        known = read(settings.Breaking)
        rule = Rule(known.failures, known.open_seconds, known.successes, known.seconds)
        return Breaker("nef", self.redis_cache(timeout=REDIS_SECONDS), self.clock, rule)

    @cached_property
    def breakers(self) -> "Breakers":
        from quintet.handover.breakers import Breakers

        return Breakers([self.nef_breaker], self.clock)

    @property
    def nef(self) -> "NefClient":
        """A client that is not logged in."""
        from quintet.adapters.http_calls import HttpCalls
        from quintet.handover.nef import NefClient

        return NefClient(HttpCalls(), self.nef_settings.url, self.nef_breaker, self.nef_settings.seconds)

    @cached_property
    def collections(self) -> "Collections":
        from quintet.handover.collection_runs import Collections

        return Collections(
            self.rows,
            self.objects,
            SqsQueue(read(settings.Queues).collect_url),
            self.promises,
            lambda: self.nef,
            (
                self.secret("NEF_USERNAME", SecretStr(self.nef_settings.username)),
                self.secret("NEF_PASSWORD", self.nef_settings.password),
            ),
            self.start_collection,
            self.clock,
        )

    def collect(self, run: str) -> None:
        """The use case of the queue of collections."""
        self.collections.take(CollectMessage(run=run), Event().wait)

    def start_collection(self, run: str) -> None:
        """Raises Misconfigured, Overloaded, Unavailable."""
        if not self.tasks_settings.definition:
            raise Misconfigured("collections of over 14 minutes are a task of the selector, and none is deployed")
        self.tasks.start(["collect", run], {}, once=f"collect/{run}")

    def warm(self) -> None:
        """Raises what is wrong before a request does."""
        for block in READ_AT_START:
            read(block)
        self.gate.check()
        self.metrics_gate.check()
        self.signing_keys()
        if self.access.disabled:
            logger("handover").warning(
                "AUTH_DISABLED is true: anybody may call. Never do that where others can reach it."
            )

    def check_place(self) -> None:
        """For a server of its own, whose place no template has set. Raises Misconfigured."""
        for name, value in (("QUINTET_TABLE", self.place.table), ("QUINTET_BUCKET", self.bucket)):
            if not value:
                raise Misconfigured(f"{name} is missing: the room keeps its versions and its jobs there")

    def warm_model(self) -> None:
        """Loads what predicts, in functions that do: Lambda gives a whole core while it initialises, and the first
        caller waits less. Where no model can answer, that is for the answers to tell.
        """
        if not self.place.table:
            return
        with suppress(QuintetError):
            _ = self.predictor, self.serving.selector()


@cache
def handover() -> HandoverRoom:
    log_as_set(read(settings.TextLog))
    return HandoverRoom()


def log_as_set(log: settings.TextLog) -> Callable[[], None]:
    """In a file, too, where one is named; gives the way back."""
    if not log.file:
        return lambda: None
    from quintet.kernel.text_log import write_also

    return write_also(LOGS, log.file)


def installed(*names: str) -> dict[str, str]:
    """The versions of those libraries that are here and say theirs."""
    found = dict[str, str]()
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def caller_named(subject: str) -> Caller:
    return Caller(f"user-{fingerprint(subject)}", administrator=True)


def prefix_of(path: str) -> str:
    """Where versions are kept; of a path to a file, as the original had it, its folder.

    >>> prefix_of("handover/models"), prefix_of("ml_service/app/models/antenna_selector_v1.0.0.joblib")
    ('handover/models', 'ml_service/app/models')
    """
    folder, _, last = path.strip("/").rpartition("/")
    return folder if last.endswith(".joblib") and folder else path.strip("/")


def listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def warn(error: QuintetError) -> None:
    logger("handover").warning(error.message, extra={"details": error.details})


def warn_of_drift() -> None:
    logger("handover").warning("drift found (data)")


def fell_back(reason: str) -> None:
    """Alarms count the line."""
    logger("handover").warning("model fallback", extra={"reason": reason})


def warn_of(reason: str) -> None:
    logger("handover").warning(f"metrics wait in memory: {reason}")
