"""Feedback: how what was advised turned out. It is kept, watched for a drift, and learned from.

A drift asks for one retraining: in the step that counts the feedback, the outcomes begin anew and a rest begins, so
that neither the same outcomes nor another request's ask again. The wish stands in the state until it is queued; where
that fails, the watch makes up for it. Predictions wait for none of this. UEs are kept by the fingerprints of their ids.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from quintet.handover.feedback_rows import FeedbackRows, Packed, Reason, State, Wanted
from quintet.handover.holding_back import is_held_back, parted
from quintet.handover.messages import FeedbackSample, QosFeedback
from quintet.handover.performance import MOST_OUTCOMES, Detector, Rule, drifted, rate
from quintet.handover.qos import QosOutcomes, Rate, required_confidence
from quintet.handover.sights import sight_of
from quintet.handover.telemetry import (
    DRIFTS,
    FEEDBACK,
    FEEDBACK_RATE,
    ONLINE_UPDATES,
    QOS_FEEDBACK,
    REQUIRED_CONFIDENCE,
    RETRAININGS,
)
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, Misconfigured, Overloaded, QuintetError, Unavailable
from quintet.kernel.ids import fingerprint, new_id
from quintet.kernel.telemetry import Count, Gauge, Telemetry

ATTEMPTS = 100
"""Many may report at one time; each finds the state of the one before."""


class Retrainings(Protocol):
    def __call__(self, *, once: str, reason: Reason) -> bool:
        """Queue a retraining, one however often it is asked for under the name `once`; False where another is waiting
        or running. Raises Unavailable.
        """
        ...


class FeedbackAnswer(BaseModel):
    """`retrained`: this feedback showed a drift, and a retraining is queued."""

    model_config = ConfigDict(frozen=True)

    status: Literal["received"] = "received"
    samples: int
    retrained: bool


class QosFeedbackAnswer(BaseModel):
    """How sure a prediction for this service must be from now on."""

    model_config = ConfigDict(frozen=True)

    status: Literal["accepted"] = "accepted"
    adaptive_required_confidence: float


@dataclass(frozen=True)
class Manner:
    """rest_seconds: no drift asks for a retraining so soon after another; least: samples that one needs."""

    rule: Rule = field(default_factory=Rule)
    rest_seconds: float = 300.0
    held_back: float = 0.2
    least: int = 50


@dataclass(frozen=True)
class Feedback:
    """`active` is the version that is advised by now; `learn` is told of samples that are not held back, and says
    of how many it made use; `outcomes` are those of handovers that were made for a service.
    """

    kept: FeedbackRows
    detector: Detector
    retrain: Retrainings
    active: Callable[[], str]
    learn: Callable[[Sequence[FeedbackSample]], int]
    outcomes: QosOutcomes
    telemetry: Telemetry
    clock: Clock
    manner: Manner = field(default_factory=Manner)

    def take(self, samples: Sequence[FeedbackSample]) -> FeedbackAnswer:
        """Returns once all is durable. Raises Unavailable, and Overloaded where too many report at once."""
        if not samples:
            return FeedbackAnswer(samples=0, retrained=False)
        usable = [_pseudonymous(sample) for sample in samples if _usable(sample)]
        before, after = self._counted(samples, self.kept.packed(usable))
        self._tell(samples, before, after)
        self._learn(usable)
        fresh = after.wanted is not None and after.wanted != before.wanted
        return FeedbackAnswer(samples=len(samples), retrained=fresh and self._queue_quietly(after))

    def qos(self, told: QosFeedback) -> QosFeedbackAnswer:
        """What a service got after a handover. Kept where that can be; where not, only the count of it is lost."""
        rate = Rate()
        with suppress(Unavailable, Misconfigured):
            self.outcomes.add(told.service_type, told.antenna_id, told.success)
            rate = self.outcomes.read(told.service_type, ()).service
        required = required_confidence(told.service_priority, *rate)
        outcome = "success" if told.success else "failure"
        service = (told.service_type,)
        self.telemetry.add(Count(QOS_FEEDBACK, (*service, outcome)), Gauge(REQUIRED_CONFIDENCE, required, service))
        return QosFeedbackAnswer(adaptive_required_confidence=required)

    def want(self, reason: Reason) -> bool:
        """Ask for a retraining on what is in the buffer; whether one was queued: not in the rest after another, and
        not where there are too few samples. Raises Unavailable.
        """
        before = self.kept.state()
        if self._rests(before) or before.taken < self.manner.least:
            return False
        try:
            after = self.kept.change(before, self._wanting(before, reason))
        except Conflict:
            return False  # feedback came meanwhile; the next look finds what it found
        return self.queue(after)

    def queue(self, state: State | None = None) -> bool:
        """Queue the retraining that is wanted, if one is; whether it was. Raises Unavailable."""
        wanted = (state or self.kept.state()).wanted
        if wanted is None:
            return False
        queued = self.retrain(once=wanted.name, reason=wanted.reason)
        if queued:
            self.telemetry.add(Count(RETRAININGS, (wanted.reason,)))
        self._forget(wanted)
        return queued

    def examples(self) -> tuple[list[FeedbackSample], list[FeedbackSample]]:
        """(to learn from, held back to judge by), each oldest first. Raises Unavailable."""
        return parted(self.kept.samples(), self.manner.held_back)

    def _counted(self, samples: Sequence[FeedbackSample], packed: Packed) -> tuple[State, State]:
        """The state before and after."""
        outcomes = "".join("1" if sample.success else "0" for sample in samples)
        version = self.active()
        for _ in range(ATTEMPTS):
            before = self.kept.state()
            with suppress(Conflict):
                return before, self.kept.change(before, self._judged(before, outcomes, version, packed.count), packed)
        raise Overloaded("too much feedback comes at one time: send it again, in fewer and larger lists")

    def _judged(self, before: State, outcomes: str, version: str, count: int) -> State:
        known = before.outcomes if before.version == version else ""
        said = (known + outcomes)[-MOST_OUTCOMES:]
        after = replace(before, taken=before.taken + count, outcomes=said, version=version)
        if self._rests(before) or not drifted(said, self.manner.rule, self.detector):
            return after
        return self._wanting(after, "performance")

    def _wanting(self, state: State, reason: Reason) -> State:
        until = self.clock.now().timestamp() + self.manner.rest_seconds
        return replace(state, outcomes="", rests_until=until, wanted=Wanted(new_id(), reason))

    def _rests(self, state: State) -> bool:
        return state.wanted is not None or self.clock.now().timestamp() < state.rests_until

    def _forget(self, wanted: Wanted) -> None:
        """Where it stays after all, it is asked for again under its name."""
        for _ in range(ATTEMPTS):
            state = self.kept.state()
            with suppress(Conflict):
                if state.wanted == wanted:
                    self.kept.change(state, replace(state, wanted=None))
                return

    def _queue_quietly(self, state: State) -> bool:
        try:
            return self.queue(state)
        except QuintetError:
            return False  # the samples are kept, and the watch queues it

    def _tell(self, samples: Sequence[FeedbackSample], before: State, after: State) -> None:
        good = sum(sample.success for sample in samples)
        changes: list[Count | Gauge] = [
            Count(FEEDBACK, (outcome,), count)
            for outcome, count in (("success", good), ("failure", len(samples) - good))
            if count
        ]
        share = rate(after.outcomes, self.manner.rule.window)
        if share is not None:
            changes.append(Gauge(FEEDBACK_RATE, share))
        if after.wanted is not None and after.wanted != before.wanted:
            changes.append(Count(DRIFTS, ("performance",)))
        self.telemetry.add(*changes)

    def _learn(self, samples: Sequence[FeedbackSample]) -> None:
        """Where the online model can't learn now the loss is its own: the samples are kept."""
        to_learn = [sample for sample in samples if not is_held_back(sample, self.manner.held_back)]
        try:
            learned = self.learn(to_learn)
        except QuintetError:
            self.telemetry.add(Count(ONLINE_UPDATES, ("failed",), len(to_learn)))
        else:
            if learned:
                self.telemetry.add(Count(ONLINE_UPDATES, ("learned",), learned))


def _pseudonymous(sample: FeedbackSample) -> FeedbackSample:
    return sample if sample.ue_id is None else sample.model_copy(update={"ue_id": fingerprint(sample.ue_id)})


def _usable(sample: FeedbackSample) -> bool:
    """Whether a model can learn from it: it names one of the cells that it measures. Its outcome counts anyhow."""
    try:
        candidates = sight_of(sample, 0.0).candidates
    except InvalidInput:
        return False
    return any(candidate.cell == sample.optimal_antenna for candidate in candidates)
