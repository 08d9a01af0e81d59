"""How one server of the room is doing."""

import threading
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.messages import HealthResponse
from quintet.glucose.ports import Forecaster, QueueState

REMEMBERED_REQUESTS = 1024
LOAD_WORDS = ((0.01, "idle"), (0.25, "lightly loaded"), (0.5, "loaded"), (0.75, "heavily loaded"), (0.99, "overloaded"))


@dataclass
class Tally:
    """What this server has done. Times, in milliseconds, are of the last requests only, so that it never grows."""

    requests: int = 0
    errors: int = 0
    inferences: int = 0
    inference_errors: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count_request(self, status: int, milliseconds: float) -> None:
        with self.lock:
            self.requests += 1
            self.errors += status >= 400
            self.times.append(milliseconds)

    def count_inference(self, *, failed: bool) -> None:
        with self.lock:
            self.inferences += 1
            self.inference_errors += failed

    def recent_times(self) -> list[float]:
        with self.lock:
            return list(self.times)


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
        failed = True
        try:
            quantiles = self.forecaster.predict(readings)
            failed = False
        finally:
            self.tally.count_inference(failed=failed)
        return quantiles


@dataclass(frozen=True)
class Condition:
    """What health looks at besides the tally."""

    models_ready: bool
    memory_mb: float
    inference: QueueState
    drawing: QueueState
    cached: int
    trouble_of_stores: str


def load_word(utilisation: float) -> str:
    """
    >>> load_word(0.0), load_word(0.25), load_word(0.98), load_word(0.99)
    ('idle', 'loaded', 'overloaded', 'full')
    """
    return next((word for limit, word in LOAD_WORDS if utilisation < limit), "full")


def health(tally: Tally, condition: Condition) -> HealthResponse:
    times = tally.recent_times() or [0.0]
    inference, drawing = condition.inference, condition.drawing
    free = inference.workers - inference.busy if condition.models_ready else 0
    return HealthResponse(
        status="ok" if condition.models_ready and not condition.trouble_of_stores else "degraded",
        load_status=load_word(max(inference.utilisation, drawing.utilisation)),
        cache_size=condition.cached,
        models_initialized=condition.models_ready,
        available_priority_models=min(free, inference.reserved),
        available_general_models=max(free - inference.reserved, 0),
        avg_fulfillment_time_ms=inference.mean_fulfilment_ms,
        vmem_usage_mb=condition.memory_mb,
        device="cpu",
        total_http_requests=tally.requests,
        total_http_errors=tally.errors,
        avg_request_time_ms=fmean(times),
        median_request_time_ms=median(times),
        min_request_time_ms=min(times),
        max_request_time_ms=max(times),
        inference_requests_by_priority=dict(inference.runs_by_priority),
        total_inference_errors=tally.inference_errors,
        total_calc_runs=drawing.runs,
        total_calc_errors=drawing.errors,
        inference_queue_size=inference.size,
        inference_queue_capacity=inference.capacity,
        calc_queue_size=drawing.size,
        calc_queue_capacity=drawing.capacity,
        notes=list(_notes(condition)),
    )


def _notes(condition: Condition) -> list[str]:
    dropped = condition.inference.dropped + condition.drawing.dropped
    said = {
        "There is no usable model: nothing can be forecast.": not condition.models_ready,
        f"Answers are right, and slower: {condition.trouble_of_stores}.": condition.trouble_of_stores != "",
        f"Background computations dropped since the start, for want of room: {dropped}.": dropped > 0,
    }
    return [sentence for sentence, holds in said.items() if holds]
