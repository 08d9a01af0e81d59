"""What a session's run is called, and what stands in it. Names and columns are those of the original: one generation
wrote for clients registered by gRPC, a later one for those it was notified of.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.evaluation import BatchMetrics
from quintet.calibration.messages import Session, State
from quintet.calibration.ports import Measurement
from quintet.calibration.tracked import Contents, Ending

STATUSES: Mapping[State, str] = {"COMPLETED": "FINISHED", "FAILED": "FAILED", "TIMED_OUT": "KILLED"}

Columns = dict[str, NDArray[Any] | Sequence[bytes]]


def experiment_name(session: Session, prefix: str) -> str:
    return f"{prefix} - Client {session.client_id}" if session.via == "grpc" else session.client_id


def run_name(session: Session) -> str:
    return f"EvaluationSession-{session.client_id}" if session.via == "grpc" else session.id


def run_tags(session: Session) -> dict[str, str]:
    """By these the run is found again."""
    return {"quintet.session": session.id}


def last_tags(session: Session, ending: Ending) -> dict[str, str]:
    known = {"client": session.client_id, "state": ending.state, "reason": ending.reason}
    texts = {key: value for key, value in ending.summary.items() if isinstance(value, str)}
    return {f"quintet.{key}": value for key, value in {**texts, **known}.items() if value}


def batch_path(session: Session, index: int) -> str:
    """Where a batch's table stands among the run's artifacts."""
    if session.via == "notification":
        return f"batch_{index:05d}.parquet"
    client = path_part(session.client_id)
    return f"batches/{client}/batch{index}-{client}.parquet"


def path_part(text: str) -> str:
    """A name that no path is led astray by.

    >>> path_part("client_7"), path_part("../a b"), path_part("..")
    ('client_7', '.._a_b', '__')
    """
    safe = re.sub(r"[^\w.\-@+]", "_", text)
    return safe if safe.strip(".") else "_" * len(safe)


def batch_columns(session: Session, contents: Contents) -> Columns:
    """A row a sample: its input and its probabilities, and with the later generation its class."""
    if session.via == "grpc":
        return {"input": _floats(contents), "probabilities": contents.probabilities}
    columns: Columns = {"input": _bytes(contents), "y_pred": contents.probabilities}
    if contents.labels is not None:
        columns["y_test"] = contents.labels
    return columns


def measurements(session: Session, batches: Sequence[BatchMetrics]) -> list[Measurement]:
    """A batch is a step. Moments are made from the session alone: whoever logs it again logs the same."""
    start = _milliseconds(session.registered_at)
    return [
        Measurement(f"batch/{key}", value, batch.index, start + batch.index)
        for batch in batches
        for key, value in _figures(batch.model_dump(exclude={"index"}))
    ]


def last_measurements(session: Session, ending: Ending) -> list[Measurement]:
    moment = _milliseconds(session.ended_at or session.registered_at)
    return [Measurement(key, value, 0, moment) for key, value in _figures(ending.summary)]


def _figures(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, int | float):
            yield key, float(value)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _floats(contents: Contents) -> NDArray[np.float32]:
    """(n, values of a sample)"""
    rows = len(contents.probabilities)
    width = _width(contents) // 4
    return np.frombuffer(contents.data, "<f4", rows * width).reshape(rows, width)


def _bytes(contents: Contents) -> list[bytes]:
    width = _width(contents)
    return [contents.data[row * width : (row + 1) * width] for row in range(len(contents.probabilities))]


def _width(contents: Contents) -> int:
    """Bytes of a sample: all of a batch have as many."""
    return len(contents.data) // max(len(contents.probabilities), 1)
