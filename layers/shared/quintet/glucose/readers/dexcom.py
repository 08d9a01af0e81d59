"""Dexcom Clarity: a header, rows about the patient and the alerts, then an event a row.

Rows without a time are about the patient. "High" and "Low" stand for what the sensor could not measure. Alerts,
calibrations and notes on health are left out, as the original does.

Clarity translates names and words into the language of the account, but keeps its columns in one order: they are known
by their places, where the time names its form and glucose its unit.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, chosen, number, numbers
from quintet.glucose.readers.table import Names, Source, Table
from quintet.glucose.readers.times import ISO, parse, parse_any, require_times
from quintet.glucose.readers.units import Unit, unit_in, unit_of
from quintet.glucose.unified import Mask, Times, UnifiedTrace, trace

_TIME: Final = "Timestamp (YYYY-MM-DDThh:mm:ss)"
_TYPE: Final = "Event Type"
_SUBTYPE: Final = "Event Subtype"
_INSULIN: Final = "Insulin Value (u)"
_CARBS: Final = "Carb Value (grams)"
_DURATION: Final = "Duration (hh:mm:ss)"

_AFTER_GLUCOSE: Final = [_INSULIN, _CARBS, _DURATION]
_TIME_FORM: Final = re.compile(r"\(\w{4}-\w{2}-\w{2}.?\w{2}:\w{2}:\w{2}\)")

_HIGH: Final = ("High", "Hoch", "Alto", "Alta", "Élevé", "Elevato", "Hoog", "Hög", "Högt", "Høj", "Høy", "Wysoki")
_LOW: Final = ("Low", "Niedrig", "Bajo", "Baja", "Bas", "Baixo", "Basso", "Laag", "Låg", "Lågt", "Lav", "Niski")
_BEYOND: Final = dict.fromkeys(_HIGH, 401.0) | dict.fromkeys(_LOW, 39.0)  # mg/dL in every edition
_LONG: Final = re.compile("long|lang|lång|lung|prolong|lent|retard|depot|basal|dług", re.IGNORECASE)
_EXERCISE: Final = {"Light": unified.EXERCISE_LIGHT, "Heavy": unified.EXERCISE_HEAVY}
_HMS: Final = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})", re.ASCII)


def english(names: Names) -> Names:
    """The names in English, the unit as `mg/dL` or `mmol/L`, where they are a Clarity export's; any others as they are.

    >>> english(["Index", "Tid (ÅÅÅÅ-MM-DDThh:mm:ss)", "Typ", "Undertyp", "", "", "", "Glukosvärde (mmol/l)"])[1::6]
    ['Timestamp (YYYY-MM-DDThh:mm:ss)', 'Glucose Value (mmol/L)']
    """
    if _TIME in names:
        return [_glucose(name) if name.lower().startswith("glucose value") else name for name in names]
    if not recognises(names):
        return names
    return [*names[:1], _TIME, _TYPE, _SUBTYPE, *names[4:7], _glucose(names[7]), *_AFTER_GLUCOSE, *names[11:]]


def recognises(names: Names) -> bool:
    """Whether names of any language stand where Clarity has them: the time with its form, glucose with its unit."""
    return len(names) > 7 and _TIME_FORM.search(names[1]) is not None and unit_in(names[7]) is not None


def _glucose(name: str) -> str:
    unit = unit_in(name)
    return name if unit is None else f"Glucose Value ({unit.value})"


def read(text: str) -> list[UnifiedTrace]:
    source = Source.of(text)
    mmol = any(_glucose("mmol/L") in english(names) for names in source.headers())
    unit = Unit.MMOL_L if mmol else Unit.MG_DL
    glucose = _glucose(unit.value)
    table = Table(source, [_TIME, _TYPE, glucose], [_SUBTYPE, _INSULIN, _CARBS, _DURATION], english)
    times = _times(table)
    in_english = any(_TIME in names for names in source.headers())
    rows = _Rows.by_type(table) if in_english else _Rows.by_columns(table, glucose)
    require_times(times, rows.readings | rows.insulin | rows.carbs | rows.exercise, table, _TIME)
    cells = chosen(table[glucose], rows.readings)
    unit_of(numbers(cells), glucose)
    return [
        _readings(times[rows.readings], cells, unit.to_mgdl),
        *_insulin(table, times, rows.insulin),
        trace(times[rows.carbs], event_type=unified.CARBS, carbs=numbers(chosen(table[_CARBS], rows.carbs))),
        _exercise(table, times, rows.exercise),
    ]


def _times(table: Table) -> Times:
    """As Clarity writes them; else as a spreadsheet does that has saved the file."""
    times = parse(table[_TIME], ISO)
    return times if (blank(table[_TIME]) | ~np.isnat(times)).all() else parse_any(table[_TIME])


@dataclass(frozen=True)
class _Rows:
    """Masks over the rows that have a time."""

    readings: Mask
    insulin: Mask
    carbs: Mask
    exercise: Mask

    @classmethod
    def by_type(cls, table: Table) -> Self:
        timed = ~blank(table[_TIME])
        readings = timed & among([kind.lower() for kind in table[_TYPE]], ["egv", "fasting glucose"])
        words = (["Insulin"], ["Carbs"], ["Exercise", "Activity"])
        return cls(readings, *(timed & among(table[_TYPE], kinds) for kinds in words))

    @classmethod
    def by_columns(cls, table: Table, glucose: str) -> Self:
        """By the column that is filled, as the words for types are translated.

        Of the types that have a glucose, the sensor's readings are the most frequent: calibrations are rare.
        """
        timed = ~blank(table[_TIME])
        measured, insulin, carbs = (timed & ~blank(table[name]) for name in (glucose, _INSULIN, _CARBS))
        exercise = timed & ~blank(table[_DURATION]) & ~(measured | insulin | carbs)
        types, places = np.unique(np.array(table[_TYPE], "U64"), return_inverse=True)
        counts = np.bincount(places[measured], minlength=len(types))
        readings = timed & (places == np.argmax(counts)) if measured.any() else measured
        return cls(readings, insulin & ~readings, carbs & ~readings, exercise & ~readings)


def _readings(times: Times, cells: list[str], to_mgdl: float) -> UnifiedTrace:
    beyond = among([cell.lower() for cell in cells], {word.lower() for word in _BEYOND})
    return trace(
        times,
        event_type=unified.GLUCOSE,
        quality=np.where(beyond, unified.OUT_OF_RANGE, 0),
        glucose=numbers(cells, lambda cell: _BEYOND.get(cell, number(cell, to_mgdl))),
    )


def _insulin(table: Table, times: Times, rows: Mask) -> list[UnifiedTrace]:
    slow = rows & among(table[_SUBTYPE], {kind for kind in set(table[_SUBTYPE]) if _LONG.search(kind)})
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
