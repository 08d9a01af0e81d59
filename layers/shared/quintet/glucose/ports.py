"""What the glucose room needs from the world."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Forecaster(Protocol):
    """Says what the next hour may bring."""

    @property
    def version(self) -> str: ...

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The Q levels, rising, 0.5 among them."""
        ...

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 96) readings in mg/dL, 5 minutes apart -> (n, 12, Q) quantiles in mg/dL, rising along the last axis.

        Raises InvalidInput for another shape or values that are not finite, ModelUnavailable where there is no model.
        """
        ...
