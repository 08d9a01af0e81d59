"""Arrays at the edge of a model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.errors import InvalidInput


def checked(rows: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A batch of rows of `shape`, all finite, as contiguous float32. Raises InvalidInput."""
    batch = np.ascontiguousarray(rows, dtype=np.float32)
    if batch.shape[1:] != shape:
        raise InvalidInput(f"Expected rows of shape {shape}, got an array of shape {batch.shape}.")
    if not np.isfinite(batch).all():
        raise InvalidInput("A reading is missing or not a finite number.")
    return batch
