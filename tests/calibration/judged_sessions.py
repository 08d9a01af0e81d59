"""Sessions that came to an end, with what they showed: models that are sure, unsure, perfect or hardly seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.evaluation import Evaluator, Result, Stages
from quintet.calibration.messages import Session, Stretch
from quintet.calibration.report import Notes, Report, build_report

MOMENT = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script> \' onload=y \u202eevil\u2066 عميل &amp; 日本 \x00\x1b]]>'

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def a_session(**changes: Any) -> Session:
    told: dict[str, Any] = {
        "id": "7f0c",
        "client_id": "inti",
        "inputs_queue": "in",
        "outputs_queue": "out",
        "via": "grpc",
        "state": "COMPLETED",
        "registered_at": MOMENT - timedelta(minutes=3),
        "ended_at": MOMENT,
        "worker": "w",
        "lineage": (Stretch(worker="w", first=0),),
    }
    return Session(**{**told, **changes})


def rows(count: int, classes: int, *, sharpness: float = 3.0, seed: int = 1) -> Rows:
    """Probabilities (count, classes) of a model that is surer than it is right, and the true classes."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(count, classes))
    labels = chance.integers(0, classes, count)
    logits[np.arange(count), labels] += sharpness
    powers = np.exp(1.8 * logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


def perfect(count: int, classes: int) -> Rows:
    labels = np.arange(count) % classes
    return np.eye(classes)[labels], labels


def judged(judged_rows: Rows, *, batch: int = 16, stages: Stages | None = None) -> Result:
    probabilities, labels = judged_rows
    evaluator = Evaluator(stages or Stages(calibration_batches=5, uncertainty_batches=4))
    for index, start in enumerate(range(0, len(labels), batch)):
        evaluator.add(index, probabilities[start : start + batch], labels[start : start + batch])
    return evaluator.result()


def a_result(count: int = 640, classes: int = 4, **changes: Any) -> Result:
    return judged(rows(count, classes, **changes))


def a_report(result: Result | None = None, notes: Notes | None = None, **changes: Any) -> Report:
    return build_report(a_session(**changes), result, notes or Notes(), MOMENT)
