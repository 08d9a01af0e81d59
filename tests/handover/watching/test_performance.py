"""When outcomes are a drift: the original's rule, river's detector, and neither where all is as it was."""

import numpy as np
import pytest

from quintet.adapters.river_detectors import RiverDetectors
from quintet.handover.performance import Rule, drifted, rate

RULE, RIVER = Rule(), RiverDetectors()


class Blind:
    """Finds nothing: the original's rule alone."""

    def worsened(self, outcomes: object) -> int | None:
        return None


def drawn(seed: int, count: int, success: float) -> str:
    return "".join("01"[int(good)] for good in np.random.default_rng(seed).random(count) < success)


def first_drift(outcomes: str, begins: int) -> int | None:
    """After how many outcomes from `begins` on it is found, looked for after every fifth."""
    for seen in range(begins, len(outcomes) + 1, 5):
        if drifted(outcomes[:seen], RULE, RIVER):
            return seen - begins
    return None


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("1" * 39 + "0" * 11, True),
        ("0" * 11 + "1" * 39, True),
        ("1" * 40 + "0" * 10, False),
        ("0" * 49, False),
        ("0" * 50, True),
        ("0" * 500 + "1" * 50, False),
        ("", False),
    ],
    ids=["78 % in the window", "in any order", "80 % is enough", "not full", "full", "the window alone", "nothing"],
)
def test_the_originals_rule(outcomes: str, expected: bool) -> None:
    assert drifted(outcomes, RULE, Blind()) is expected


def test_the_rules_window_and_threshold_are_the_rooms() -> None:
    assert drifted("1" * 14 + "0" * 6, Rule(window=20, threshold=0.25), Blind())
    assert not drifted("1" * 15 + "0" * 5, Rule(window=20, threshold=0.25), Blind())


@pytest.mark.parametrize("success", [0.97, 0.9])
@pytest.mark.parametrize("seed", range(10))
def test_what_stays_as_it_is_is_no_drift_for_the_detector(seed: int, success: float) -> None:
    assert RIVER.worsened([outcome == "1" for outcome in drawn(seed, 1000, success)]) is None


@pytest.mark.parametrize("seed", range(10))
def test_what_gets_worse_is_found_within_sixty(seed: int) -> None:
    outcomes = drawn(seed, 400, 0.95) + drawn(seed + 100, 100, 0.5)
    assert not drifted(outcomes[:400], RULE, RIVER)
    found = first_drift(outcomes, 400)
    assert found is not None
    assert found <= 60


def test_the_detector_sees_what_the_rule_allows() -> None:
    """From 99 % to 85 % is a drift though 85 % would do."""
    outcomes = drawn(1, 600, 0.99) + drawn(2, 300, 0.85)
    assert not any(drifted(outcomes[:seen], RULE, Blind()) for seen in range(601, 640))
    assert drifted(outcomes, RULE, RIVER)


def test_what_gets_better_is_no_drift() -> None:
    assert RIVER.worsened([outcome == "1" for outcome in drawn(3, 300, 0.5) + drawn(4, 300, 0.95)]) is None


def test_a_bad_time_that_is_over_is_none() -> None:
    outcomes = drawn(5, 300, 0.97) + drawn(6, 60, 0.5) + "1" * 300
    assert RIVER.worsened([outcome == "1" for outcome in outcomes]) is not None
    assert not drifted(outcomes, RULE, RIVER)


def test_a_replay_finds_the_same_again() -> None:
    outcomes = [outcome == "1" for outcome in drawn(7, 300, 0.97) + drawn(8, 100, 0.4)]
    assert RIVER.worsened(outcomes) == RIVER.worsened(outcomes) is not None


def test_the_rate_is_of_the_last() -> None:
    assert rate("0" * 10 + "1" * 5, 5) == 1.0
    assert rate("10", 50) == 0.5
    assert rate("", 50) is None
