"""The verdict: may this model be relied on as it stands? Three questions, each answered with its reasons.

*valid* asks whether the prediction sets cover as often as promised: coverage ≥ 1 - alpha. *safe* asks whether the
upper bound of the uncertainty stays within what alpha allows: U ≤ alpha. *useful* asks whether the predictions help:
accuracy ≥ 0.60, and no set so large that it says nothing. Only a complete session of which all three are true is
satisfactory; what can't be judged is said to be so, and is no yes.

U is 1 - p(1 - alpha), p being the mean of 1/|set| over the samples that are covered, so that it is never below alpha
and equals it only where every set that covers holds one class: *safe* is the strictest question. Rounding apart, that
is: hence a tolerance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LEAST_ACCURACY = 0.60
TOLERANCE = 1e-9
"""Of a comparison: 1 - 1·(1 - 0.3) is more than 0.3 by one bit."""

Criterion = Literal["complete", "valid", "safe", "useful"]
Code = Literal[
    "ALL_JOINED",
    "NOT_COMPLETE",
    "COVERAGE_KEPT",
    "COVERAGE_SHORT",
    "COVERAGE_UNKNOWN",
    "UNCERTAINTY_WITHIN",
    "UNCERTAINTY_BEYOND",
    "UNCERTAINTY_UNKNOWN",
    "ACCURACY_ENOUGH",
    "ACCURACY_LOW",
    "ACCURACY_UNKNOWN",
    "SETS_TELLING",
    "SETS_TRIVIAL",
    "SETS_UNKNOWN",
]


@dataclass(frozen=True)
class Evidence:
    """What a session has shown; None for what it has not. `classes` is 0 where nothing came."""

    complete: bool
    classes: int = 0
    accuracy: float | None = None
    alpha: float | None = None
    uncertainty: float | None = None
    coverage: float | None = None
    max_set_size: int | None = None


@dataclass(frozen=True)
class Reason:
    """Why, as a code, with the figures it rests on. `met` is None where it can't be judged."""

    code: Code
    met: bool | None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One question, and its reasons."""

    criterion: Criterion
    reasons: tuple[Reason, ...]

    @property
    def met(self) -> bool | None:
        """False where one reason speaks against it, else None where one can't be judged."""
        answers = [reason.met for reason in self.reasons]
        if False in answers:
            return False
        return None if None in answers else True


@dataclass(frozen=True)
class Verdict:
    checks: tuple[Check, ...]

    @property
    def satisfactory(self) -> bool:
        return all(check.met for check in self.checks)


def judge(evidence: Evidence) -> Verdict:
    """
    >>> shown = Evidence(True, classes=10, accuracy=0.97, alpha=0.02, uncertainty=0.05, coverage=0.985, max_set_size=2)
    >>> verdict = judge(shown)
    >>> verdict.satisfactory, [(check.criterion, check.met) for check in verdict.checks]
    (False, [('complete', True), ('valid', True), ('safe', False), ('useful', True)])
    """
    return Verdict(
        (
            Check("complete", (_complete(evidence),)),
            Check("valid", (_valid(evidence),)),
            Check("safe", (_safe(evidence),)),
            Check("useful", (_accurate(evidence), _telling(evidence))),
        )
    )


def largest_set(classes: int) -> int:
    """The most classes that a set may hold and still say something: all but one.

    The original service judged ten classes and allowed nine, its reason being that larger sets are trivial: a set of
    all classes excludes nothing. So it is K - 1 for K classes, and 0 for a single class, of which any set is trivial.

    >>> largest_set(10), largest_set(2)
    (9, 1)
    """
    return max(classes - 1, 0)


def _complete(evidence: Evidence) -> Reason:
    return Reason("ALL_JOINED", True) if evidence.complete else Reason("NOT_COMPLETE", False)


def _valid(evidence: Evidence) -> Reason:
    if evidence.coverage is None or evidence.alpha is None:
        return Reason("COVERAGE_UNKNOWN", None)
    figures = {"coverage": evidence.coverage, "target": 1 - evidence.alpha}
    kept = evidence.coverage >= 1 - evidence.alpha - TOLERANCE
    return Reason("COVERAGE_KEPT" if kept else "COVERAGE_SHORT", kept, figures)


def _safe(evidence: Evidence) -> Reason:
    if evidence.uncertainty is None or evidence.alpha is None:
        return Reason("UNCERTAINTY_UNKNOWN", None)
    figures = {"uncertainty": evidence.uncertainty, "alpha": evidence.alpha}
    within = evidence.uncertainty <= evidence.alpha + TOLERANCE
    return Reason("UNCERTAINTY_WITHIN" if within else "UNCERTAINTY_BEYOND", within, figures)


def _accurate(evidence: Evidence) -> Reason:
    if evidence.accuracy is None:
        return Reason("ACCURACY_UNKNOWN", None)
    figures = {"accuracy": evidence.accuracy, "least": LEAST_ACCURACY}
    enough = evidence.accuracy >= LEAST_ACCURACY - TOLERANCE
    return Reason("ACCURACY_ENOUGH" if enough else "ACCURACY_LOW", enough, figures)


def _telling(evidence: Evidence) -> Reason:
    if evidence.max_set_size is None:
        return Reason("SETS_UNKNOWN", None)
    most = largest_set(evidence.classes)
    figures = {"size": evidence.max_set_size, "most": most, "classes": evidence.classes}
    telling = evidence.max_set_size <= most
    return Reason("SETS_TELLING" if telling else "SETS_TRIVIAL", telling, figures)
