"""The verdict asks what it says it asks, at the very edge too, and what can't be judged is no yes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from quintet.calibration.verdict import Check, Code, Criterion, Evidence, judge, largest_set

GOOD = Evidence(complete=True, classes=10, accuracy=0.9, alpha=0.1, uncertainty=0.1, coverage=0.95, max_set_size=4)


def check(evidence: Evidence, criterion: Criterion) -> Check:
    return next(check for check in judge(evidence).checks if check.criterion == criterion)


def codes(evidence: Evidence) -> list[Code]:
    return [reason.code for check in judge(evidence).checks for reason in check.reasons]


def test_a_model_that_passes_everything_is_satisfactory() -> None:
    assert judge(GOOD).satisfactory
    assert codes(GOOD) == ["ALL_JOINED", "COVERAGE_KEPT", "UNCERTAINTY_WITHIN", "ACCURACY_ENOUGH", "SETS_TELLING"]


@pytest.mark.parametrize(
    ("change", "criterion", "code"),
    [
        ({"complete": False}, "complete", "NOT_COMPLETE"),
        ({"coverage": 0.8999}, "valid", "COVERAGE_SHORT"),
        ({"uncertainty": 0.1001}, "safe", "UNCERTAINTY_BEYOND"),
        ({"accuracy": 0.5999}, "useful", "ACCURACY_LOW"),
        ({"max_set_size": 10}, "useful", "SETS_TRIVIAL"),
    ],
)
def test_one_no_is_enough(change: dict[str, float], criterion: Criterion, code: Code) -> None:
    evidence = replace(GOOD, **change)  # type: ignore[arg-type]
    verdict = judge(evidence)
    assert not verdict.satisfactory
    assert [one.criterion for one in verdict.checks if not one.met] == [criterion]
    assert check(evidence, criterion).met is False
    assert code in codes(evidence)


@pytest.mark.parametrize("change", [{"coverage": 0.9}, {"accuracy": 0.6}, {"max_set_size": 9}, {"uncertainty": 0.1}])
def test_a_limit_itself_is_met(change: dict[str, float]) -> None:
    assert judge(replace(GOOD, **change)).satisfactory  # type: ignore[arg-type]


@given(some.floats(0, 1))
def test_a_bound_that_is_alpha_but_for_rounding_is_safe(alpha: float) -> None:
    """Sets of one class each: U is 1 - 1·(1 - alpha), which need not be alpha in floating point."""
    exactly = replace(GOOD, alpha=alpha, uncertainty=1 - 1.0 * (1 - alpha))
    assert check(exactly, "safe").met
    assert not check(replace(exactly, uncertainty=alpha + 1e-6), "safe").met


@pytest.mark.parametrize(
    ("unknown", "criterion", "code"),
    [
        ("coverage", "valid", "COVERAGE_UNKNOWN"),
        ("uncertainty", "safe", "UNCERTAINTY_UNKNOWN"),
        ("accuracy", "useful", "ACCURACY_UNKNOWN"),
        ("max_set_size", "useful", "SETS_UNKNOWN"),
    ],
)
def test_what_is_not_known_is_not_judged_and_no_yes(unknown: str, criterion: Criterion, code: Code) -> None:
    evidence = replace(GOOD, **{unknown: None})  # type: ignore[arg-type]
    assert check(evidence, criterion).met is None
    assert code in codes(evidence)
    assert not judge(evidence).satisfactory


def test_without_alpha_neither_coverage_nor_uncertainty_is_judged() -> None:
    evidence = replace(GOOD, alpha=None)
    assert (check(evidence, "valid").met, check(evidence, "safe").met) == (None, None)


def test_a_no_outweighs_what_is_not_known() -> None:
    assert check(replace(GOOD, accuracy=0.1, max_set_size=None), "useful").met is False


def test_nothing_at_all_is_judged_as_nothing() -> None:
    verdict = judge(Evidence(complete=True))
    assert [check.met for check in verdict.checks] == [True, None, None, None]
    assert not verdict.satisfactory


@pytest.mark.parametrize(("classes", "most"), [(0, 0), (1, 0), (2, 1), (10, 9), (1000, 999)])
def test_a_set_of_all_classes_is_trivial_however_many_there_are(classes: int, most: int) -> None:
    assert largest_set(classes) == most
    if classes:
        evidence = replace(GOOD, classes=classes)
        assert not check(replace(evidence, max_set_size=classes), "useful").met
        assert check(replace(evidence, max_set_size=most), "useful").met


def test_a_reason_carries_the_figures_that_it_rests_on() -> None:
    (reason,) = check(GOOD, "valid").reasons
    assert reason.figures == {"coverage": 0.95, "target": 0.9}
    telling = check(GOOD, "useful").reasons[1]
    assert telling.figures == {"size": 4, "most": 9, "classes": 10}
