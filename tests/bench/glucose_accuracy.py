"""How good the forecaster is on five people with type 2 diabetes, beside persistence, linear regression and ARIMA.

    python -m tests.bench.glucose_accuracy --json /tmp/glucose_accuracy.json

The split is by time: of each person the first 70 % of the readings may be learned from, and every window that lies
in the last 30 % counts. The linear regression (96 readings to 12) is fitted to what came early of all five, an ARIMA
(statsmodels) to what came early of the one person whose windows it forecasts; what the forecaster learned from is in
its model card.

Bands are judged by the range of the last known reading, which is all that a forecaster can know: of the windows that
look alike to it, 80 % shall come true. By the range of what came, which the second table shows for information, no
honest band holds 80 % everywhere: a reading under 70 is by definition one that came out lower than most expected,
and a band that held 80 % of those would be far too wide for everybody else.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_workers.forecaster.people import Person, load
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose import forecast, hypoglycaemia
from quintet.glucose.accuracy import (
    HORIZONS,
    LOW,
    Alarms,
    Mask,
    alarms,
    band,
    glucobench,
    in_ranges,
    log_likelihood,
    point_errors,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "glucose" / "iglu_5_subjects.csv"
MODEL = Path(forecast.__file__).parent / "model" / "forecaster.onnx"
NORMAL_90 = 1.2815515655446004  # the 0.9 quantile of the standard normal distribution
GLUFORMER = -2.105  # "ID likelihoods" in GlucoBench's own record of Gluformer on Broll, output/gluformer_iglu.txt

Floats = NDArray[np.float64]
Table = dict[str, dict[str, float]]


class Examination(NamedTuple):
    """The windows that count, (n, 96) and (n, 12) mg/dL, and every baseline's forecast of them (n, 12)."""

    past: Floats
    future: Floats
    baselines: dict[str, Floats]


class Bands(NamedTuple):
    """Quantiles (n, 12, Q) and the 80 % band's edges (n, 12)."""

    quantiles: Floats
    levels: Sequence[float]
    low: Floats
    median: Floats
    high: Floats


class Report(NamedTuple):
    """Every figure, by group of windows and by way to forecast."""

    errors: dict[str, Table]
    band_by_last_reading: Table
    band_by_outcome: Table
    likelihood: dict[str, float]
    hypoglycaemia: Alarms


def examine(everyone: Sequence[Person], *, with_arima: bool = True) -> Examination:
    parts = [person.parted() for person in everyone]
    early, late = [part[0] for part in parts], [part[1].windows() for part in parts]
    past, future = np.concatenate([w.past for w in late]), np.concatenate([w.future for w in late])
    baselines = {
        "persistence": np.repeat(past[:, -1:], forecast.STEPS_OUT, axis=1),
        "linear": linear([person.windows() for person in early], past),
    }
    return Examination(past, future, baselines | ({"ARIMA": arima(parts)} if with_arima else {}))


def linear(early: Sequence[forecast.Windows], past: Floats) -> Floats:
    """Least squares on the changes since the last reading."""
    known, future = np.concatenate([w.past for w in early]), np.concatenate([w.future for w in early])
    weights, *_ = np.linalg.lstsq(seen_from_last(known), future - known[:, -1:])
    return np.asarray(past[:, -1:] + seen_from_last(past) @ weights)


def seen_from_last(past: Floats) -> Floats:
    """Inputs of the regression: changes since the last reading, its level, and one."""
    return np.hstack([past[:, :-1] - past[:, -1:], past[:, -1:], np.ones((len(past), 1))])


def arima(parts: Sequence[tuple[Person, Person]]) -> Floats:
    from tests.bench.arima import forecasts

    return np.concatenate([forecasts(early, late) for early, late in parts])


def foreseen(forecaster: OnnxForecaster, past: Floats) -> Bands:
    quantiles, levels = forecaster.predict(past), forecaster.quantiles
    low, median, high = (quantiles[..., levels.index(level)] for level in (0.1, 0.5, 0.9))
    return Bands(quantiles, levels, low, median, high)


