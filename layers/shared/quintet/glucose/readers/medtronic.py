"""Medtronic Guardian Connect (CareLink): semicolons, decimal commas, sections that repeat the header.

A basal rate is a pump's rate and no dose: it is left out. A fingerstick is a meter's value and no sensor reading.
"""

import re
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, number, numbers
from quintet.glucose.readers.table import Cells, Source, Table
from quintet.glucose.readers.times import YEAR_FIRST, parse, require_times
from quintet.glucose.unified import Floats, UnifiedTrace, trace

_INDEX: Final = "Index"
_DATE: Final = "Date"
_TIME: Final = "Time"
_SENSOR: Final = "Sensor Glucose (mg/dL)"
_METER: Final = "BG Reading (mg/dL)"
_BOLUS: Final = "Bolus Volume Delivered (U)"
_CARBS: Final = "BWZ Carb Input (grams)"
_MARKER: Final = "Event Marker"

_MARKED_INSULIN: Final = re.compile(r"Insulin:\s*([\d,.]+)")
_MARKED_MEAL: Final = re.compile(r"Meal:\s*([\d,.]+)\s*grams?")


def read(text: str) -> list[UnifiedTrace]:
    table = Table(Source(text, ";"), [_INDEX, _DATE, _TIME, _SENSOR], [_METER, _BOLUS, _CARBS, _MARKER])
    times = parse([f"{date} {time}" for date, time in zip(table[_DATE], table[_TIME], strict=True)], YEAR_FIRST)
    outside = among(table[_DATE], ["", _DATE]) | among(table[_INDEX], [""]) | blank(table[_TIME])
    outside |= np.array([cell.startswith("-------") for cell in table[_INDEX]], np.bool_)

    def events(event_type: str, column: str, values: Floats) -> UnifiedTrace:
        rows = ~outside & ~np.isnan(values)
        require_times(times, rows, table, _TIME)
        return trace(times[rows], event_type=event_type, **{column: values[rows]})

    return [
        events(unified.GLUCOSE, "glucose", numbers(table[_SENSOR], _comma)),
        events(unified.GLUCOSE_METER, "glucose", numbers(table[_METER], _comma)),
        events(unified.INSULIN_FAST, "insulin_fast", _or_marked(table[_BOLUS], table[_MARKER], _MARKED_INSULIN)),
        events(unified.CARBS, "carbs", _or_marked(table[_CARBS], table[_MARKER], _MARKED_MEAL)),
    ]


def _comma(cell: str) -> float:
    return number(cell.replace(",", "."))


def _or_marked(cells: Cells, markers: Cells, pattern: re.Pattern[str]) -> Floats:
    """The column's values, and where it has none, those that the person noted as an event."""

    def marked(marker: str) -> float:
        match = pattern.search(marker)
        return _comma(match[1] if match else "")

    values = numbers(cells, _comma)
    return np.where(np.isnan(values), numbers(markers, marked), values)
