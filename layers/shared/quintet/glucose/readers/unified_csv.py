"""The unified format itself, of any age: without `original_glucose` before 0.12, or with the data columns alone.

Where service columns are absent, an event is what its first value says it is.
"""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData, ZeroValidInput
from quintet.glucose.readers.cells import blank, numbers
from quintet.glucose.readers.table import Source, Table
from quintet.glucose.readers.times import ISO_FRACTION, local_times, parse, require_times
from quintet.glucose.readers.units import unit_of
from quintet.glucose.unified import Floats, Ints, Texts, Times, UnifiedTrace, trace

_TIME: Final = "datetime"
_ORIGINAL_TIME: Final = "original_datetime"
_EVENTS: Final = {
    "glucose": unified.GLUCOSE,
    "carbs": unified.CARBS,
    "insulin_slow": unified.INSULIN_SLOW,
    "insulin_fast": unified.INSULIN_FAST,
    "exercise": unified.EXERCISE_MEDIUM,
}
_CODE: Final = re.compile(r"[A-Z0-9_]{0,16}", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,15}(\.\d*)?", re.ASCII)


def read(text: str) -> list[UnifiedTrace]:
    optional = [name for name in unified.COLUMNS if name not in (_TIME, "glucose")]
    table = Table(Source.of(text), [_TIME, "glucose"], optional)
    if not len(table):
        raise ZeroValidInput("The file has a header and no rows: export a period in which the sensor was worn.")
    values = {name: numbers(table[name]) for name in ("glucose", "carbs", "insulin_slow", "insulin_fast")}
    values["exercise"] = np.trunc(numbers(table["exercise"], _count))
    times, event_types = _times(table, _TIME), _event_types(table, values)
    unit = unit_of(values["glucose"][event_types == unified.GLUCOSE], "glucose", strict=False)
    original = numbers(table["original_glucose"]) * unit.to_mgdl
    values["glucose"] = values["glucose"] * unit.to_mgdl
    plain = trace(times, event_type=event_types, quality=_integers(table, "quality"), **values)
    return [
        replace(
            plain,
            sequence_id=_integers(table, "sequence_id"),
            original_datetime=_original_times(table, times),
            original_glucose=np.where(np.isnan(original), plain.glucose, original),
        )
    ]


def _times(table: Table, column: str) -> Times:
    times = parse(table[column], ISO_FRACTION)
    if np.isnat(times).any():
        times = local_times(table[column])
    require_times(times, np.ones(len(table), np.bool_), table, column)
    return times


def _original_times(table: Table, times: Times) -> Times:
    if _ORIGINAL_TIME not in table:
        return times
    missing = blank(table[_ORIGINAL_TIME])
    originals = np.where(missing, times, parse(table[_ORIGINAL_TIME], ISO_FRACTION))
    require_times(originals, ~missing, table, _ORIGINAL_TIME)
    return originals


def _event_types(table: Table, values: dict[str, Floats]) -> Texts:
    if "event_type" not in table:
        present = [~np.isnan(values[name]) for name in _EVENTS]
        return np.select(present, list(_EVENTS.values()), unified.OTHER)
    cells = table["event_type"]
    unknown = {cell for cell in set(cells) if not _CODE.fullmatch(cell)}
    if unknown:
        row = next(place for place, cell in enumerate(cells) if cell in unknown)
        raise MalformedData(
            f"Line {table.line(row)}: column 'event_type' holds no event code. A code is up to 16 capital letters, "
            f"digits and underscores, as {unified.GLUCOSE}."
        )
    return np.array(cells)


def _integers(table: Table, column: str) -> Ints:
    """0 where a cell is empty or no number: not yet assigned, or good."""
    return np.nan_to_num(numbers(table[column], _count)).astype(np.int64)


def _count(cell: str) -> float:
    return float(cell) if _WHOLE.fullmatch(cell) else np.nan
