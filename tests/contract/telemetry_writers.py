"""A process that predicts: what Lambda environments do to the shared sums, in processes of their own."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_telemetry import RedisTelemetry
from quintet.kernel.telemetry import Count, Keep, Metric, Observe, Recent

REQUESTS = Metric("requests_total", "counter", "", ("status",), first=(("success",), ("error",)))
SECONDS = Metric("seconds", "histogram", "", buckets=(0.1, 1.0))
CELLS = Metric("cells_total", "counter", "", ("cell",), most=5)
SURENESS = Metric("sureness", "average", "", ("cell",), most=5)
SCORE = Metric("score", "gauge", "")
METRICS = (REQUESTS, SECONDS, CELLS, SURENESS, SCORE)
LAST = Recent("last", most=7, seconds=60)
PREFIX = "contract:1"


def telemetry_of(url: str, **more: object) -> RedisTelemetry:
    return RedisTelemetry(RedisConnection(url), METRICS, prefix=PREFIX, **more)  # type: ignore[arg-type]


def write(url: str, number: int, times: int) -> None:
    """One environment, `number`: it answers so many times."""
    telemetry = telemetry_of(url)
    for time in range(times):
        telemetry.add(
            Count(REQUESTS, ("success",)),
            Observe(SECONDS, 0.05 if time % 2 else 0.5),
            Count(CELLS, (f"cell_{(number + time) % 10}",)),
            Observe(SURENESS, 0.25, ("cell",)),
            Keep(LAST, f"{number}:{time}"),
        )


def processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
