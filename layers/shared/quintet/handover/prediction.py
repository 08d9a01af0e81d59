"""The answer to a UE: which of the cells that it hears should serve it, how sure that is, and why.

What was remembered of the UE goes into it where there is any; a memory that is away is told of, and left alone for some
seconds. Advice that leads away from the serving cell is remembered, so that it is not given again while it is followed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from quintet.handover.a3 import A3
from quintet.handover.choices import Choice, Chooser, Scoring, ranked
from quintet.handover.circumstances import DEFAULT, Windows, completed
from quintet.handover.drift import seen
from quintet.handover.guards import PingPong, Suppression
from quintet.handover.history import EMPTY, Handover, Histories
from quintet.handover.messages import (
    Kind,
    Prediction,
    PredictionRequest,
    PredictionWithQosRequest,
    QosPrediction,
    Ranked,
)
from quintet.handover.qos import NO_OUTCOMES, Outcomes, QosOutcomes, compliance, requirements_of
from quintet.handover.reasons import reasons
from quintet.handover.settings import Guards
from quintet.handover.sights import Look, sight_of
from quintet.handover.telemetry import answered, handed_over
from quintet.kernel.clock import Clock, SystemClock, stopwatch
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from quintet.kernel.telemetry import Change, Recent, Telemetry

T = TypeVar("T")
P = TypeVar("P", bound=Prediction)

REST = timedelta(seconds=5)
"""A memory that did not answer is not asked again for so long."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered in the end: the choice, or the serving cell where a guard held the UE there."""

    look: Look
    choice: Choice
    suppression: Suppression | None = None
    why: str = ""

    @property
    def cell(self) -> str:
        return (self.suppression and self.look.sight.serving) or self.choice.cell

    @property
    def confidence(self) -> float:
        """A guard is sure, as the original's."""
        return 1.0 if self.suppression else self.choice.confidence


@dataclass
class Predictor:
    """`looks` is where telemetry keeps the last ones; `on_trouble` is told when there was no memory to ask."""

    scoring: Scoring
    histories: Histories
    outcomes: QosOutcomes
    telemetry: Telemetry
    looks: Recent
    guards: Guards = field(default_factory=Guards)
    windows: Windows = DEFAULT
    clock: Clock = field(default_factory=SystemClock)
    on_trouble: Callable[[QuintetError], None] = lambda error: None
    _resting: datetime | None = None

    def predict(self, request: PredictionRequest, kind: Kind | None = None) -> Prediction:
        """Raises Unanswerable where nothing is heard, InvalidInput, ModelNotReadyError."""
        began = stopwatch()
        decision = self._decide(request, kind)
        return self._told(Prediction(**_answer(request.ue_id, decision)), decision, began)

    def predict_with_qos(self, request: PredictionWithQosRequest, kind: Kind | None = None) -> QosPrediction:
        """Cells that served this service badly count less; raises as `predict`."""
        began = stopwatch()
        service, wanted = request.service_type, requirements_of(request)
        cells = sorted(request.rf_metrics or {})
        outcomes = self._asked(lambda: self.outcomes.read(service, cells), NO_OUTCOMES)
        decision = self._decide(request, kind, outcomes)
        verdict = compliance(service, wanted, request.observed_qos, decision.confidence, outcomes.service)
        prediction = QosPrediction(
            **_answer(request.ue_id, decision),
            service_type=service,
            service_priority=wanted.priority,
            qos_bias_applied=decision.choice.biased,
            qos_compliance=verdict,
        )
        return self._told(prediction, decision, began)

    def _decide(self, request: PredictionRequest, kind: Kind | None, outcomes: Outcomes = NO_OUTCOMES) -> Decision:
        sight = sight_of(request, self.clock.now().timestamp())
        history = self._asked(lambda: self.histories.remember(request.ue_id, sight), EMPTY)
        look = completed(Look(sight, history), self.windows)
        decision = self._guarded(look, self._chooser.choose(look, kind, outcomes))
        if sight.serving is not None and decision.cell != sight.serving:
            advice = Handover(sight.at, sight.serving, decision.cell, followed=False)
            self._asked(lambda: self.histories.advise(request.ue_id, advice), None)
        return decision

    def _guarded(self, look: Look, choice: Choice) -> Decision:
        """The rule alone is not guarded: it is there to be compared with."""
        alone = choice.model == "a3" and choice.fallback is None
        held = None if alone else self._ping_pong.against(look, choice.cell, choice.confidence)
        return Decision(look, choice, *(held or ()))

    def _told(self, prediction: P, decision: Decision, began: float) -> P:
        kept = seen(self.looks, prediction.ue_id, decision.look)
        self.telemetry.add(*answered(prediction, stopwatch() - began), *_interval(decision.look), kept)
        return prediction

    def _asked(self, question: Callable[[], T], otherwise: T) -> T:
        if self._resting and self.clock.now() < self._resting:
            return otherwise
        try:
            return question()
        except (Unavailable, Misconfigured) as error:
            self._resting = self.clock.now() + REST
            self.on_trouble(error)
            return otherwise

    @cached_property
    def _chooser(self) -> Chooser:
        rule = A3(self.guards.hysteresis_db, self.guards.time_to_trigger_s)
        return Chooser(self.scoring, self.guards.mode, rule, self.guards.confidence, self.guards.least_cells)

    @cached_property
    def _ping_pong(self) -> PingPong:
        wanted = self.guards
        return PingPong(
            wanted.interval_s, wanted.per_minute, wanted.window_s, wanted.confidence_boost, wanted.return_confidence
        )


def _answer(ue: str, decision: Decision) -> dict[str, Any]:
    look, choice, now = decision.look, decision.choice, decision.look.sight.at
    ranking = _ranking(look, choice.shares)
    return {
        "ue_id": ue,
        "predicted_antenna": decision.cell,
        "confidence": decision.confidence,
        "features_used": choice.features,
        "ranking": ranking,
        "reason": _reason(decision, ranking),
        "model_type": choice.model,
        "model_version": choice.version,
        "anti_pingpong_applied": decision.suppression is not None,
        "suppression_reason": decision.suppression,
        "fallback_reason": choice.fallback,
        "original_prediction": choice.cell if decision.suppression else choice.original,
        "handover_count_1min": look.history.count(now),
        "time_since_last_handover": look.history.since_last(now),
    }


def _ranking(look: Look, shares: Sequence[float]) -> tuple[Ranked, ...]:
    candidates, words = look.sight.candidates, reasons(look)
    return tuple(
        Ranked(antenna=candidates[at].cell, confidence=shares[at], reason=words[at]) for at in ranked(look, shares)
    )


def _reason(decision: Decision, ranking: Sequence[Ranked]) -> str:
    if decision.suppression:
        return f"stays with the serving cell: {decision.why}"
    own = next((one.reason for one in ranking if one.antenna == decision.cell), "a fixed label that is not heard")
    return own if decision.choice.fallback is None else f"{own} (A3 rule: {_FALLBACKS[decision.choice.fallback]})"


_FALLBACKS = {
    "too_few_antennas": "too few cells are heard for the model",
    "low_confidence": "the model is not sure enough",
    "model_not_ready": "no model could be loaded",
}


def _interval(look: Look) -> Sequence[Change]:
    """Told once, with the sight in which a handover is first seen."""
    done = look.history.done
    fresh = len(done) > 1 and done[-1].at == look.sight.at
    return tuple(handed_over(done[-1].at - done[-2].at)) if fresh else ()
