"""Medtronic CareLink, of Guardian Connect or of a pump with a sensor: sections that repeat the header.

A basal rate is a pump's rate and no dose: it is left out. A fingerstick is a meter's value and no sensor reading.
"""

import re
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, number, numbers
from quintet.glucose.readers.table import Cells, Names, Source, Table
from quintet.glucose.readers.times import YEAR_FIRST, parse, parse_any, require_times
from quintet.glucose.readers.units import Unit, unit_in, unit_of
from quintet.glucose.unified import Floats, UnifiedTrace, trace

_INDEX: Final = "Index"
_DATE: Final = "Date"
_TIME: Final = "Time"
_SENSOR: Final = "Sensor Glucose"
_METER: Final = "BG Reading"
_BOLUS: Final = "Bolus Volume Delivered (U)"
_CARBS: Final = "BWZ Carb Input (grams)"
_MARKER: Final = "Event Marker"

_GLUCOSE: Final = re.compile(r"(Sensor Glucose|BG Reading) \([^)]*\)", re.IGNORECASE)
_MARKED_INSULIN: Final = re.compile(r"Insulin:\s*([\d,.]+)")
_MARKED_MEAL: Final = re.compile(r"Meal:\s*([\d,.]+)\s*grams?")


def english(names: Names) -> Names:
    """The names, glucose with its unit as `mg/dL` or `mmol/L`."""
    return [_GLUCOSE.sub(_with_unit, name) for name in names]


def recognises(names: Names) -> bool:
    return {_INDEX, _DATE, _TIME} < set(names) and any(name.startswith(_SENSOR) for name in names)


def _with_unit(name: re.Match[str]) -> str:
    unit = unit_in(name[0])
    return f"{name[1]} ({unit.value})" if unit else name[0]


def read(text: str) -> list[UnifiedTrace]:
    source = Source.of(text)
    mmol = any(f"{_SENSOR} ({Unit.MMOL_L.value})" in english(names) for names in source.headers())
    unit = Unit.MMOL_L if mmol else Unit.MG_DL
    sensor, meter = f"{_SENSOR} ({unit.value})", f"{_METER} ({unit.value})"
    table = Table(source, [_INDEX, _DATE, _TIME, sensor], [meter, _BOLUS, _CARBS, _MARKER], english)
    cells = [f"{date} {time}" for date, time in zip(table[_DATE], table[_TIME], strict=True)]
    times = parse(cells, YEAR_FIRST)
    times = parse_any(cells) if np.isnat(times).all() else times
    outside = among(table[_DATE], ["", _DATE]) | among(table[_INDEX], [""]) | blank(table[_TIME])
    outside |= np.array([cell.startswith("-------") for cell in table[_INDEX]], np.bool_)
    unit_of(numbers(table[sensor])[~outside], sensor)

    def events(event_type: str, column: str, values: Floats) -> UnifiedTrace:
        rows = ~outside & ~np.isnan(values)
        require_times(times, rows, table, _TIME)
        return trace(times[rows], event_type=event_type, **{column: values[rows]})

    def glucose(column: str) -> Floats:
        return numbers(table[column], lambda cell: number(cell, unit.to_mgdl))

    return [
        events(unified.GLUCOSE, "glucose", glucose(sensor)),
        events(unified.GLUCOSE_METER, "glucose", glucose(meter)),
        events(unified.INSULIN_FAST, "insulin_fast", _or_marked(table[_BOLUS], table[_MARKER], _MARKED_INSULIN)),
        events(unified.CARBS, "carbs", _or_marked(table[_CARBS], table[_MARKER], _MARKED_MEAL)),
    ]


def _or_marked(cells: Cells, markers: Cells, pattern: re.Pattern[str]) -> Floats:
    """The column's values, and where it has none, those that the person noted as an event."""

    def marked(marker: str) -> float:
        match = pattern.search(marker)
        return number(match[1] if match else "")

    values = numbers(cells)
    return np.where(np.isnan(values), numbers(markers, marked), values)
