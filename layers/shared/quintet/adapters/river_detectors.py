"""River's drift detectors, replayed from what is kept: nothing of theirs is stored.

River stands on scipy and takes its time to import: only who looks for drift has it.
"""

from collections.abc import Sequence
from typing import Any


class RiverDetectors:
    """`confidence`: how often a growth of failures may be found that is none."""

    def __init__(self, confidence: float = 0.0005) -> None:
        self._confidence = confidence

    def worsened(self, outcomes: Sequence[bool]) -> int | None:
        """After how many outcomes the share of failures was last found to have grown; None: never.

        HDDM_A (Frías-Blanco et al., 2015): Hoeffding's bound on the difference of two means, one-sided.
        """
        from river.drift.binary import HDDMA

        made_by: Any = HDDMA  # untyped
        detector = made_by(drift_confidence=self._confidence, warning_confidence=self._confidence)
        found = None
        for number, outcome in enumerate(outcomes, start=1):
            detector.update(int(not outcome))
            if detector.drift_detected:
                found = number
        return found

    def shifted(self, reference: Sequence[float], recent: Sequence[float], *, alpha: float) -> bool:
        """Whether `recent` is drawn from another distribution than `reference`, of the same size, at level `alpha`.

        KSWIN (Raab et al., 2020): a Kolmogorov-Smirnov test of the end of a window against its beginning.
        """
        from river.drift import KSWIN

        size = len(recent)
        before = [*reference, *recent[:-1]]
        detector: Any = KSWIN(alpha=alpha, window_size=len(reference) + size, stat_size=size, seed=0, window=before)
        detector.update(recent[-1])
        return bool(detector.drift_detected)
