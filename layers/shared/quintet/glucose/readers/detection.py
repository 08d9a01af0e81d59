"""Which layout a text has, by marks in its first lines, else by its columns, in any language."""

from collections.abc import Callable
from enum import Enum
from typing import Final

from quintet.glucose.errors import UnknownFormat
from quintet.glucose.readers import dexcom, entries, libre, medtronic, plain
from quintet.glucose.readers.table import Names, Source

_LINES: Final = 26


class Layout(Enum):
    UNIFIED = "unified"
    DEXCOM = "dexcom"
    LIBRE = "libre"
    MEDTRONIC = "medtronic"
    NIGHTSCOUT = "nightscout"
    ENTRIES = "nightscout_entries"
    PLAIN = "plain"


_MARKS: Final = {
    Layout.DEXCOM: (
        "Glucose Value (mmol/L)",
        "Timestamp (YYYY-MM-DDThh:mm:ss)",
        "Event Type,Event Subtype",
        "Transmitter ID",
        "Transmitter Time (Long Integer)",
    ),
    Layout.LIBRE: (
        "Historic Glucose mmol/L",
        "Glucose Data,Generated",
        "Historic Glucose mg/dL",
        "Serial Number,Device Timestamp",
    ),
    Layout.MEDTRONIC: ("Sensor Glucose (mg/dL)", "Estimated Reservoir Volume after Fill (U)"),
    Layout.NIGHTSCOUT: ("# CGM ENTRIES", "Date,Time,Glucose (mg/dL)"),
}

_COLUMNS: Final[dict[Layout, Callable[[Names], bool]]] = {
    Layout.DEXCOM: dexcom.recognises,
    Layout.LIBRE: libre.recognises,
    Layout.MEDTRONIC: medtronic.recognises,
    Layout.ENTRIES: entries.recognises,
}

_NOT_READ: Final = {
    "Libre GL": "a file of the CGMacros study",
    "Dexcom GL": "a file of the CGMacros study",
    "date,time,glucose,type,comments": "a file of the D1NAMO study",
    "logged_food": "a food log of the BIG IDEAs study",
    "searched_food": "a food log of the BIG IDEAs study",
}

READ: Final = (
    "Dexcom Clarity, FreeStyle Libre (LibreView), Medtronic CareLink, Nightscout (entries, nightscout-exporter), "
    "unified CSV, and any CSV whose header names a time and a glucose, as 'time,glucose (mg/dL)'"
)


def detect(start: str) -> Layout:
    """The layout of a text that begins with `start`. Raises UnknownFormat.

    >>> detect("Glucose Data,Generated on,01-02-2025 09:40 UTC").value
    'libre'
    """
    start = start.lstrip()
    if start[:1] in ("[", "{"):
        return Layout.ENTRIES
    source = Source.of(start)
    headers = source.headers()
    if headers and _is_unified(headers[0]):
        return Layout.UNIFIED
    lines = source.text.split("\n", _LINES)[:_LINES]
    return _of(headers, "\n".join(lines))


def _of(headers: list[Names], start: str) -> Layout:
    if layout := _by_marks(start) or _by_columns(headers):
        return layout
    if any(plain.recognises(names) for names in headers):
        return Layout.PLAIN
    if "FreeStyle Libre" in start:
        return Layout.LIBRE
    raise UnknownFormat(
        f"The first {len(headers)} lines show none of the known layouts. Send the CSV file as it was exported, "
        f"with its header: {READ}."
    )


def _by_marks(start: str) -> Layout | None:
    for mark, what in _NOT_READ.items():
        if mark in start:
            raise UnknownFormat(f"The file looks like {what}, which is not read here. Read are {READ}.")
    return next((layout for layout, marks in _MARKS.items() if any(mark in start for mark in marks)), None)


def _by_columns(headers: list[Names]) -> Layout | None:
    return next((layout for layout, knows in _COLUMNS.items() if any(map(knows, headers))), None)


def _is_unified(names: Names) -> bool:
    """Whether they are columns of the unified format; without the service columns, time and glucose."""
    columns = set(names)
    if "annotations" in columns:
        raise UnknownFormat(
            "The file is in the extended unified format, which is not read here: leave out the columns after 'exercise'"
        )
    return bool(columns & {"sequence_id", "event_type", "quality"}) or {"datetime", "glucose"} <= columns
