"""FreeStyle Libre (LibreView): a preamble, a header, then a record a row, its kind in a number.

Day-month or month-day is told by all times of a file together; where both fit, it is day-month.
"""

from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, chosen, number, numbers
from quintet.glucose.readers.table import Source, Table
from quintet.glucose.readers.times import DAY_FIRST, MONTH_FIRST, parse_best, require_times
from quintet.glucose.unified import Mask, Times, UnifiedTrace, trace

_TIME: Final = "Device Timestamp"
_RECORD: Final = "Record Type"
_RAPID: Final = "Rapid-Acting Insulin (units)"
_LONG: Final = "Long-Acting Insulin Value (units)"
_LONG_RENAMED: Final = "Long-Acting Insulin (units)"
_CARBS: Final = "Carbohydrates (grams)"

_HISTORIC, _SCAN, _STRIP, _INSULIN, _FOOD = 0, 1, 2, 4, 5


def read(text: str) -> list[UnifiedTrace]:
    return _read(text, "mg/dL", 1.0)


def read_mmol(text: str) -> list[UnifiedTrace]:
    return _read(text, "mmol/L", unified.MMOL_TO_MGDL)


def _read(text: str, unit: str, to_mgdl: float) -> list[UnifiedTrace]:
    historic, scan, strip = (f"{kind} Glucose {unit}" for kind in ("Historic", "Scan", "Strip"))
    table = Table(Source(text), [_TIME, _RECORD, historic], [scan, strip, _RAPID, _LONG, _LONG_RENAMED, _CARBS])
    times = parse_best(table[_TIME], [DAY_FIRST, MONTH_FIRST])
    kinds = np.where(blank(table[_TIME]), np.nan, numbers(table[_RECORD]))
    require_times(times, np.isin(kinds, [_HISTORIC, _SCAN, _STRIP, _INSULIN, _FOOD]), table, _TIME)

    def glucose(column: str, kind: int, event_type: str) -> UnifiedTrace:
        rows = kinds == kind
        levels = numbers(chosen(table[column], rows), lambda cell: number(cell, to_mgdl))
        return trace(times[rows], event_type=event_type, glucose=levels)

    food = kinds == _FOOD
    return [
        glucose(historic, _HISTORIC, unified.GLUCOSE),
        glucose(scan, _SCAN, unified.GLUCOSE),
        glucose(strip, _STRIP, unified.CALIBRATION),
        _insulin(table, times, kinds == _INSULIN),
        trace(times[food], event_type=unified.CARBS, carbs=numbers(chosen(table[_CARBS], food))),
    ]


def _insulin(table: Table, times: Times, rows: Mask) -> UnifiedTrace:
    """One row may give both kinds; it is then named after the rapid one."""
    rapid = chosen(table[_RAPID], rows)
    long = chosen(table[_LONG if _LONG in table else _LONG_RENAMED], rows)
    only_long = among(rapid, [""]) & ~among(long, [""])
    return trace(
        times[rows],
        event_type=np.where(only_long, unified.INSULIN_SLOW, unified.INSULIN_FAST),
        insulin_fast=numbers(rapid),
        insulin_slow=numbers(long),
    )
