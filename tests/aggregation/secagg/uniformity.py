"""Whether bytes look as if each was equally likely (Pearson's chi-square). Seeded data: the answer never changes."""

import numpy as np
from scipy.stats import chi2

LEAST = 1e-3
"""A sample that is less likely than this, either way, is not taken for an even one."""


def evenly(sample: bytes) -> bool:
    counts = np.bincount(np.frombuffer(sample, dtype=np.uint8), minlength=256)
    mean = len(sample) / 256
    return LEAST < float(chi2.sf(((counts - mean) ** 2 / mean).sum(), df=255)) < 1 - LEAST
