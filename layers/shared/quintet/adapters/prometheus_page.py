"""Telemetry as the text that Prometheus reads."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as ClientFamily
from prometheus_client.registry import Collector

from quintet.kernel.telemetry import Family, Series

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Families(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[ClientFamily]:
        return map(_family, self._families)


def page(families: Iterable[Family]) -> bytes:
    """UTF-8, of the type CONTENT_TYPE."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)


def _family(family: Family) -> ClientFamily:
    metric = family.metric
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for series in family.series:
            histogram.add_metric(series.labels, _buckets(metric.buckets, series), series.value)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    numbers = kind(metric.name, metric.help, labels=metric.labels)
    for series in family.series:
        numbers.add_metric(series.labels, series.value)
    return numbers


def _buckets(bounds: tuple[float, ...], series: Series) -> list[tuple[str, float]]:
    names = [*map(str, bounds), "+Inf"]
    return list(zip(names, accumulate(series.counts), strict=True))
