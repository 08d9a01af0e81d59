"""How good the forecaster is on five people with type 2 diabetes, beside what costs nothing.

    python tests/bench/glucose_accuracy.py --json /tmp/glucose_accuracy.json

Every window of every person counts. Persistence says that nothing changes. The linear regression (96 readings to
12) is fitted to the other four people, so it knows the sensor; the forecaster has seen simulated people only.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose import forecast
from quintet.glucose.accuracy import HORIZONS, band, glucobench, point_errors

DATA = Path(__file__).parents[3] / "shared" / "data" / "glucose" / "iglu_5_subjects.csv"
MODEL = Path(forecast.__file__).parent / "model" / "forecaster.onnx"
LONGEST_GAP = 45 * 60  # seconds; GlucoBench bridges shorter ones by a straight line
GRID = forecast.STEP.total_seconds()

Floats = NDArray[np.float64]


class Person(NamedTuple):
    """All windows of one person: (n, 96) and (n, 12), mg/dL."""

    past: Floats
    future: Floats


def people(path: Path) -> list[Person]:
    """The persons of a file with columns id, time, gl."""
    traces: dict[str, list[tuple[float, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.fromisoformat(row["time"]).timestamp()
            traces.setdefault(row["id"], []).append((moment, float(row["gl"])))
    return [person(np.array(sorted(trace))) for trace in traces.values()]


def person(trace: Floats) -> Person:
    windows = [forecast.all_windows(series) for series in unbroken(trace)]
    return Person(np.concatenate([w.past for w in windows]), np.concatenate([w.future for w in windows]))


def unbroken(trace: Floats) -> Iterator[Floats]:
    """(n, 2) seconds and mg/dL -> stretches on the 5-minute grid, parted at long gaps."""
    ends = np.flatnonzero(np.diff(trace[:, 0]) > LONGEST_GAP) + 1
    for stretch in np.split(trace, ends):
        grid = np.arange(stretch[0, 0], stretch[-1, 0] + 1, GRID)
        yield np.interp(grid, stretch[:, 0], stretch[:, 1])


def persistence(everyone: list[Person]) -> Floats:
    return np.concatenate([np.repeat(p.past[:, -1:], forecast.STEPS_OUT, axis=1) for p in everyone])


def linear(everyone: list[Person]) -> Floats:
    """Least squares on changes since the last reading, each person by the other four."""
    return np.concatenate([by_others(one, [p for p in everyone if p is not one]) for one in everyone])


def by_others(one: Person, others: list[Person]) -> Floats:
    past = np.concatenate([p.past for p in others])
    future = np.concatenate([p.future for p in others])
    weights, *_ = np.linalg.lstsq(seen_from_last(past), future - past[:, -1:])
    return np.asarray(one.past[:, -1:] + seen_from_last(one.past) @ weights)


def seen_from_last(past: Floats) -> Floats:
    """Inputs of the regression: changes since the last reading, its level, and one."""
    return np.hstack([past[:, :-1] - past[:, -1:], past[:, -1:], np.ones((len(past), 1))])


def compare(everyone: list[Person], model: Path = MODEL) -> dict[str, dict[str, float]]:
    """A row of figures for each way to forecast, in mg/dL."""
    truth = np.concatenate([p.future for p in everyone])
    forecaster = OnnxForecaster(model)
    quantiles = forecaster.predict(np.concatenate([p.past for p in everyone]))
    low, median, high = (quantiles[..., forecaster.quantiles.index(level)] for level in (0.1, 0.5, 0.9))
    table = {
        "forecaster": figures(median, truth),
        "persistence": figures(persistence(everyone), truth),
        "linear": figures(linear(everyone), truth),
    }
    table["forecaster"] |= {f"band80_{name}": value for name, value in band(low, high, truth)._asdict().items()}
    return table


def figures(median: Floats, truth: Floats) -> dict[str, float]:
    errors = point_errors(median, truth)
    row = {f"{kind}_{minutes}": getattr(errors, kind)[minutes] for kind in ("rmse", "mae") for minutes in HORIZONS}
    return row | {f"glucobench_{kind}": value for kind, value in glucobench(median, truth)._asdict().items()}


def show(table: dict[str, dict[str, float]]) -> None:
    columns = list(table["forecaster"])
    print(" " * 12 + " ".join(f"{name:>15}" for name in columns))
    for name, row in table.items():
        print(f"{name:<12}" + " ".join(f"{row[c]:15.3f}" if c in row else " " * 15 for c in columns))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if not options.data.is_file():
        print(f"skipped: no real data at {options.data}")
        return 0
    everyone = people(options.data)
    table = compare(everyone, options.model)
    print(f"{sum(len(p.past) for p in everyone)} windows of {len(everyone)} people, mg/dL")
    show(table)
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