def errors_by_range(examination: Examination, bands: Bands) -> dict[str, Table]:
    """Point errors of every way to forecast, over all windows and by the range of the last known reading."""
    ways = {"forecaster": bands.median, **examination.baselines}
    groups = {"all": np.ones(len(examination.past), bool), **in_ranges(examination.past[:, -1])}
    return {
        name: {way: figures(point[group], examination.future[group]) for way, point in ways.items()}
        for name, group in groups.items()
        if group.any()
    }


def figures(median: Floats, truth: Floats) -> dict[str, float]:
    errors = point_errors(median, truth)
    row = {f"{kind}_{minutes}": getattr(errors, kind)[minutes] for kind in ("rmse", "mae") for minutes in HORIZONS}
    return row | {f"glucobench_{kind}": value for kind, value in glucobench(median, truth)._asdict().items()}


def bands_by_range(bands: Bands, truth: Floats, by: Floats) -> Table:
    """Coverage and width of the 80 % band, overall and by the range of `by` (n, 12)."""
    groups = {"all": np.ones(truth.shape, bool), **in_ranges(by)}
    return {name: band_figures(bands, truth, group) for name, group in groups.items() if group.any()}


def band_figures(bands: Bands, truth: Floats, group: Mask) -> dict[str, float]:
    held = band(bands.low[group], bands.high[group], truth[group])
    windows = float(group.any(1).sum())
    return {"coverage": held.coverage, "width": held.width, "points": float(group.sum()), "windows": windows}


def likelihoods(bands: Bands, truth: Floats) -> dict[str, float]:
    return {
        "log_likelihood": log_likelihood(bands.quantiles, bands.levels, truth),
        "by_glucobench_s_code": glucobench_likelihood(bands, truth),
        "gluformer_published": GLUFORMER,
    }


def glucobench_likelihood(bands: Bands, truth: Floats) -> float:
    """What lib/gluformer/utils/evaluation.py of GlucoBench calls log-likelihood, with one normal component.

    Its quadratic term has a plus where a normal density has a minus, so that greater errors raise it, and its
    mixture of three is not divided by three: it is here to stand beside the published figure and for nothing else.
    """
    variance = ((bands.high - bands.low) / (2 * NORMAL_90)) ** 2
    return float(np.mean((bands.median - truth) ** 2 / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)))


def warnings_of_lows(bands: Bands, past: Floats, future: Floats) -> Alarms:
    """The alarm on windows whose last reading is not low yet."""
    ahead = past[:, -1] >= LOW
    raised = np.array([hypoglycaemia.alarm(hypoglycaemia.risk(q, bands.levels)) for q in bands.quantiles[ahead]])
    return alarms(raised, np.any(future[ahead] < LOW, axis=1))


def report(examination: Examination, model: Path = MODEL) -> Report:
    bands = foreseen(OnnxForecaster(model), examination.past)
    last = np.repeat(examination.past[:, -1:], forecast.STEPS_OUT, axis=1)
    return Report(
        errors=errors_by_range(examination, bands),
        band_by_last_reading=bands_by_range(bands, examination.future, last),
        band_by_outcome=bands_by_range(bands, examination.future, examination.future),
        likelihood=likelihoods(bands, examination.future),
        hypoglycaemia=warnings_of_lows(bands, examination.past, examination.future),
    )


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n{title}\n" + " " * 12 + " ".join(f"{name:>20}" for name in columns))
    for name, row in table.items():
        print(f"{name:<12}" + " ".join(f"{row[c]:20.3f}" for c in columns))


def print_report(found: Report) -> None:
    for name, table in found.errors.items():
        show(f"errors in mg/dL, last reading: {name}", table)
    show("80 % band by the last known reading", found.band_by_last_reading)
    show("80 % band by what came (for information)", found.band_by_outcome)
    show("log-likelihood, nats a point of mg/dL", {"forecaster": found.likelihood})
    print(f"\nalarm of a reading under 70 within the hour, none yet: {found.hypoglycaemia}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if not options.data.is_file():
        print(f"skipped: no real data at {options.data}")
        return 0
    everyone = load(options.data)
    examination = examine(everyone)
    found = report(examination, options.model)
    print(f"{len(examination.past)} windows of {len(everyone)} people, their last 30 %")
    print_report(found)
    if options.json:
        options.json.write_text(
            json.dumps(found._asdict() | {"hypoglycaemia": found.hypoglycaemia._asdict()}, indent=2, ensure_ascii=False)
            + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
