"""What stands beside an ONNX file: what its reader has to know of it before it loads it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from gpu_workers.trainer.detector import ExportReport

LIBRARIES = ("torch", "torchvision", "libreyolo", "ultralytics", "onnx", "onnxsim", "onnxruntime")


def write_manifest(report: ExportReport, source: str) -> Path:
    """`<name>.onnx.json` beside the model: what its reader has to know of it. `source` names the weights file."""
    target = report.target.with_name(report.target.name + ".json")
    target.write_text(json.dumps(manifest(report, source), indent=2, allow_nan=False) + "\n")
    return target


def manifest(report: ExportReport, source: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "sha256": hashlib.sha256(report.target.read_bytes()).hexdigest(),
        "family": report.family,
        "model": report.model,
        "names": list(report.names),
        "imgsz": report.form.imgsz,
        "batch_size": report.form.batch_size,
        "dynamic": report.form.dynamic,
        "letterbox": report.letterbox,
        "one_class_a_box": report.family == "ultralytics",  # as its own prediction has it
        "output": "xyxy_pixels",
        "opset": report.form.opset,
        "source": source,
        "metrics": finite(report.metrics),
        "trained_at": report.trained_at,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "libraries": dict(versions()),
    }


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if abs(value) < float("inf") else None for name, value in metrics.items()}


def versions() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, installed(name)))
        except PackageNotFoundError:
            continue
    return found
