"""Telemetry: what a room counts and observes, summed up over all of its processes.

A `Metric` says what is measured; `Count`, `Observe` and `Gauge` are changes of it, and `Keep` puts a text into a short
list of the last things seen. Adapters play `Telemetry`; tests/contract holds them to it.

A metric whose label values come from callers has `most` series: of the values that come later than those, everything
is summed up in one more series whose labels are all `other`.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

MetricKind = Literal["counter", "gauge", "histogram", "average"]
"""An `average` shows the mean of all that was observed, as a gauge."""

OTHER = "other"
LONGEST_LABEL = 100

Labels = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Metric:
    """`labels` are names; `first`: label values that are there before anything has happened; `buckets`: upper bounds.
    Each is declared once: it is known by itself, not by its name.
    """

    name: str
    kind: MetricKind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    most: int = 0
    first: tuple[Labels, ...] = ()


@dataclass(frozen=True)
class Recent:
    """A list of at most `most` texts, forgotten when nothing came for `seconds`."""

    name: str
    most: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Count:
    metric: Metric
    labels: Labels = ()
    by: float = 1


@dataclass(frozen=True, slots=True)
class Observe:
    """For histograms and averages. A number that is none is not counted."""

    metric: Metric
    value: float
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """The latest stands, by the clock of whoever measured."""

    metric: Metric
    value: float
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Keep:
    recent: Recent
    value: str


Change = Count | Observe | Gauge | Keep


@dataclass(frozen=True)
class Series:
    """`value` of a counter, gauge or average. Of a histogram: `counts` of its buckets, the last one for what is above
    them all, not summed up; and the `value` is the sum of what was observed.
    """

    labels: Labels
    value: float
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Family:
    metric: Metric
    series: tuple[Series, ...]


class Telemetry(Protocol):
    def add(self, *changes: Change) -> None:
        """Never raises: what can't be written down now is, with a later call of the same process, once."""

    def read(self) -> list[Family]:
        """All metrics, in the order in which they were declared. Raises Unavailable."""
        ...

    def kept(self, recent: Recent) -> list[str]:
        """The newest first. Raises Unavailable."""
        ...


SUM, NUMBER = "sum", "n"

Parts = Mapping[str, float]
"""The numbers of which a series is made, and by which it grows: `sum` and `n`, and of a histogram `0`, `1`, … instead
of `n`.
"""


def parts_of(change: Count | Observe) -> Parts:
    """
    >>> parts_of(Observe(Metric("seconds", "histogram", "", buckets=(0.1, 1.0)), 0.1))
    {'sum': 0.1, '0': 1}
    """
    if isinstance(change, Count):
        return {SUM: change.by}
    if not math.isfinite(change.value):
        return {}
    if change.metric.kind == "histogram":
        return {SUM: change.value, str(bisect_left(change.metric.buckets, change.value)): 1}
    return {SUM: change.value, NUMBER: 1}


def label_values(change: Count | Observe | Gauge) -> Labels:
    """As they may be stored: as many as the metric has, none too long or with control characters.

    >>> label_values(Count(Metric("calls", "counter", "", labels=("who",)), ("a" * 101,)))
    ('other',)
    """
    labels = change.labels
    if len(labels) != len(change.metric.labels):
        raise ValueError(f"{change.metric.name} has the labels {change.metric.labels}")
    return tuple(label if len(label) <= LONGEST_LABEL and label.isprintable() else OTHER for label in labels)


def overflow(metric: Metric) -> Labels:
    return (OTHER,) * len(metric.labels)


def family_of(metric: Metric, stored: Mapping[Labels, Parts]) -> Family:
    """Those without labels, and those with `first` values, are shown before anything has happened; gauges are not."""
    from_the_first = metric.first if metric.labels else ((),)
    known = from_the_first if metric.kind in ("counter", "histogram") else ()
    series = [*known, *sorted(set(stored).difference(known))]
    return Family(metric, tuple(_series(metric, labels, stored.get(labels, {})) for labels in series))


def families_of(metrics: Sequence[Metric], stored: Mapping[str, Mapping[Labels, Parts]]) -> list[Family]:
    return [family_of(metric, stored.get(metric.name, {})) for metric in metrics]


def _series(metric: Metric, labels: Labels, parts: Parts) -> Series:
    total = parts.get(SUM, 0.0)
    if metric.kind == "average":
        return Series(labels, total / max(1.0, parts.get(NUMBER, 0.0)))
    if metric.kind == "histogram":
        return Series(labels, total, tuple(int(parts.get(str(at), 0)) for at in range(len(metric.buckets) + 1)))
    return Series(labels, total)
