"""Dexcom Clarity: a header, rows about the patient and the alerts, then an event a row.

Rows without a time are about the patient. "High" and "Low" stand for what the sensor could not measure. Alerts,
calibrations and notes on health are left out, as the original does.
"""

import math
import re
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, chosen, number, numbers
from quintet.glucose.readers.table import Source, Table
from quintet.glucose.readers.times import ISO, parse, require_times
from quintet.glucose.unified import Mask, Times, UnifiedTrace, trace

_TIME: Final = "Timestamp (YYYY-MM-DDThh:mm:ss)"
_TYPE: Final = "Event Type"
_SUBTYPE: Final = "Event Subtype"
_INSULIN: Final = "Insulin Value (u)"
_CARBS: Final = "Carb Value (grams)"
_DURATION: Final = "Duration (hh:mm:ss)"

_BEYOND: Final = {"High": 401.0, "Low": 39.0}  # mg/dL in every edition
_EXERCISE: Final = {"Light": unified.EXERCISE_LIGHT, "Heavy": unified.EXERCISE_HEAVY}
_HMS: Final = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})", re.ASCII)


def read(text: str) -> list[UnifiedTrace]:
    return _read(text, "Glucose Value (mg/dL)", 1.0)


def read_mmol(text: str) -> list[UnifiedTrace]:
    return _read(text, "Glucose Value (mmol/L)", unified.MMOL_TO_MGDL)


def _read(text: str, glucose: str, to_mgdl: float) -> list[UnifiedTrace]:
    table = Table(Source(text), [_TIME, _TYPE, glucose], [_SUBTYPE, _INSULIN, _CARBS, _DURATION])
    times = parse(table[_TIME], ISO)
    timed = ~blank(table[_TIME])
    readings = timed & among([kind.lower() for kind in table[_TYPE]], ["egv", "fasting glucose"])
    insulin = timed & among(table[_TYPE], ["Insulin"])
    carbs = timed & among(table[_TYPE], ["Carbs"])
    exercise = timed & among(table[_TYPE], ["Exercise", "Activity"])
    require_times(times, readings | insulin | carbs | exercise, table, _TIME)
    return [
        _readings(times[readings], chosen(table[glucose], readings), to_mgdl),
        *_insulin(table, times, insulin),
        trace(times[carbs], event_type=unified.CARBS, carbs=numbers(chosen(table[_CARBS], carbs))),
        _exercise(table, times, exercise),
    ]


def _readings(times: Times, cells: list[str], to_mgdl: float) -> UnifiedTrace:
    beyond = among([cell.lower() for cell in cells], ["high", "low"])
    return trace(
        times,
        event_type=unified.GLUCOSE,
        quality=np.where(beyond, unified.OUT_OF_RANGE, 0),
        glucose=numbers(cells, lambda cell: _BEYOND.get(cell, number(cell, to_mgdl))),
    )


def _insulin(table: Table, times: Times, rows: Mask) -> list[UnifiedTrace]:
    slow = rows & among(table[_SUBTYPE], ["Long-Acting"])
    fast = rows & ~slow
    return [
        trace(times[slow], event_type=unified.INSULIN_SLOW, insulin_slow=numbers(chosen(table[_INSULIN], slow))),
        trace(times[fast], event_type=unified.INSULIN_FAST, insulin_fast=numbers(chosen(table[_INSULIN], fast))),
    ]


def _exercise(table: Table, times: Times, rows: Mask) -> UnifiedTrace:
    intensities = [_EXERCISE.get(cell, unified.EXERCISE_MEDIUM) for cell in chosen(table[_SUBTYPE], rows)]
    seconds = numbers(chosen(table[_DURATION], rows), _seconds)
    return trace(times[rows], event_type=intensities, exercise=seconds)


def _seconds(cell: str) -> float:
    """Of h:mm:ss; NaN where it is something else.

    >>> _seconds("0:30:00")
    1800.0
    """
    match = _HMS.fullmatch(cell)
    return math.nan if match is None else float(int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]))
