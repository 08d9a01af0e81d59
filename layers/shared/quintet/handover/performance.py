"""Performance drift: whether what the room advises goes well less often than it did.

`1` is a success and `0` a failure, in the order in which feedback came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_OUTCOMES = 1000


class Detector(Protocol):
    def worsened(self, outcomes: Sequence[bool]) -> int | None:
        """After how many outcomes the share of failures was last found to have grown; None: never."""
        ...


@dataclass(frozen=True)
class Rule:
    """The original's: a drift is where the last `window` outcomes hold more than a share of `threshold` failures."""

    window: int = 50
    threshold: float = 0.2


def rate(outcomes: str, window: int) -> float | None:
    """Share of successes among the last of them; None where there is none.

    >>> rate("0111", 2), rate("", 2)
    (1.0, None)
    """
    last = outcomes[-window:]
    return last.count("1") / len(last) if last else None


def drifted(outcomes: str, rule: Rule, detector: Detector) -> bool:
    """By the original's rule or by the detector, once the window is full.

    The detector looks at all outcomes anew. What it found counts where the latest are still worse than those that it
    had seen by then: a bad time may be over.
    """
    now = rate(outcomes, rule.window)
    if now is None or len(outcomes) < rule.window or "0" not in outcomes:
        return False
    if now < 1 - rule.threshold:
        return True
    found = detector.worsened([outcome == "1" for outcome in outcomes])
    before, latest = rate(outcomes[:found], MOST_OUTCOMES), rate(outcomes, rule.window // 2)
    return found is not None and before is not None and latest is not None and latest < before
