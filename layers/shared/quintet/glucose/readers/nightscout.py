"""nightscout-exporter: a section of readings and one of treatments, behind lines that begin with #.

Times are as the browser's country writes them: the one form that reads the whole file, month-first where two do.
"""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData
from quintet.glucose.readers.cells import among, number, numbers
from quintet.glucose.readers.table import Names, Source, Table
from quintet.glucose.readers.times import AU_BROWSER, EU_BROWSER, ISO, US_BROWSER, parse_any, parse_best
from quintet.glucose.readers.units import Unit, unit_in, unit_of
from quintet.glucose.unified import Mask, Times, UnifiedTrace, trace

_DATE: Final = "Date"
_TIME: Final = "Time"
_GLUCOSE: Final = "Glucose (mg/dL)"
_GLUCOSE_MMOL: Final = "Glucose (mmol/L)"
_EVENT: Final = "Event Type"
_INSULIN: Final = "Insulin (U)"
_CARBS: Final = "Carbs (g)"
_BOLUSES: Final = ["Bolus", "SMB", "Meal Bolus", "Correction Bolus"]

_SECTION: Final = re.compile(r"^[ \t]*\"?# (CGM ENTRIES|TREATMENTS)", re.MULTILINE)


def read(text: str) -> list[UnifiedTrace]:
    entries, treatments = _sections(text)
    mmol = any(_GLUCOSE_MMOL in _english(names) for names in entries.headers())
    tables = [Table(entries, [_DATE, _TIME, _GLUCOSE_MMOL if mmol else _GLUCOSE], english=_english)]
    if treatments:
        tables.append(Table(treatments, [_DATE, _TIME, _EVENT], [_INSULIN, _CARBS]))
    times = _times(tables)
    readings = _readings(tables[0], times[0], Unit.MMOL_L if mmol else Unit.MG_DL)
    return [readings, *(part for table in tables[1:] for part in _treatments(table, times[1]))]


def _sections(text: str) -> tuple[Source, Source | None]:
    """Readings, wherever they stand, and treatments, if any."""
    whole = Source.of(text)
    text, starts = whole.text, _starts(whole)
    ends = [*(start.start() for start in starts[1:]), len(text)]
    found = {"CGM ENTRIES": replace(whole, text=text[: starts[0].start()] if starts else text)}
    for start, end in zip(starts, ends, strict=False):
        section = text[start.start() : end]
        if section.count("\n") > 1:
            found[start[1]] = replace(whole, text=section, first_line=_line(whole, start))
    return found["CGM ENTRIES"], found.get("TREATMENTS")


def _starts(source: Source) -> list[re.Match[str]]:
    """In the order of the text. Raises MalformedData where a section comes twice, as in exports put together."""
    starts: dict[str, re.Match[str]] = {}
    for start in _SECTION.finditer(source.text):
        if start[1] in starts:
            raise MalformedData(
                f"Line {_line(source, start)}: the section '# {start[1]}' begins a second time. "
                "Send each export by itself, as it was exported."
            )
        starts[start[1]] = start
    return [*starts.values()]


def _line(source: Source, start: re.Match[str]) -> int:
    return source.text.count("\n", 0, start.start()) + source.first_line


def _times(tables: list[Table]) -> list[Times]:
    """Of every table, all by one form. Raises MalformedData where no form reads any."""
    cells = [f"{date} {time}" for table in tables for date, time in zip(table[_DATE], table[_TIME], strict=True)]
    times = parse_best(cells, [US_BROWSER, EU_BROWSER, AU_BROWSER, ISO])
    times = parse_any(cells) if np.isnat(times).all() else times
    if cells and np.isnat(times).all():
        raise MalformedData(
            f"Line {tables[0].line(0)}: the columns '{_DATE}' and '{_TIME}' cannot be read here nor in any other row. "
            "Export the file with a browser set to English or to ISO dates."
        )
    return [times[: len(tables[0])], times[len(tables[0]) :]]


def _english(names: Names) -> Names:
    """The names, glucose with its unit as `mg/dL` or `mmol/L`."""
    units = {name: unit_in(name) for name in names if name.lower().startswith("glucose")}
    return [f"Glucose ({unit.value})" if (unit := units.get(name)) else name for name in names]


def _readings(table: Table, times: Times, unit: Unit) -> UnifiedTrace:
    column = f"Glucose ({unit.value})"
    unit_of(numbers(table[column]), column)
    glucose = numbers(table[column], lambda cell: number(cell, unit.to_mgdl))
    rows = ~np.isnan(glucose) & ~np.isnat(times)
    return trace(times[rows], event_type=unified.GLUCOSE, glucose=glucose[rows])


def _treatments(table: Table, times: Times) -> list[UnifiedTrace]:
    insulin, carbs = numbers(table[_INSULIN]), numbers(table[_CARBS])
    dosed: Mask = ~np.isnat(times) & (insulin > 0) & among(table[_EVENT], _BOLUSES)
    eaten: Mask = ~np.isnat(times) & (carbs > 0)
    return [
        trace(times[dosed], event_type=unified.INSULIN_FAST, insulin_fast=insulin[dosed]),
        trace(times[eaten], event_type=unified.CARBS, carbs=carbs[eaten]),
    ]
