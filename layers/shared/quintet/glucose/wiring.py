"""Who plays which part in the glucose room."""

import resource
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quintet.adapters.dynamodb import DynamoRecords, done_messages
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.adapters.s3 import S3Objects
from quintet.adapters.secrets import secret_text
from quintet.adapters.sqs import SqsQueue
from quintet.entry.caller import ApiKeyGate, Gate
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.deferral import Deferrals
from quintet.entry.ports import Objects, Queue
from quintet.entry.uploads import Uploads
from quintet.glucose.forecast import STEPS_IN
from quintet.glucose.health import CountedForecaster, Tally
from quintet.glucose.ports import Forecaster
from quintet.glucose.settings import GlucoseForecast, GlucoseKeys
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import ModelUnavailable
from quintet.kernel.settings import HttpSettings, PlaceSettings, read

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

MODEL = Path(__file__).parent / "model" / "forecaster.onnx"
QUIET_HOURS = np.full((1, STEPS_IN), 100.0)
MIB = 1024 * 1024


@dataclass
class GlucoseRoom:
    """Everything the room's doors need, made when first asked for."""

    clock: Clock = field(default_factory=SystemClock)
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def place(self) -> PlaceSettings:
        return read(PlaceSettings)

    @cached_property
    def forecast_settings(self) -> GlucoseForecast:
        return read(GlucoseForecast)

    @cached_property
    def model(self) -> Forecaster:
        return OnnxForecaster(MODEL)

    @cached_property
    def forecaster(self) -> Forecaster:
        return CountedForecaster(self.model, self.tally)

    @cached_property
    def gate(self) -> Gate:
        keys = read(GlucoseKeys)
        return ApiKeyGate(keys_text=lambda: _keys_text(keys), required=keys.enabled or not self.place.local)

    @cached_property
    def bucket(self) -> str:
        return self.place.bucket

    @cached_property
    def objects(self) -> Objects:
        return S3Objects(self.bucket)

    @cached_property
    def dead_letters(self) -> Queue:
        return SqsQueue(self.place.jobs_dead_letters_url)

    @cached_property
    def done_messages(self) -> "BasePersistenceLayer":
        return done_messages(self.place.table, room="glucose")

    @cached_property
    def uploads(self) -> Uploads | None:
        if not self.bucket:
            return None
        return Uploads(self.objects, read(HttpSettings).upload_limit_mb * MIB, self.clock)

    @cached_property
    def deferrals(self) -> Deferrals | None:
        return self.jobs if self.place.jobs_queue_url else None

    @cached_property
    def jobs(self) -> Deferrals:
        queue = ClaimCheckQueue(SqsQueue(self.place.jobs_queue_url), self.objects, self.bucket)
        return Deferrals("glucose", DynamoRecords(self.place.table), self.objects, queue, self.clock)

    def warm(self) -> None:
        """Load the model and, where keys are asked for, the keys. Raises what is wrong before a request does."""
        self.model.predict(QUIET_HOURS)
        self.gate.check()

    def models_ready(self) -> bool:
        try:
            self.model.predict(QUIET_HOURS)
        except ModelUnavailable:
            return False
        return True

    @staticmethod
    def memory_mb() -> float:
        """The memory this process holds, in MiB; the most it has held where the system has no /proc."""
        pages = Path("/proc/self/statm")
        if pages.exists():
            return int(pages.read_text().split()[1]) * resource.getpagesize() / MIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@cache
def glucose() -> GlucoseRoom:
    return GlucoseRoom()


def _keys_text(keys: GlucoseKeys) -> str:
    if keys.secret_arn:
        return secret_text(keys.secret_arn)
    return Path(keys.file).read_text() if keys.file else ""
