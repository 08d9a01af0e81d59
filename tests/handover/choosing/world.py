"""A room in which one predicts: a model whose scores one can work out by hand, memory, and a clock that is stepped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.memory_trails import MemoryTrails
from quintet.handover.drift import looks
from quintet.handover.errors import ModelNotReadyError
from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.kept_histories import KeptHistories, keeping
from quintet.handover.kept_outcomes import KEEPING, KeptOutcomes
from quintet.handover.messages import Kind, Prediction, PredictionRequest, PredictionWithQosRequest, QosPrediction
from quintet.handover.prediction import Predictor
from quintet.handover.selectors import shares
from quintet.handover.serving import Scored
from quintet.handover.settings import Guards
from quintet.handover.sights import Candidate, Look, Sight
from quintet.handover.telemetry import METRICS
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import QuintetError

START = 1_767_225_600.0
"""Where a SteppedClock begins."""

Cells = Mapping[str, float | Mapping[str, float]]


@dataclass(frozen=True)
class Linear:
    """Scores a pair by the sum of the named features, weighted."""

    weights: Mapping[str, float]
    kind: Kind = "lightgbm"
    version: str = "1.0.7"
    features: tuple[str, ...] = PAIR_FEATURES

    def scores(self, looks: Sequence[Look]) -> list[NDArray[np.float64]]:
        column = np.array([self.weights.get(name, 0.0) for name in PAIR_FEATURES])
        return [shares((pair_features(look) @ column).astype(np.float32)) for look in looks]


@dataclass
class Model:
    """Plays Serving with one selector; none is a model that is not ready."""

    selector: Any = None

    def scores(self, looks: Sequence[Look], kind: Kind | None = None) -> Scored:
        if self.selector is None:
            raise ModelNotReadyError("no model could be loaded")
        return Scored(self.selector, self.selector.scores(looks))


@dataclass
class World:
    weights: Mapping[str, float] = field(default_factory=lambda: {"rsrp_over_serving": 1.0})
    guards: Guards = field(default_factory=Guards)
    clock: SteppedClock = field(default_factory=SteppedClock)
    troubles: list[QuintetError] = field(default_factory=list)

    @cached_property
    def model(self) -> Model:
        return Model(Linear(self.weights))

    @cached_property
    def ues(self) -> MemoryTrails:
        return MemoryTrails(keeping(10_000, 24), self.clock)

    @cached_property
    def outcomes(self) -> KeptOutcomes:
        return KeptOutcomes(MemoryTrails(KEEPING, self.clock))

    @cached_property
    def telemetry(self) -> MemoryTelemetry:
        return MemoryTelemetry(METRICS, self.clock)

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(
            self.model,
            KeptHistories(self.ues),
            self.outcomes,
            self.telemetry,
            looks(100),
            self.guards,
            clock=self.clock,
            on_trouble=self.troubles.append,
        )

    def ask(self, serving: str | None, cells: Cells, ue: str = "ue-1", **more: Any) -> Prediction:
        return self.predictor.predict(request(serving, cells, ue, **more))

    def ask_for_service(self, serving: str | None, cells: Cells, **more: Any) -> QosPrediction:
        asked = PredictionWithQosRequest.model_validate(body(serving, cells, "ue-1") | more)
        return self.predictor.predict_with_qos(asked)

    def total(self, metric: str) -> float:
        families = {family.metric.name: family for family in self.telemetry.read()}
        return sum(series.value for series in families[metric].series)


def request(serving: str | None, cells: Cells, ue: str = "ue-1", **more: Any) -> PredictionRequest:
    return PredictionRequest.model_validate(body(serving, cells, ue) | more)


def body(serving: str | None, cells: Cells, ue: str) -> dict[str, Any]:
    """A number is an RSRP."""
    measured = {
        name: {"rsrp": radio} if isinstance(radio, float | int) else dict(radio) for name, radio in cells.items()
    }
    said = {"ue_id": ue, "rf_metrics": measured}
    return said if serving is None else said | {"connected_to": serving}


def sight(at: float, serving: str | None, cells: Mapping[str, float], **more: Any) -> Sight:
    """Of RSRPs; at (x, y) of `place` where that is said."""
    x, y = more.pop("place", (None, None))
    candidates = tuple(Candidate(name, rsrp) for name, rsrp in sorted(cells.items()))
    return Sight(at, x, y, serving, candidates, **more)
