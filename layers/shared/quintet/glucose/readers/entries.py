"""Nightscout's own `entries`: JSON of its API or of a database dump, or its CSV, with a header (v3) or without (v1).

Their time is UTC, with the offset of the clock on the wall. The whole trace gets the clock of its latest reading, so
that a change to or from summer time makes no hour that is missing or comes twice.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData, UnknownFormat
from quintet.glucose.readers.cells import number, numbers
from quintet.glucose.readers.table import MOST_ROWS, Names, Source, Table
from quintet.glucose.readers.times import epochs, parse_zoned, wall_clock
from quintet.glucose.readers.units import Unit, unit_of
from quintet.glucose.unified import Floats, Mask, Times, UnifiedTrace, trace

_SENSOR: Final = "sgv"
_METER: Final = "mbg"
_TYPE: Final = "type"
_EPOCH: Final = "date"
_TEXT: Final = "dateString"
_OFFSET: Final = "utcOffset"
_COLUMNS: Final = (_SENSOR, _METER, _TYPE, _EPOCH, _TEXT, _OFFSET)
_V1: Final = (_TEXT, _EPOCH, _SENSOR)  # its first columns; direction and device follow

_ERROR_CODES: Final = 13  # mg/dL: a Dexcom sensor says with a whole number below that why it has none
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)
_MILLISECONDS: Final = re.compile(r"\d{12,13}", re.ASCII)

_Columns = dict[str, list[str]]


def recognises(names: Names) -> bool:
    """Whether they are the CSV's header, or, in the old form, which has none, its first line."""
    return (_SENSOR in names and bool({_EPOCH, _TEXT} & set(names))) or _is_v1(names)


def _is_v1(names: Names) -> bool:
    return len(names) >= 3 and bool(_ISO.match(names[0]) and _MILLISECONDS.fullmatch(names[1]))


def read(text: str) -> list[UnifiedTrace]:
    columns = _from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_csv(text)
    times = _times(columns)
    sensor, meter = numbers(columns[_SENSOR]), numbers(columns[_METER])
    kinds = np.array(columns[_TYPE], "U8")
    unit = unit_of(sensor[~_is_code(sensor)], _SENSOR) if (sensor >= _ERROR_CODES).any() else unit_of(sensor, _SENSOR)
    measured = ~np.isnan(sensor) & ((kinds == _SENSOR) | (kinds == ""))
    measured &= ~_is_code(sensor) if unit is Unit.MG_DL else sensor > 0
    return [
        _events(columns, times, measured, unified.GLUCOSE, sensor * unit.to_mgdl),
        _events(columns, times, ~np.isnan(meter) & (kinds == _METER), unified.GLUCOSE_METER, meter * unit.to_mgdl),
    ]


def _is_code(values: Floats) -> Mask:
    return np.asarray((values < _ERROR_CODES) & (values % 1 == 0))


def _events(columns: _Columns, times: Times, rows: Mask, event_type: str, glucose: Floats) -> UnifiedTrace:
    if unreadable := np.count_nonzero(rows & np.isnat(times)):
        place = int(np.flatnonzero(rows & np.isnat(times))[0])
        raise MalformedData(
            f"Entry {place + 1}: neither '{_EPOCH}' nor '{_TEXT}' can be read, as in {unreadable} entries in all. "
            "Download the entries anew."
        )
    return trace(times[rows], event_type=event_type, glucose=glucose[rows])


def _times(columns: _Columns) -> Times:
    """On the wall; NaT where an entry has none that can be read."""
    counted = epochs(columns[_EPOCH])
    texts, zones = parse_zoned(columns[_TEXT])
    utc = np.where(np.isnat(counted), texts - np.nan_to_num(zones).astype("timedelta64[m]"), counted)
    offsets = numbers(columns[_OFFSET], _offset)
    return wall_clock(utc, np.where(np.isnan(offsets), zones, offsets))


def _offset(cell: str) -> float:
    sign, digits = (-1, cell[1:]) if cell.startswith("-") else (1, cell)
    minutes = number(digits)
    return sign * minutes if minutes <= 14 * 60 else math.nan


def _from_json(text: str) -> _Columns:
    content = _parsed(text)
    if isinstance(content, dict):
        content = content.get("result", content.get("entries", [content]))
    entries = [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []
    if not any({_SENSOR, _METER} & entry.keys() and {_EPOCH, _TEXT} & entry.keys() for entry in entries):
        raise UnknownFormat(
            "The file is JSON, but holds no entries of Nightscout: an array of objects that have "
            f"'{_SENSOR}' with '{_EPOCH}' or '{_TEXT}' is read."
        )
    if len(entries) > MOST_ROWS:
        raise MalformedData(f"The file has more than {MOST_ROWS} entries: no sensor writes so many. Send a part of it.")
    return {name: [_cell(entry, name) for entry in entries] for name in _COLUMNS}


def _parsed(text: str) -> object:
    """Of one JSON text, or of one a line, as a database's dump has them."""
    try:
        one_a_line = text.lstrip().startswith("{") and "\n{" in text.strip()
        return json.loads(f"[{','.join(filter(str.strip, text.splitlines()))}]" if one_a_line else text)
    except (ValueError, RecursionError):
        raise MalformedData("The file looks like JSON, but is not whole: download the entries anew.") from None


def _cell(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    if isinstance(value, dict):  # as a dump of the database writes numbers and times
        value = next(iter(value.values()), None)
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, (str, int)) and _is_short(value) else ""


def _is_short(value: str | int) -> bool:
    return len(value) <= 40 if isinstance(value, str) else abs(value) < 10**15


def _from_csv(text: str) -> _Columns:
    source = Source.of(text)
    if _is_v1(source.names(text.split("\n", 1)[0])):
        source = Source(source.delimiter.join(_V1) + "\n" + source.text, source.delimiter, source.first_line - 1)
    required: Sequence[str] = [_SENSOR, _EPOCH]
    if not any(_EPOCH in names for names in source.headers()):
        required = [_SENSOR, _TEXT]
    table = Table(source, required, [name for name in _COLUMNS if name not in required])
    return {name: list(table[name]) for name in _COLUMNS}
