"""Twenty hospitals' records: scikit-learn's breast-cancer data, split among them, and what is true of all together.

The data: W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), 1995.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from quintet.aggregation.schema import features_of
from quintet.aggregation.vectors import vector

OWNERS, SEED, LEAST = 20, 7, 8
RANGES = {
    "mean radius": (5, 30),
    "mean texture": (5, 45),
    "mean smoothness": (0, 0.2),
    "mean concavity": (0, 0.5),
    "worst area": (0, 4500),
}
"""What is known of such measurements beforehand: nobody looks at anybody's records for it."""

SCHEMA: list[dict[str, Any]] = [
    *(
        {"name": name, "dataType": "NUMERIC", "encoding": "pooled", "low": low, "high": high, "bins": 50}
        for name, (low, high) in RANGES.items()
    ),
    {"name": "malignant", "dataType": "BOOLEAN"},
    {"name": "grade", "dataType": "NOMINAL", "encoding": "pooled", "categories": ["benign", "malignant"]},
]

Record = dict[str, Any]


@dataclass(frozen=True)
class Hospital:
    name: str
    records: tuple[Record, ...]

    def write(self, folder: Path) -> Path:
        file = folder / f"{self.name}.csv"
        with file.open("w", newline="") as opened:
            rows = csv.DictWriter(opened, [str(item["name"]) for item in SCHEMA])
            rows.writeheader()
            rows.writerows(self.records)
        return file


def hospitals() -> list[Hospital]:
    """Of different sizes, none of them with fewer than LEAST records."""
    records = _records()
    random = np.random.default_rng(SEED)
    order = random.permutation(len(records))
    ends = np.sort(random.choice(np.arange(len(records) - OWNERS * LEAST), OWNERS - 1, replace=False))
    cuts = ends + LEAST * np.arange(1, OWNERS)
    return [
        Hospital(f"hospital-{number:02d}", tuple(records[place] for place in part))
        for number, part in enumerate(np.split(order, cuts), 1)
    ]


def _records() -> list[Record]:
    data = load_breast_cancer()
    columns = [list(data.feature_names).index(name) for name in RANGES]
    return [
        {
            **{name: repr(float(row[column])) for name, column in zip(RANGES, columns, strict=True)},
            "malignant": int(kind == 0),
            "grade": data.target_names[kind],
        }
        for row, kind in zip(data.data, data.target, strict=True)
    ]


def write_schema(folder: Path) -> Path:
    file = folder / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    return file


def true_sum(known: Iterable[Hospital]) -> list[Decimal]:
    """Element by element, of the vectors that the hospitals make of their records."""
    features = features_of(SCHEMA)
    vectors = [vector(features, columns(one.records)) for one in known]
    return [sum(elements, Decimal(0)) for elements in zip(*vectors, strict=True)]


def columns(records: Sequence[Record]) -> Mapping[str, list[Any]]:
    numeric = {name: [Decimal(record[name]) for record in records] for name in RANGES}
    return {**numeric, **{name: [record[name] for record in records] for name in ("malignant", "grade")}}


@dataclass(frozen=True)
class Truth:
    """Of one measurement, from the records themselves."""

    count: int
    mean: float
    deviation: float
    median: float


def truth(known: Iterable[Hospital], name: str) -> Truth:
    values = np.array([float(record[name]) for one in known for record in one.records])
    return Truth(len(values), float(values.mean()), float(values.std(ddof=1)), float(np.median(values)))
