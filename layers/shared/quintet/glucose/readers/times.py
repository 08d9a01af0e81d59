"""Cells to times, a column at a time.

A format has layouts of fixed width, read for all cells at once, and a pattern for the cells that differ from them
("2025-05-01 0:01:47"). Letters of a layout: Y M D h m s f; `_` is a blank or a T, the rest stands for itself.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from quintet.glucose.errors import MalformedData
from quintet.glucose.readers.table import Table
from quintet.glucose.unified import Floats, Ints, Mask, Times

_PAUSE: Final = np.timedelta64(30, "m")
_EPOCH: Final = re.compile(r"([1-9]\d{8}|[1-6]\d{9}|[1-9]\d{11}|[1-6]\d{12})(\.\d{0,9})?", re.ASCII)
_SECONDS: Final = 20_000_000_000  # no more than that; as milliseconds it would be 1970
_TWELVE_HOURS: Final = re.compile(r"[ap]\.?\s?m\.?\s*$", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s?(Z|[+-]\d{2}:?\d{2})$", re.ASCII)
_PARTS: Final = "YMDhmsf"
_LOWEST: Final = np.array([1900, 1, 1, 0, 0, 0, 0])  # a clock never set shows 1970 or 2000: an earlier year is damage
_HIGHEST: Final = np.array([2199, 12, 31, 23, 59, 59, 999])


@dataclass(frozen=True)
class TimeFormat:
    layouts: tuple[str, ...]
    pattern: re.Pattern[str]


def _format(pattern: str, *layouts: str) -> TimeFormat:
    for letter in "YMDhms":
        digits = "{4}" if letter == "Y" else "{1,2}"
        pattern = pattern.replace(f"<{letter}>", rf"\s*(?P<{letter}>[0-9]{digits})")
    return TimeFormat(layouts, re.compile(pattern + r"\s*"))


ISO: Final = _format(r"<Y>-<M>-<D>[T\s]<h>:<m>:<s>", "YYYY-MM-DD_hh:mm:ss")
ISO_FRACTION: Final = _format(
    r"<Y>-<M>-<D>[T\s]<h>:<m>:<s>(\.(?P<f>[0-9]{0,9}))?", "YYYY-MM-DD_hh:mm:ss.fff", "YYYY-MM-DD_hh:mm:ss"
)
YEAR_FIRST: Final = _format(r"<Y>[/-]<M>[/-]<D>[T\s]<h>:<m>:<s>", "YYYY/MM/DD_hh:mm:ss")
_CLOCK: Final = r"[,\s]\s*<h>:<m>(:<s>(\.(?P<f>[0-9]{0,9}))?)?(\s*(?P<p>[AaPp])\.?\s?[Mm]\.?)?"
YEAR_ANY: Final = _format(r"<Y>[-/.]<M>[-/.]<D>" + _CLOCK.replace(r"[,\s]", r"[T,\s]", 1), "YYYY-MM-DD_hh:mm")
DAY_FIRST: Final = _format(r"<D>[-/.]<M>[-/.]<Y>" + _CLOCK, "DD-MM-YYYY_hh:mm")
MONTH_FIRST: Final = _format(r"<M>[-/.]<D>[-/.]<Y>" + _CLOCK, "MM-DD-YYYY_hh:mm")
US_BROWSER: Final = _format(r"<M>/<D>/<Y>\s<h>:<m>:<s>\s(?P<p>[AaPp])[Mm]")
EU_BROWSER: Final = _format(r"<D>/<M>/<Y>\s<h>:<m>:<s>", "DD/MM/YYYY_hh:mm:ss")
AU_BROWSER: Final = _format(r"<D>/<M>/<Y>\s<h>:<m>:<s>\s(?P<p>[AaPp])[Mm]")


def parse(cells: Sequence[str], form: TimeFormat) -> Times:
    """datetime64[ms] (n,); NaT where a cell is not of the form, or no date.

    >>> parse(["2025-05-01 00:01:47", "2025-05-01 0:01:47", "2025-02-30 00:00:00"], ISO).astype(str).tolist()
    ['2025-05-01T00:01:47.000', '2025-05-01T00:01:47.000', 'NaT']
    """
    parts = np.zeros((len(cells), len(_PARTS)), np.int64)
    read = np.zeros(len(cells), np.bool_)
    for layout in form.layouts:
        left = np.flatnonzero(~read)
        parts[left], read[left] = _fixed([cells[place] for place in left.tolist()], layout)
    for place in np.flatnonzero(~read).tolist():
        if match := form.pattern.fullmatch(cells[place]):
            parts[place], read[place] = _matched(match), True
    return _assemble(parts, read)


def parse_best(cells: Sequence[str], forms: Sequence[TimeFormat]) -> Times:
    """By the form that reads most cells; of those that read as many, the one that leaves fewest gaps; else the first.

    >>> parse_best(["11-12-2024 09:40", "11-22-2024 09:40"], [DAY_FIRST, MONTH_FIRST]).astype("M8[D]").astype(str)
    array(['2024-11-12', '2024-11-22'], dtype='<U28')
    """
    readings = [parse(cells, form) for form in forms]
    most = max(np.count_nonzero(~np.isnat(times)) for times in readings)
    return max((times for times in readings if np.count_nonzero(~np.isnat(times)) == most), key=_unbroken)


def parse_any(cells: Sequence[str]) -> Times:
    """By the numeric form that fits, with or without seconds, twelve hours or twenty-four; see `parse_best`.

    Where all fit, the day stands before the month, but not beside AM and PM.
    """
    forms = [YEAR_ANY, DAY_FIRST, MONTH_FIRST]
    twelve_hours = any(_TWELVE_HOURS.search(cell) for cell in set(cells))
    return parse_best(cells, forms[::-1] if twelve_hours else forms)


def parse_zoned(cells: Sequence[str]) -> tuple[Times, Floats]:
    """Times as written, and by how many minutes they are ahead of UTC (n,): NaN where a cell names no zone."""
    zones = [_ZONE.search(cell) for cell in cells]
    bare = [cell[: zone.start()] if zone else cell for cell, zone in zip(cells, zones, strict=True)]
    offsets = [math.nan if zone is None else _offset(zone[1]) for zone in zones]
    return parse_any(bare), np.array(offsets, np.float64)


def epochs(cells: Sequence[str]) -> Times:
    """Times from seconds or milliseconds since 1970; NaT where a cell is neither.

    >>> epochs(["1714521707", "1714521707000", "2024"]).astype("M8[s]").astype(str).tolist()
    ['2024-05-01T00:01:47', '2024-05-01T00:01:47', 'NaT']
    """
    counts = [int(cell.partition(".")[0]) if _EPOCH.fullmatch(cell) else None for cell in cells]
    return np.array([count if count is None or count > _SECONDS else count * 1000 for count in counts], "M8[ms]")


def wall_clock(utc: Times, offsets: Floats) -> Times:
    """The clock of the latest time that has an offset (n,), in minutes, for all: so no hour comes twice or is missing.

    UTC itself where none has.
    """
    known = np.flatnonzero(~np.isnan(offsets) & ~np.isnat(utc))
    if not len(known):
        return utc
    return utc + np.timedelta64(int(offsets[known[np.argmax(utc[known])]]), "m")


def local_times(cells: Sequence[str]) -> Times:
    """The wall clock that cells show, or, where all name their zone, that of the latest for all; counts are UTC."""
    times, offsets = parse_zoned(cells)
    if np.isnat(times).all():
        return epochs(cells)
    if (np.isnan(offsets) & ~np.isnat(times)).any():
        return times
    return wall_clock(times - np.nan_to_num(offsets).astype("timedelta64[m]"), offsets)


def require_times(times: Times, wanted: Mask, table: Table, column: str) -> None:
    """Raises MalformedData at the first row that is wanted and has no readable time."""
    unreadable = np.flatnonzero(wanted & np.isnat(times))
    if len(unreadable):
        raise MalformedData(
            f"Line {table.line(int(unreadable[0]))}: the time in column '{column}' cannot be read, as in "
            f"{len(unreadable)} rows in all. All times of a file must have one form and be real dates: export it anew."
        )


def _offset(zone: str) -> float:
    """Minutes.

    >>> _offset("-07:30"), _offset("Z")
    (-450.0, 0.0)
    """
    if zone == "Z":
        return 0.0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return float(-minutes if zone[0] == "-" else minutes)


def _unbroken(times: Times) -> int:
    """How many readings follow another within half an hour: few where days and months are mistaken for each other."""
    return int(np.count_nonzero(np.diff(np.sort(times[~np.isnat(times)])) <= _PAUSE))


def _fixed(cells: list[str], layout: str) -> tuple[Ints, Mask]:
    """Parts (n, 7) of the cells that follow a layout, and which do."""
    width = len(layout)
    parts = np.zeros((len(cells), len(_PARTS)), np.int64)
    codes = np.array(cells, dtype=f"U{width + 1}").view(np.uint32).reshape(len(cells), width + 1)
    read: Mask = codes[:, width] == 0
    for place, letter in enumerate(layout):
        code = codes[:, place]
        if letter in _PARTS:
            digit = code.astype(np.int64) - ord("0")
            read &= (digit >= 0) & (digit <= 9)
            part = parts[:, _PARTS.index(letter)]
            part *= 10
            part += digit
        elif letter == "_":
            read &= (code == ord(" ")) | (code == ord("T"))
        else:
            read &= code == ord(letter)
    return parts, read


def _matched(match: re.Match[str]) -> list[int]:
    found = match.groupdict()
    parts = [int(found.get(letter) or 0) for letter in _PARTS[:-1]]
    if half := found.get("p"):
        parts[3] = parts[3] % 12 + 12 * (half in "pP") if 1 <= parts[3] <= 12 else 99
    return [*parts, int(f"{found.get('f') or ''}000"[:3])]


def _assemble(parts: Ints, read: Mask) -> Times:
    read = read & ((parts >= _LOWEST) & (parts <= _HIGHEST)).all(axis=1)
    year, month, day, hour, minute, second, millisecond = np.where(read[:, None], parts, _LOWEST).T
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    read &= days.astype("datetime64[M]") == months
    since_midnight = ((hour * 60 + minute) * 60 + second) * 1000 + millisecond
    return np.where(read, days.astype("datetime64[ms]") + since_midnight, np.datetime64("NaT", "ms"))
