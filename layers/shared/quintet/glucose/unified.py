"""A glucose trace in the unified format: one row an event, vendor and unit forgotten.

Times are the wall clock of the device, glucose is in mg/dL, carbs in grams, insulin in units, exercise in seconds.
What was not measured is NaN here and an empty cell in the CSV.

    >>> one = trace(["2025-05-01T00:01:47"], event_type=GLUCOSE, glucose=[144.0])
    >>> print(one.to_csv().splitlines()[1])
    0,2025-05-01T00:01:47.000,144.0,0,EGV_READ,2025-05-01T00:01:47.000,144.0,,,,
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

GLUCOSE: Final = "EGV_READ"
CALIBRATION: Final = "CALIBRAT"
GLUCOSE_METER: Final = "BG_METER"
CARBS: Final = "CARBS_IN"
INSULIN_FAST: Final = "INS_FAST"
INSULIN_SLOW: Final = "INS_SLOW"
EXERCISE_LIGHT: Final = "XRCS_LTE"
EXERCISE_MEDIUM: Final = "XRCS_MED"
EXERCISE_HEAVY: Final = "XRCS_HVY"
OTHER: Final = "OTHEREVT"
IMPUTED: Final = "IMPUTATN"

# bits of `quality`; 0 is good
OUT_OF_RANGE: Final = 1
SENSOR_CALIBRATION: Final = 2
IMPUTATION: Final = 4
TIME_DUPLICATE: Final = 8
SYNCHRONIZATION: Final = 16
GRID_RETIMED: Final = 64

MMOL_TO_MGDL: Final = 18.0182

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.str_]
Mask = NDArray[np.bool_]
Column = NDArray[Any]


@dataclass(frozen=True, eq=False)
class UnifiedTrace:
    """Columns (n,), in the CSV's order: datetime64[ms], float64, int64 and, for the event, text of up to 16 letters."""

    sequence_id: Ints
    original_datetime: Times
    original_glucose: Floats
    quality: Ints
    event_type: Texts
    datetime: Times
    glucose: Floats
    carbs: Floats
    insulin_slow: Floats
    insulin_fast: Floats
    exercise: Floats

    def __len__(self) -> int:
        return len(self.datetime)

    def columns(self) -> list[Column]:
        return [getattr(self, name) for name in COLUMNS]

    def take(self, rows: Mask | Ints) -> Self:
        """The rows that a mask over them, or an array of their places, selects."""
        return type(self)(*(column[rows] for column in self.columns()))

    def to_csv(self) -> str:
        """The unified CSV, byte for byte as the original writes it."""
        texts: dict[int, list[str]] = {}
        for column in self.columns():
            texts.setdefault(id(column), _texts(column) if column is not self.exercise else _whole(column))
        rows = zip(*(texts[id(column)] for column in self.columns()), strict=True)
        return "\n".join([",".join(COLUMNS), *map(",".join, rows), ""])


COLUMNS: Final = tuple(field.name for field in fields(UnifiedTrace))
VALUES: Final = ("glucose", "carbs", "insulin_slow", "insulin_fast", "exercise")


def trace(times: ArrayLike, *, event_type: ArrayLike, quality: ArrayLike = 0, **values: ArrayLike) -> UnifiedTrace:
    """Events at `times` (n,) as a device reported them. A scalar holds for all n; what is not given is empty.

    values: some of glucose, carbs, insulin_slow, insulin_fast, exercise.
    """
    if unknown := values.keys() - set(VALUES):
        raise TypeError(f"a trace has no column {unknown}")
    when: Times = np.asarray(times, dtype="datetime64[ms]")
    columns: dict[str, Column] = {
        "sequence_id": np.zeros(len(when), np.int64),
        "quality": _filled(quality, when, np.int64),
        "event_type": _filled(event_type, when, "U16"),
        "original_datetime": when,
        "datetime": when,
    }
    columns |= {name: _filled(values.get(name, math.nan), when, np.float64) for name in VALUES}
    return UnifiedTrace(**columns, original_glucose=columns["glucose"])


def merge(traces: Sequence[UnifiedTrace]) -> UnifiedTrace:
    """All rows of some traces (at least one), in canonical order: by every column from left to right, empty first."""
    together = [np.concatenate(parts) for parts in zip(*(one.columns() for one in traces), strict=True)]
    order = np.lexsort([_sort_key(column) for column in reversed(together)])
    columns = {name: column[order] for name, column in zip(COLUMNS, together, strict=True)}
    for original, copy in (("original_datetime", "datetime"), ("original_glucose", "glucose")):
        if _equal(columns[original], columns[copy]):
            columns[copy] = columns[original]  # one array for both: the CSV then writes its texts once
    return UnifiedTrace(**columns)


def _filled(values: ArrayLike, times: Times, dtype: Any) -> Column:
    return np.broadcast_to(np.asarray(values, dtype=dtype), times.shape)


def _equal(one: Column, other: Column) -> bool:
    return np.array_equal(one.view(np.int64), other.view(np.int64))


def _sort_key(column: Column) -> Column:
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), -np.inf, column)
    if column.dtype.kind == "U":
        return np.unique(column, return_inverse=True)[1]
    return column


def _texts(column: Column) -> list[str]:
    if column.dtype.kind == "M":
        return list(np.datetime_as_string(column, unit="ms").tolist())
    if column.dtype.kind == "U":
        return list(column.tolist())
    distinct, places = np.unique(column, return_inverse=True)
    texts = [_number(value) for value in distinct.tolist()]
    return [texts[place] for place in places.tolist()]


def _whole(column: Floats) -> list[str]:
    return ["" if math.isnan(value) else str(int(value)) for value in column.tolist()]


def _number(value: float) -> str:
    """As the original's library writes it: Python's shortest form, but `0.00001` and `1e-6` for `1e-05` and `1e-06`.

    >>> _number(7.8), _number(0.00001), _number(0.0000025), _number(float("nan"))
    ('7.8', '0.00001', '2.5e-6', '')
    """
    if math.isnan(value):
        return ""
    text = repr(value)
    if "e-0" not in text:
        return text
    digits, _, exponent = text.partition("e-0")
    return f"{digits}e-{exponent}" if exponent != "5" else "0.0000" + digits.replace(".", "")
