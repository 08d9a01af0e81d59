"""Writes tests/calibration/golden/netcal.json: calibration errors of small sets of rows, by netcal 1.4.0.

    python -m venv /tmp/netcal && /tmp/netcal/bin/pip install torch netcal==1.4.0
    /tmp/netcal/bin/python -m tests.bench.netcal_golden

The rows are written with their figures, as thousandths, so that nothing hangs on a generator's stream. netcal treats
labels of two kinds as a binary problem; these have more.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parents[1] / "calibration/golden/netcal.json"
BINS = (10, 15)

Whole = NDArray[np.int64]


def main() -> None:
    generator = np.random.default_rng(5)
    cases = {
        "overconfident": overconfident(generator),
        "on the edges of bins": on_edges(generator),
        "one-hot": np.eye(4, dtype=np.int64)[generator.integers(0, 4, 40)] * 1000,
    }
    told = {name: case(rows, labels(rows, generator)) for name, rows in cases.items()}
    GOLDEN.write_text(json.dumps(told, separators=(",", ":")) + "\n")


def overconfident(generator: np.random.Generator) -> Whole:
    return thousandths(generator.dirichlet(np.full(5, 0.3), 200))


def on_edges(generator: np.random.Generator) -> Whole:
    """Confidences of 0.3, 0.4, … 1.0, which are edges of ten bins, and of thirds, which are some of fifteen."""
    first = np.repeat([300, 333, 400, 500, 600, 666, 667, 700, 800, 900, 1000], 6)
    second = np.minimum(generator.integers(0, 300, len(first)), 1000 - first)
    third = np.minimum(first - 1, 1000 - first - second)
    return np.stack([first, second, third, 1000 - first - second - third], axis=1)


def thousandths(shares: NDArray[np.float64]) -> Whole:
    rows = np.floor(shares * 1000).astype(np.int64)
    rows[np.arange(len(rows)), rows.argmax(axis=1)] += 1000 - rows.sum(axis=1)
    return rows


def labels(rows: Whole, generator: np.random.Generator) -> Whole:
    """The likeliest class in three rows of five, any class in the others."""
    any_class = generator.integers(0, rows.shape[1], len(rows))
    return np.where(generator.random(len(rows)) < 0.6, rows.argmax(axis=1), any_class)


def case(rows: Whole, labels: Whole) -> dict[str, Any]:
    netcal = importlib.import_module("netcal.metrics")  # not among the project's requirements
    measures = {"ece": netcal.ECE, "mce": netcal.MCE, "ace": netcal.ACE}
    errors = {
        bins: {name: measure(bins).measure(rows / 1000, labels) for name, measure in measures.items()} for bins in BINS
    }
    return {"thousandths": rows.tolist(), "labels": labels.tolist(), "errors": errors}


if __name__ == "__main__":
    main()
