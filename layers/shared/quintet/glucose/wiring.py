"""Who plays which part in the glucose room."""

import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Event

import numpy as np

from quintet.adapters.onnx_model import OnnxForecaster
from quintet.adapters.secrets import renewed_secret_text, secret_text
from quintet.adapters.svg_image import ResvgRasteriser
from quintet.entry.caller import ApiKeyGate, Gate
from quintet.glucose.cache import AnalysisCache
from quintet.glucose.forecast import STEPS_IN
from quintet.glucose.health import Condition, CountedForecaster, Tally, health
from quintet.glucose.messages import HealthResponse
from quintet.glucose.ports import Computations, Forecaster, Rasteriser, Shared
from quintet.glucose.scheduling import Direct, Scheduler
from quintet.glucose.settings import GlucoseCache, GlucoseForecast, GlucoseKeys, GlucoseQueues
from quintet.glucose.workshop import Workshop
from quintet.house import MIB, Housed
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import ModelUnavailable
from quintet.kernel.settings import read

MODEL = Path(__file__).parent / "model" / "forecaster.onnx"
QUIET_HOURS = np.full((1, STEPS_IN), 100.0)
SECONDS_BETWEEN_TRIES = 5.0
SECONDS_BETWEEN_SWEEPS = 30.0


@dataclass
class GlucoseRoom(Housed):
    """Everything the room's doors need, made when first asked for."""

    room = "glucose"

    tally: Tally = field(default_factory=Tally)
    inference: Computations = field(default_factory=Direct)
    drawing: Computations = field(default_factory=Direct)
    _closing: Event = field(default_factory=Event)
    _model_ready: bool = False
    _model_tried_until: float = 0.0

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
    def workshop(self) -> Workshop:
        return Workshop(self.forecaster, self.cache, self.inference, self.drawing, self.forecast_settings)

    @cached_property
    def cache(self) -> AnalysisCache:
        kept = read(GlucoseCache)
        return AnalysisCache(
            hot_size=kept.size,
            shared=self.shared,
            bulk=self.objects if self.bucket else None,
            clock=self.clock,
            hours=kept.hours,
            persist=kept.persistence,
        )

    @cached_property
    def shared(self) -> Shared | None:
        return self.redis_cache(timeout=0.5)

    @cached_property
    def rasteriser(self) -> Rasteriser:
        return ResvgRasteriser()

    def serve_queues(self) -> None:
        """Forecasts and figures wait in queues from now on: a container answers many at a time."""
        queues = read(GlucoseQueues)
        self.inference = Scheduler(
            "forecasts", workers=queues.copies, capacity=queues.forecasts, timeout=queues.seconds
        )
        self.drawing = Scheduler(
            "figures", workers=queues.drawing_workers, capacity=queues.drawings, timeout=queues.seconds
        )

    def sweep_memory(self) -> None:
        """Until the queues are closed: what other servers erased goes from this one's memory, too."""
        while not self._closing.wait(SECONDS_BETWEEN_SWEEPS):
            self.cache.sweep()

    def close_queues(self) -> None:
        """Whoever still waits is told that the service is stopping."""
        self._closing.set()
        for queue in (self.drawing, self.inference):
            if isinstance(queue, Scheduler):
                queue.close()

    @cached_property
    def gate(self) -> Gate:
        keys = read(GlucoseKeys)
        return ApiKeyGate(
            keys_text=lambda: _keys_text(keys, secret_text),
            required=keys.enabled or not self.place.local,
            renewed_keys_text=lambda: _keys_text(keys, renewed_secret_text),
        )

    def warm(self) -> None:
        """Load the model and, where keys are asked for, the keys. Raises what is wrong before a request does."""
        self.model.predict(QUIET_HOURS)
        self.gate.check()

    def health(self) -> HealthResponse:
        condition = Condition(
            models_ready=self.models_ready(),
            memory_mb=self.memory_mb(),
            inference=self.inference.state(),
            drawing=self.drawing.state(),
            cached=self.cache.size,
            trouble_of_stores=self.cache.trouble,
        )
        return health(self.tally, condition)

    def models_ready(self) -> bool:
        """Tried at most every few seconds: whoever balances loads asks often."""
        now = stopwatch()
        if now >= self._model_tried_until:
            self._model_ready, self._model_tried_until = self._try_model(), now + SECONDS_BETWEEN_TRIES
        return self._model_ready

    def _try_model(self) -> bool:
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


def _keys_text(keys: GlucoseKeys, secret: Callable[[str], str]) -> str:
    if keys.secret_arn:
        return secret(keys.secret_arn)
    return Path(keys.file).read_text() if keys.file else ""
