"""Quality of service: what a service asks for, whether it gets it, and what becomes of a model's confidence for it.

The presets, the required confidence and the shape of `qos_compliance` are the original's. What it learnt from feedback
is kept by service and by cell, as the outcomes of the last handovers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from quintet.handover.messages import PredictionWithQosRequest, QosObservation, ServiceType


class Requirements(NamedTuple):
    """priority 1–10; latency and jitter in ms at most, throughput in Mbit/s and reliability in % at least; 0: any."""

    priority: int
    latency_ms: float
    throughput_mbps: float
    reliability_pct: float
    jitter_ms: float

    @property
    def most_loss(self) -> float:
        """Packets that may be lost, %."""
        return max(0.0, 100.0 - self.reliability_pct) if self.reliability_pct > 0 else 100.0


PRESETS: Final[Mapping[ServiceType, Requirements]] = {
    "urllc": Requirements(10, 5, 1, 99.99, 1),
    "embb": Requirements(7, 50, 100, 99, 15),
    "mmtc": Requirements(3, 1000, 0.1, 95, 100),
    "default": Requirements(5, 100, 5, 98, 20),
}

MOST_BOOST, MOST_RELAX = 0.2, 0.1
GOOD = 0.9
"""Share of handovers that go well, from which on confidence is relaxed, and below which it is boosted."""
LEAST_OUTCOMES = 5
LEAST_MULTIPLIER = 0.35
MOST_ASKED = 1e12
"""No requirement is beyond it; one that is asks for nothing."""


class Rate(NamedTuple):
    """So many of the last handovers went well."""

    successes: int = 0
    total: int = 0


class Outcomes(NamedTuple):
    """service: of all its handovers; cells: of those to each cell that was asked about."""

    service: Rate = Rate()
    cells: Mapping[str, Rate] = {}


NO_OUTCOMES = Outcomes()


class QosOutcomes(Protocol):
    """Raises Unavailable."""

    def add(self, service: ServiceType, cell: str, success: bool) -> None: ...
    def read(self, service: ServiceType, cells: Sequence[str]) -> Outcomes: ...


def requirements_of(request: PredictionWithQosRequest) -> Requirements:
    """The preset of its service, and in its place what the request asks for by the names of Requirements, by those of
    the original (`latency_requirement_ms` …), or among its edge service's requirements.
    """
    preset = PRESETS[request.service_type]
    asked = {**(request.edge_service_requirements or {}), **(request.qos_requirements or {})}
    own = {_FIELDS[name]: float(value) for name, value in asked.items() if name in _FIELDS and _number(value)}
    sent = "service_priority" in request.model_fields_set
    return preset._replace(**own, priority=request.service_priority if sent else preset.priority)


_FIELDS = {
    **{name: name for name in Requirements._fields if name != "priority"},
    "latency_requirement_ms": "latency_ms",
    "throughput_requirement_mbps": "throughput_mbps",
    "reliability_requirement_pct": "reliability_pct",
    "jitter_requirement_ms": "jitter_ms",
}


def base_confidence(priority: int) -> float:
    """
    >>> base_confidence(1), base_confidence(10)
    (0.5, 0.95)
    """
    return round(0.5 + (priority - 1) * 0.05, 6)


def required_confidence(priority: int, successes: int = 0, total: int = 0) -> float:
    """What a service of this priority asks of a model whose last handovers for it went so.

    >>> required_confidence(5, successes=50, total=50), required_confidence(5, successes=0, total=50)
    (0.6, 0.9)
    """
    base = base_confidence(priority)
    if total < LEAST_OUTCOMES:
        return base
    rate = successes / total
    if rate < GOOD:
        return round(min(1.0, base + MOST_BOOST * (GOOD - rate) / GOOD), 6)
    return round(base - MOST_RELAX * (rate - GOOD) / (1 - GOOD), 6)


def biased(shares: Sequence[float], cells: Sequence[str], outcomes: Outcomes) -> tuple[list[float], bool]:
    """The shares, less those of cells where handovers of this service failed, and whether any did."""
    multipliers = [_multiplier(outcomes.cells.get(cell, Rate())) for cell in cells]
    weighed = [share * multiplier for share, multiplier in zip(shares, multipliers, strict=True)]
    if min(multipliers) >= 1.0 or sum(weighed) <= 0:
        return list(shares), False
    return [share / sum(weighed) for share in weighed], True


def compliance(
    service: ServiceType, wanted: Requirements, observed: QosObservation | None, confidence: float, rate: Rate
) -> dict[str, Any]:
    """Whether the service gets what it asks for, in the original's form; what was not observed violates nothing."""
    metrics = _metrics(wanted, observed or QosObservation())
    violations = [_violation(name, metric) for name, metric in metrics.items() if not metric["passed"]]
    required = required_confidence(wanted.priority, *rate)
    sure = confidence >= required
    return {
        "service_priority_ok": sure and not violations,
        "confidence_ok": sure,
        "required_confidence": required,
        "base_required_confidence": base_confidence(wanted.priority),
        "observed_confidence": confidence,
        "details": {
            "service_type": service,
            "service_priority": wanted.priority,
            "latency_requirement_ms": wanted.latency_ms,
            "throughput_requirement_mbps": wanted.throughput_mbps,
            "jitter_ms": wanted.jitter_ms,
            "reliability_pct": wanted.reliability_pct,
        },
        "metrics": metrics,
        "violations": violations,
    }


def _metrics(wanted: Requirements, observed: QosObservation) -> dict[str, dict[str, Any]]:
    loss = _at_most(observed.packet_loss_rate, wanted.most_loss)
    return {
        "latency": _at_most(observed.latency_ms, wanted.latency_ms or None),
        "throughput": _at_least(observed.throughput_mbps, wanted.throughput_mbps),
        "jitter": _at_most(observed.jitter_ms, wanted.jitter_ms or None),
        "reliability": {**loss, "required_loss_max": wanted.most_loss, "observed_loss": observed.packet_loss_rate},
    }


def _at_most(observed: float | None, limit: float | None) -> dict[str, Any]:
    delta = None if observed is None or limit is None else observed - limit
    return {"passed": delta is None or delta <= 0, "required": limit, "observed": observed, "delta": delta}


def _at_least(observed: float | None, limit: float) -> dict[str, Any]:
    delta = None if observed is None else observed - limit
    return {"passed": delta is None or delta >= 0, "required": limit, "observed": observed, "delta": delta}


def _violation(name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": name, **{key: metric[key] for key in ("required", "observed", "delta")}}


def _multiplier(rate: Rate) -> float:
    if rate.total < LEAST_OUTCOMES:
        return 1.0
    return max(LEAST_MULTIPLIER, min(1.0, rate.successes / rate.total / GOOD))


def _number(value: object) -> bool:
    """Whether it is one that can be reckoned with: JSON knows whole numbers that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_ASKED
