"""How one server of the room is doing."""

from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.messages import HealthResponse
from quintet.glucose.ports import Forecaster
from quintet.kernel.errors import QuintetError

REMEMBERED_REQUESTS = 1024


@dataclass
class Tally:
    """What this server has done. Times, in milliseconds, are of the last requests only, so that it never grows."""

    requests: int = 0
    errors: int = 0
    inferences: int = 0
    inference_errors: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS))

    def count_request(self, status: int, milliseconds: float) -> None:
        self.requests += 1
        self.errors += status >= 400
        self.times.append(milliseconds)


@dataclass(frozen=True)
class CountedForecaster:
    """A forecaster whose work is told by health."""

    forecaster: Forecaster
    tally: Tally

    @property
    def version(self) -> str:
        return self.forecaster.version

    @property
    def quantiles(self) -> tuple[float, ...]:
        return self.forecaster.quantiles

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        self.tally.inferences += 1
        try:
            return self.forecaster.predict(readings)
        except QuintetError:
            self.tally.inference_errors += 1
            raise


def health(tally: Tally, *, models_ready: bool, memory_mb: float) -> HealthResponse:
    """One request at a time and no queue: a server that answers is idle, and its one model is free for anybody."""
    times = list(tally.times) or [0.0]
    return HealthResponse(
        status="ok" if models_ready else "degraded",
        load_status="idle",
        cache_size=0,
        models_initialized=models_ready,
        available_priority_models=int(models_ready),
        available_general_models=int(models_ready),
        avg_fulfillment_time_ms=0.0,
        vmem_usage_mb=memory_mb,
        device="cpu",
        total_http_requests=tally.requests,
        total_http_errors=tally.errors,
        avg_request_time_ms=fmean(times),
        median_request_time_ms=median(times),
        min_request_time_ms=min(times),
        max_request_time_ms=max(times),
        inference_requests_by_priority={0: tally.inferences},
        total_inference_errors=tally.inference_errors,
        total_calc_runs=tally.inferences,
        total_calc_errors=tally.inference_errors,
        inference_queue_size=0,
        inference_queue_capacity=0,
        calc_queue_size=0,
        calc_queue_capacity=0,
    )
