"""The forecaster without a model: everything stays as it is, less and less surely."""

import numpy as np
from numpy.typing import NDArray

from quintet.adapters.tensors import checked

PAST, AHEAD = 96, 12
SPREAD = 8.0  # mg/dL after one step; grows with the square root of time, as a random walk's does


class PersistenceForecaster:
    """The last reading as the median of every step, in a band that widens."""

    version = "persistence"

    def __init__(self, quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)) -> None:
        self.quantiles = quantiles

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 96) readings in mg/dL -> (n, 12, Q) quantiles in mg/dL. Raises InvalidInput."""
        last = checked(readings, (PAST,))[:, -1].astype(np.float64)
        widths = SPREAD * np.sqrt(np.arange(1, AHEAD + 1))
        offsets = np.outer(widths, 2 * np.array(self.quantiles) - 1)
        return last[:, None, None] + offsets
