"""What the room knows of one trace: its readings on the grid and the forecasts of all their windows.

It is what is cached, so it has a form in bytes: a line of JSON, then readings and quantiles as plain numbers. (Not
numpy's .npz: Python compiles its headers to read them, and 3.11 now and then fails at that in many threads at once.)
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.errors import MalformedData
from quintet.glucose.forecast import STEP, STEPS_OUT, all_windows, latest, sample_count, window_at
from quintet.glucose.messages import Warnings
from quintet.glucose.ports import Forecaster
from quintet.glucose.stretch import Stretch
from quintet.kernel.cancellation import NEVER, Cancellation

SCHEMA = 1

NUMBER = np.dtype("<f8")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Analysis:
    """start: time of the first reading; glucose: (n,) mg/dL, one every 5 minutes; minutes: how much of the trace was
    wanted; quantiles: (samples + 1, 12, Q) mg/dL, one row for each window that has its 12 true points, oldest first,
    and one for the hour after the last reading; levels: (Q,), of the model called `model`.

    `warnings` are of the readings wanted, `recent_warnings` of the shortest stretch that makes a figure; `current` is
    false where the trace goes on after these readings.
    """

    start: datetime
    glucose: Floats
    minutes: int
    quantiles: Floats
    levels: tuple[float, ...]
    model: str
    warnings: Warnings
    recent_warnings: Warnings
    current: bool

    @property
    def samples(self) -> int:
        return sample_count(len(self.glucose))

    def time(self, place: int) -> datetime:
        return self.start + place * STEP

    def hindcast(self, index: int) -> Floats:
        """(12, Q) of the window `index`, counted as in window_at. Raises NoSuchSample."""
        values: Floats = self.quantiles[window_at(self.glucose, index).start]
        return values

    @property
    def outlook(self) -> Floats:
        """(12, Q) of the hour after the last reading."""
        values: Floats = self.quantiles[-1]
        return values

    def to_bytes(self) -> bytes:
        header = {
            "schema": SCHEMA, "start": self.start.isoformat(), "minutes": self.minutes, "levels": self.levels,
            "readings": len(self.glucose), "model": self.model, "current": self.current,
            "warnings": self.warnings.model_dump(), "recent_warnings": self.recent_warnings.model_dump(),
        }  # fmt: skip
        numbers = np.concatenate([self.glucose, self.quantiles.ravel()])
        return json.dumps(header).encode() + b"\n" + numbers.astype(NUMBER).tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Analysis":
        """Raises MalformedData for what is no analysis, or one of another schema; damaged numbers are not noticed."""
        head, _, body = content.partition(b"\n")
        try:
            return cls._of(json.loads(head), np.frombuffer(body, NUMBER).astype(np.float64))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise MalformedData("These bytes are no analysis of this version.", reason=type(error).__name__) from error

    @classmethod
    def _of(cls, header: dict[str, Any], numbers: Floats) -> "Analysis":
        """Raises ValueError where header and numbers do not fit."""
        readings, levels = int(header["readings"]), tuple(map(float, header["levels"]))
        if header["schema"] != SCHEMA or not 0 <= readings <= len(numbers):
            raise ValueError("another schema, or damaged")
        return cls(
            start=datetime.fromisoformat(header["start"]),
            glucose=numbers[:readings],
            minutes=int(header["minutes"]),
            quantiles=numbers[readings:].reshape(sample_count(readings) + 1, STEPS_OUT, len(levels)),
            levels=levels,
            model=str(header["model"]),
            warnings=Warnings.model_validate(header["warnings"]),
            recent_warnings=Warnings.model_validate(header["recent_warnings"]),
            current=bool(header["current"]),
        )


def analyse(stretch: Stretch, forecaster: Forecaster, *, batch: int, cancellation: Cancellation = NEVER) -> Analysis:
    """All forecasts of a stretch, `batch` windows at a time. Raises Cancelled between two batches."""
    return Analysis(
        start=stretch.start,
        glucose=stretch.glucose,
        minutes=stretch.minutes,
        quantiles=forecasts(stretch.glucose, forecaster, batch, cancellation),
        levels=forecaster.quantiles,
        model=forecaster.version,
        warnings=stretch.warnings,
        recent_warnings=stretch.recent_warnings,
        current=stretch.current,
    )


def renewed(analysis: Analysis, forecaster: Forecaster, *, batch: int, cancellation: Cancellation = NEVER) -> Analysis:
    """The same readings, seen by today's model."""
    return replace(
        analysis,
        quantiles=forecasts(analysis.glucose, forecaster, batch, cancellation),
        levels=forecaster.quantiles,
        model=forecaster.version,
    )


def forecasts(glucose: Floats, forecaster: Forecaster, batch: int, cancellation: Cancellation) -> Floats:
    """(n,) readings -> (samples + 1, 12, Q): of every window with its 12 true points, and of the hour to come."""
    windows = np.concatenate([all_windows(glucose).past, latest(glucose)[None]])
    parts = []
    for place in range(0, len(windows), batch):
        cancellation.check()
        parts.append(forecaster.predict(windows[place : place + batch]))
    return np.concatenate(parts)
