"""FreeStyle Libre (LibreView, and the reader's own software): a preamble, a header, then a record a row, its kind in a
number.

LibreView writes its header in the language of the account, its columns always in one order: they are known by their
places, where the places of glucose name a unit. Day-month or month-day is told by all times of a file together.
"""

import re
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.readers.cells import among, blank, chosen, number, numbers
from quintet.glucose.readers.table import Names, Source, Table
from quintet.glucose.readers.times import parse_any, require_times
from quintet.glucose.readers.units import Unit, unit_in, unit_of
from quintet.glucose.unified import Floats, Mask, Times, UnifiedTrace, trace

_TIME: Final = "Device Timestamp"
_RECORD: Final = "Record Type"
_RAPID: Final = "Rapid-Acting Insulin (units)"
_LONG: Final = "Long-Acting Insulin Value (units)"
_LONG_RENAMED: Final = "Long-Acting Insulin (units)"
_CARBS: Final = "Carbohydrates (grams)"
_HISTORIC_GLUCOSE: Final = "Historic Glucose"
_SCAN_GLUCOSE: Final = "Scan Glucose"
_STRIP_GLUCOSE: Final = "Strip Glucose"

_LIBREVIEW: Final = {
    2: _TIME,
    3: _RECORD,
    4: _HISTORIC_GLUCOSE,
    5: _SCAN_GLUCOSE,
    7: _RAPID,
    9: _CARBS,
    12: _LONG,
    14: _STRIP_GLUCOSE,
}
_READER: Final = {1: _TIME, 2: _RECORD, 3: _HISTORIC_GLUCOSE, 4: _SCAN_GLUCOSE, 6: _RAPID, 12: _STRIP_GLUCOSE}
_GLUCOSE: Final = re.compile(r"(Historic|Scan|Strip) Glucose \(?(mg/dl|mmol/l)\)?", re.IGNORECASE)

_HISTORIC, _SCAN, _STRIP, _INSULIN, _FOOD = 0, 1, 2, 4, 5


def english(names: Names) -> Names:
    """The names in English, without brackets, glucose with its unit as `mg/dL` or `mmol/L`; any others as they are.

    >>> english(["Enhet", "Serienummer", "Tid", "Typ", "Historiskt mmol/l", "Skanna mmol/l"])[2:]
    ['Device Timestamp', 'Record Type', 'Historic Glucose mmol/L', 'Scan Glucose mmol/L']
    """
    if _TIME in names or "Historic Glucose" in " ".join(names):
        return [_unit_tidied(name) if name != "Time" else _TIME for name in names]
    places = _READER if names[:1] == ["ID"] else _LIBREVIEW
    if not _names_units(names, 3 if places is _READER else 4):
        return names
    return [_named(places[place], name) if place in places else name for place, name in enumerate(names)]


def recognises(names: Names) -> bool:
    return _TIME in english(names)


def _names_units(names: Names, first: int) -> bool:
    """Whether two neighbours name the same unit and the one before them none."""
    units = [unit_in(name) for name in names[first - 1 : first + 2]]
    return len(units) == 3 and units[0] is None and units[1] is not None and units[1] is units[2]


def _named(english_name: str, name: str) -> str:
    unit = unit_in(name)
    return english_name if unit is None else f"{english_name} {unit.value}"


def _unit_tidied(name: str) -> str:
    return _named(f"{found[1].capitalize()} Glucose", name) if (found := _GLUCOSE.fullmatch(name)) else name


def read(text: str) -> list[UnifiedTrace]:
    source = Source.of(text)
    unit = next((unit for unit in Unit if _column(_HISTORIC_GLUCOSE, unit) in _found(source)), Unit.MG_DL)
    historic, scan, strip = (_column(kind, unit) for kind in (_HISTORIC_GLUCOSE, _SCAN_GLUCOSE, _STRIP_GLUCOSE))
    optional = [scan, strip, _RAPID, _LONG, _LONG_RENAMED, _CARBS]
    table = Table(source, [_TIME, _RECORD, historic], optional, english)
    times = parse_any(table[_TIME])
    kinds = np.where(blank(table[_TIME]), np.nan, numbers(table[_RECORD]))
    require_times(times, np.isin(kinds, [_HISTORIC, _SCAN, _STRIP, _INSULIN, _FOOD]), table, _TIME)
    levels = {column: numbers(table[column]) for column in (historic, scan)}
    unit_of(np.concatenate([levels[historic][kinds == _HISTORIC], levels[scan][kinds == _SCAN]]), historic)

    def glucose(column: str, kind: int, event_type: str) -> UnifiedTrace:
        rows = kinds == kind
        levels = numbers(chosen(table[column], rows), lambda cell: number(cell, unit.to_mgdl))
        return trace(times[rows], event_type=event_type, glucose=levels)

    food = kinds == _FOOD
    return [
        glucose(historic, _HISTORIC, unified.GLUCOSE),
        glucose(scan, _SCAN, unified.GLUCOSE),
        glucose(strip, _STRIP, unified.CALIBRATION),
        _insulin(table, times, kinds == _INSULIN),
        trace(times[food], event_type=unified.CARBS, carbs=_numbers(table, _CARBS, food)),
    ]


def _column(kind: str, unit: Unit) -> str:
    return f"{kind} {unit.value}"


def _found(source: Source) -> Names:
    """All names in the first lines."""
    return [name for names in source.headers() for name in english(names)]


def _numbers(table: Table, column: str, rows: Mask) -> Floats:
    return numbers(chosen(table[column], rows))


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
