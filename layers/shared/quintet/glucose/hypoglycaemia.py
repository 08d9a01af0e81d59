"""Whether a reading under 70 mg/dL may come within the hour. A research figure: no basis for treatment.

A forecast has a distribution for each of its twelve steps and none for the hour as a whole. The chance that some
reading is low lies between the greatest of the twelve chances and their sum (Fréchet's bounds). Neighbouring steps
rise and fall together, so the hour's chance is near the lower bound, which `risk` returns.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOW: Final = 70.0  # mg/dL; level 1 hypoglycaemia is below it
THRESHOLD: Final = 0.15

Floats = NDArray[np.float64]


def risk(quantiles: Floats, levels: Sequence[float]) -> float:
    """Chance of a reading under 70 mg/dL within the hour, from quantiles (12, Q) in mg/dL.

    >>> levels = (0.1, 0.5, 0.9)
    >>> round(risk(np.tile([70.0, 90.0, 120.0], (12, 1)), levels), 3)
    0.1
    """
    return float(below(quantiles, levels).max())


def below(quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The chance (12,) that each step is under 70: linear in the normal score, as forecast.samples has it."""
    normal = NormalDist()
    scores = [normal.inv_cdf(level) for level in levels]
    return np.array([normal.cdf(_score(step, scores)) for step in quantiles])


def alarm(chance: float) -> bool:
    """Whether to warn of a low. THRESHOLD was chosen on training data, see gpu_workers/forecaster/MODEL_CARD.md."""
    return chance >= THRESHOLD


def _score(step: Floats, scores: Sequence[float]) -> float:
    """Normal score of LOW among the rising quantiles of a step; beyond the outermost, along the last two."""
    right = int(np.clip(np.searchsorted(step, LOW), 1, len(step) - 1))
    left = right - 1
    width = max(step[right] - step[left], 1e-6)
    return float(scores[left] + (LOW - step[left]) / width * (scores[right] - scores[left]))
