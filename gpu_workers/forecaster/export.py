"""A trained network → forecaster.onnx and manifest.json, compared with the network before they are kept."""

import argparse
import hashlib
import json
import platform
import warnings
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from gpu_workers.forecaster.adjust import Foreseen
from gpu_workers.forecaster.network import LEVELS, STEPS_IN, STEPS_OUT, Ensemble
from gpu_workers.forecaster.people import EARLY
from gpu_workers.forecaster.windows import Traces
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose.accuracy import Band, PointErrors, band, point_errors
from quintet.glucose.forecast import all_windows

TEST = {10}
OPSET = 20
TOLERANCE = 1e-2  # mg/dL between torch and onnxruntime; readings are whole numbers
NOT_SETTINGS = ("data", "people", "out", "version")
LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "simglucose")

Floats = NDArray[np.float64]


def export(network: Ensemble, traces: Traces, people: Foreseen | None, options: argparse.Namespace) -> None:
    """Write model and manifest into `options.out`, then load them as the service does and compare.

    `people` are the real ones that the ensemble was fitted to, each forecast as by one that was fitted to the others.
    """
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    model, manifest = folder / "forecaster.onnx", folder / "manifest.json"
    write_onnx(network, model)
    content = describe(model, traces, people, options)
    manifest.write_text(json.dumps(content, indent=2) + "\n")
    past, future = test_windows(traces)
    forecaster = OnnxForecaster(model)
    difference = parity(network, forecaster, past[::50])
    content |= {"parity_mg_dl": difference, "metrics": metrics(forecaster.predict(past), past, future)}
    content |= {"people_left_out": left_out(people)} if people else {}
    manifest.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps({name: content[name] for name in ("metrics", "people_left_out") if name in content}, indent=2))


def write_onnx(network: Ensemble, path: Path) -> None:
    batch = {0: torch.export.Dim("batch")}
    example = torch.full((2, STEPS_IN), 120.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own dependencies
        program = torch.onnx.export(
            network.eval(), (example,), dynamo=True, opset_version=OPSET, dynamic_shapes=(batch,),
            input_names=["readings"], output_names=["quantiles"], verbose=False,
        )  # fmt: skip
    assert program is not None
    onnx.save(without_origins(program.model_proto), path)


def without_origins(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's notes on it, which name files of the machine it ran on."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    return model


def describe(model: Path, traces: Traces, people: Foreseen | None, options: argparse.Namespace) -> dict[str, object]:
    return {
        "name": "glucose forecaster",
        "version": options.version,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input_shape": [STEPS_IN],
        "output_shape": [STEPS_OUT, len(LEVELS)],
        "quantiles": list(LEVELS),
        "features": {"readings": STEPS_IN, "ahead": STEPS_OUT, "step_minutes": 5, "unit": "mg/dL"},
        "opset": OPSET,
        "training_data": {
            "generator": "simglucose, UVa/Padova virtual patients with type 1 diabetes",
            "seed": traces.seed,
            "traces": len(traces.patient),
            "days": round(traces.glucose.size / 288),
            "patients": "of each age group 1-8 trained on, 9 validated on, 10 tested on",
            "processes": "second-order autoregressions, see processes.py",
            "people": adjusted_to(people, options),
        },
        "training": {name: value for name, value in vars(options).items() if name not in NOT_SETTINGS},
        "libraries": {name: installed(name) for name in LIBRARIES} | {"python": platform.python_version()},
    }


def adjusted_to(people: Foreseen | None, options: argparse.Namespace) -> dict[str, object] | None:
    """Whose early readings decided the linear forecast and the band's width; None: simulated patients' only."""
    if people is None:
        return None
    content = options.people.read_bytes()
    return {
        "file": options.people.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "share": EARLY,
        "windows": len(people.last),
    }


def left_out(people: Foreseen) -> dict[str, object]:
    """Figures of real people's early windows, mg/dL."""
    still = np.repeat(people.last[:, None], STEPS_OUT, axis=1)
    return {
        "windows": len(people.last),
        "forecaster": figures(point_errors(people.median, people.future)),
        "persistence": figures(point_errors(still, people.future)),
        "band_80": rounded(band(people.low, people.high, people.future)),
    }


def test_windows(traces: Traces) -> tuple[Floats, Floats]:
    """Every window of the test patients as simglucose's own sensor reads them: (n, 96), (n, 12)."""
    days = [all_windows(series.astype(np.float64)) for series in traces.of(TEST).as_sensed()]
    return np.concatenate([d.past for d in days]), np.concatenate([d.future for d in days])


def parity(network: Ensemble, forecaster: OnnxForecaster, past: Floats) -> float:
    """Largest difference in mg/dL. Raises where it is more than TOLERANCE."""
    with torch.no_grad():
        expected = network(torch.from_numpy(past.astype(np.float32))).numpy()
    difference = float(np.abs(forecaster.predict(past) - expected).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"onnxruntime differs from torch by {difference} mg/dL")
    return difference


def metrics(quantiles: Floats, past: Floats, future: Floats) -> dict[str, object]:
    """mg/dL, beside those of persistence, on the test patients."""
    still = np.repeat(past[:, -1:], STEPS_OUT, axis=1)
    low, median, high = (quantiles[..., LEVELS.index(level)] for level in (0.1, 0.5, 0.9))
    return {
        "windows": len(past),
        "forecaster": figures(point_errors(median, future)),
        "persistence": figures(point_errors(still, future)),
        "band_80": rounded(band(low, high, future)),
    }


def rounded(held: Band) -> dict[str, float]:
    return {name: round(value, 3) for name, value in held._asdict().items()}


def figures(errors: PointErrors) -> dict[str, dict[int, float]]:
    return {kind: {at: round(value, 3) for at, value in row.items()} for kind, row in errors._asdict().items()}
