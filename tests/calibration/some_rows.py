"""Rows as clients send them, for the tests of the arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

Rows = tuple[NDArray[Any], NDArray[np.int64]]

CIFAR = "calibration/cifar10-vgg16-first.npz"


def drawn(generator: np.random.Generator, rows: int, classes: int = 10, sharpness: float = 0.3) -> Rows:
    """Probabilities of a calibrated model: each row's class is drawn by its own probabilities."""
    probabilities = generator.dirichlet(np.full(classes, sharpness), rows)
    below = probabilities.cumsum(axis=1) < generator.random((rows, 1))
    return probabilities, np.minimum(below.sum(axis=1), classes - 1)


def cifar(shared_data: Path) -> Rows:
    """A VGG-16's softmax outputs for 5,000 images."""
    path = shared_data / CIFAR
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as file:
        return file["probabilities"], file["labels"].astype(np.int64)


@st.composite
def rows(draw: st.DrawFn, most: int = 40) -> Rows:
    """Few rows with many ties: shares of eighths, so that sums and differences are exact."""
    classes = draw(st.integers(2, 5))
    cut = st.lists(st.integers(0, 8), min_size=classes - 1, max_size=classes - 1)
    cuts = draw(st.lists(cut, max_size=most))
    eighths = [np.diff(sorted([0, *one, 8])) for one in cuts]
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=len(cuts), max_size=len(cuts)))
    return np.array(eighths, dtype=np.float64).reshape(-1, classes) / 8, np.array(labels, dtype=np.int64)
