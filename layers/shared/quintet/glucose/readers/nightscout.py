"""nightscout-exporter: a section of readings and one of treatments, behind lines that begin with #.

Times are as the browser's country writes them: the one form that reads the whole file, month-first where two do.
"""

import re
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData
from quintet.glucose.readers.cells import among, numbers
from quintet.glucose.readers.table import Source, Table
from quintet.glucose.readers.times import AU_BROWSER, EU_BROWSER, ISO, US_BROWSER, parse_best
from quintet.glucose.unified import Mask, Times, UnifiedTrace, trace

_DATE: Final = "Date"
_TIME: Final = "Time"
_GLUCOSE: Final = "Glucose (mg/dL)"
_EVENT: Final = "Event Type"
_INSULIN: Final = "Insulin (U)"
_CARBS: Final = "Carbs (g)"
_BOLUSES: Final = ["Bolus", "SMB", "Meal Bolus", "Correction Bolus"]

_SECTION: Final = re.compile(r"^[ \t]*# (CGM ENTRIES|TREATMENTS)", re.MULTILINE)


def read(text: str) -> list[UnifiedTrace]:
    entries, treatments = _sections(text)
    tables = [Table(entries, [_DATE, _TIME, _GLUCOSE])]
    if treatments:
        tables.append(Table(treatments, [_DATE, _TIME, _EVENT], [_INSULIN, _CARBS]))
    times = _times(tables)
    return [_readings(tables[0], times[0]), *(part for table in tables[1:] for part in _treatments(table, times[1]))]


def _sections(text: str) -> tuple[Source, Source | None]:
    """Readings, wherever they stand, and treatments, if any."""
    starts = _starts(text)
    ends = [*(start.start() for start in starts[1:]), len(text)]
    found = {"CGM ENTRIES": Source(text[: starts[0].start()] if starts else text)}
    for start, end in zip(starts, ends, strict=False):
        section = text[start.start() : end]
        if section.count("\n") > 1:
            found[start[1]] = Source(section, first_line=_line(text, start))
    return found["CGM ENTRIES"], found.get("TREATMENTS")


def _starts(text: str) -> list[re.Match[str]]:
    """In the order of the text. Raises MalformedData where a section comes twice, as in exports put together."""
    starts: dict[str, re.Match[str]] = {}
    for start in _SECTION.finditer(text):
        if start[1] in starts:
            raise MalformedData(
                f"Line {_line(text, start)}: the section '# {start[1]}' begins a second time. "
                "Send each export by itself, as it was exported."
            )
        starts[start[1]] = start
    return [*starts.values()]


def _line(text: str, start: re.Match[str]) -> int:
    return text.count("\n", 0, start.start()) + 1


def _times(tables: list[Table]) -> list[Times]:
    """Of every table, all by one form. Raises MalformedData where no form reads any."""
    cells = [f"{date} {time}" for table in tables for date, time in zip(table[_DATE], table[_TIME], strict=True)]
    times = parse_best(cells, [US_BROWSER, EU_BROWSER, AU_BROWSER, ISO])
    if cells and np.isnat(times).all():
        raise MalformedData(
            f"Line {tables[0].line(0)}: the columns '{_DATE}' and '{_TIME}' cannot be read here nor in any other row. "
            "Export the file with a browser set to English or to ISO dates."
        )
    return [times[: len(tables[0])], times[len(tables[0]) :]]


def _readings(table: Table, times: Times) -> UnifiedTrace:
    glucose = numbers(table[_GLUCOSE])
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
