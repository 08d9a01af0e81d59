"""Telemetry of one process alone, and what a process has to say while nobody listens."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.telemetry import (
    SUM,
    Change,
    Family,
    Gauge,
    Keep,
    Labels,
    Metric,
    Recent,
    families_of,
    label_values,
    overflow,
    parts_of,
)


@dataclass
class Tally:
    """Changes, summed up: as large as there are series, however many changes there were."""

    sums: dict[tuple[Metric, Labels], dict[str, float]] = field(default_factory=dict)
    gauges: dict[tuple[Metric, Labels], tuple[float, float]] = field(default_factory=dict)
    """(value, when it was measured, in seconds of 1970)"""

    kept: dict[Recent, deque[str]] = field(default_factory=dict)
    """The oldest first."""

    def __bool__(self) -> bool:
        return bool(self.sums or self.gauges or self.kept)

    def add(self, change: Change, at: float) -> None:
        if isinstance(change, Keep):
            self.kept.setdefault(change.recent, deque(maxlen=change.recent.most)).append(change.value)
        elif isinstance(change, Gauge):
            self.gauges[self._place(change.metric, label_values(change), self.gauges)] = (change.value, at)
        else:
            place = self._place(change.metric, label_values(change), self.sums)
            parts = self.sums.setdefault(place, {})
            for name, amount in parts_of(change).items():
                parts[name] = parts.get(name, 0) + amount

    @staticmethod
    def _place(
        metric: Metric, labels: Labels, standing: Mapping[tuple[Metric, Labels], object]
    ) -> tuple[Metric, Labels]:
        if not metric.most or (metric, labels) in standing:
            return metric, labels
        others = sum(one is metric and its != overflow(metric) for one, its in standing)
        return (metric, labels) if others < metric.most else (metric, overflow(metric))


class MemoryTelemetry:
    def __init__(self, metrics: Sequence[Metric], clock: Clock | None = None) -> None:
        self._metrics = tuple(metrics)
        self._clock = clock or SystemClock()
        self._tally = Tally()
        self._heard: dict[Recent, float] = {}
        self._lock = Lock()

    def add(self, *changes: Change) -> None:
        at = self._clock.now().timestamp()
        with self._lock:
            for change in changes:
                if isinstance(change, Keep):
                    self._forget(change.recent, at)
                    self._heard[change.recent] = at
                self._tally.add(change, at)

    def read(self) -> list[Family]:
        stored: dict[str, dict[Labels, dict[str, float]]] = {}
        with self._lock:
            for (metric, labels), parts in self._tally.sums.items():
                stored.setdefault(metric.name, {})[labels] = dict(parts)
            for (metric, labels), (value, _) in self._tally.gauges.items():
                stored.setdefault(metric.name, {})[labels] = {SUM: value}
        return families_of(self._metrics, stored)

    def kept(self, recent: Recent) -> list[str]:
        with self._lock:
            self._forget(recent, self._clock.now().timestamp())
            return list(reversed(self._tally.kept.get(recent, ())))

    def _forget(self, recent: Recent, now: float) -> None:
        if now >= self._heard.get(recent, now) + recent.seconds:
            self._tally.kept.pop(recent, None)
