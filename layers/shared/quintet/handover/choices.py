"""Which cell a look is answered with: by the model, by the A3 rule, or by the model where it is sure (hybrid).

The model gives each heard cell a share, and the cell with the largest one is chosen: none but those in the look can be.
Of equal shares the serving cell goes first (no handover without a reason), then the stronger, then the first by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from quintet.handover.a3 import A3
from quintet.handover.errors import ModelNotReadyError
from quintet.handover.messages import Kind
from quintet.handover.qos import NO_OUTCOMES, Outcomes, biased
from quintet.handover.selectors import LabelSelector
from quintet.handover.serving import Scored
from quintet.handover.sights import Candidate, Look

Mode = Literal["ml", "a3", "hybrid"]
Fallback = Literal["too_few_antennas", "low_confidence", "model_not_ready"]

RULE = A3()
A3_FEATURES = ("rsrp_over_serving", "seconds_above_serving")


class Scoring(Protocol):
    """Serving, as seen from here."""

    def scores(self, looks: Sequence[Look], kind: Kind | None = None) -> Scored: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """shares: (C,), by candidate; `cell` is a candidate's, but for a fixed label; original: what the model chose where
    the rule went before it.
    """

    cell: str
    confidence: float
    shares: tuple[float, ...]
    model: Kind | Literal["a3"]
    version: str
    features: tuple[str, ...]
    fallback: Fallback | None = None
    original: str | None = None
    biased: bool = False


@dataclass(frozen=True)
class Chooser:
    """confidence, least_cells: in hybrid mode the model is not followed below them."""

    scoring: Scoring
    mode: Mode = "ml"
    rule: A3 = RULE
    confidence: float = 0.5
    least_cells: int = 3

    def choose(self, look: Look, kind: Kind | None = None, outcomes: Outcomes = NO_OUTCOMES) -> Choice:
        """A kind that is asked for by name answers in any mode. Raises ModelNotReadyError but in the other modes."""
        if kind is not None or self.mode == "ml":
            return self._by_model(look, kind, outcomes)
        return self._by_rule(look) if self.mode == "a3" else self._by_both(look, outcomes)

    def _by_both(self, look: Look, outcomes: Outcomes) -> Choice:
        if len(look.sight.candidates) < self.least_cells:
            return self._by_rule(look, "too_few_antennas")
        try:
            choice = self._by_model(look, None, outcomes)
        except ModelNotReadyError:
            return self._by_rule(look, "model_not_ready")
        if choice.confidence < self.confidence:
            return self._by_rule(look, "low_confidence", choice.cell)
        return choice

    def _by_rule(self, look: Look, fallback: Fallback | None = None, original: str | None = None) -> Choice:
        shares, cell = tuple(self.rule.shares(look)), self.rule.target(look)
        share = shares[look.sight.candidates.index(cell)]
        return Choice(cell.cell, share, shares, "a3", "a3", A3_FEATURES, fallback, original)

    def _by_model(self, look: Look, kind: Kind | None, outcomes: Outcomes) -> Choice:
        selector, scores = self.scoring.scores([look], kind)
        cells = [candidate.cell for candidate in look.sight.candidates]
        shares, bias = biased([float(share) for share in scores[0]], cells, outcomes)
        best = ranked(look, shares)[0]
        cell, confidence = cells[best], shares[best]
        if isinstance(selector, LabelSelector):
            cell, confidence, _ = selector.labels([look])[0]
        features = selector.features
        return Choice(cell, confidence, tuple(shares), selector.kind, selector.version, features, biased=bias)


def ranked(look: Look, shares: Sequence[float]) -> list[int]:
    """The places of all candidates, the best first."""
    candidates, serving = look.sight.candidates, look.sight.serving

    def order(place: int) -> tuple[float, bool, float, float, str]:
        cell: Candidate = candidates[place]
        return -shares[place], cell.cell != serving, -cell.rsrp, -cell.sinr, cell.cell

    return sorted(range(len(candidates)), key=order)
