"""Which layout a text has, by marks in its first lines."""

from enum import Enum
from typing import Final

from quintet.glucose.errors import UnknownFormat

_LINES: Final = 26


class Layout(Enum):
    UNIFIED = "unified"
    DEXCOM = "dexcom"
    DEXCOM_EU = "dexcom_eu"
    LIBRE = "libre"
    LIBRE_EU = "libre_eu"
    MEDTRONIC = "medtronic"
    NIGHTSCOUT = "nightscout"


# first match wins: a layout in mmol/L carries the marks of its mg/dL sibling too
_MARKS: Final = {
    Layout.DEXCOM_EU: ("Glucose Value (mmol/L)",),
    Layout.DEXCOM: (
        "Timestamp (YYYY-MM-DDThh:mm:ss)",
        "Event Type,Event Subtype",
        "Transmitter ID",
        "Transmitter Time (Long Integer)",
    ),
    Layout.LIBRE_EU: ("Historic Glucose mmol/L",),
    Layout.LIBRE: (
        "Glucose Data,Generated",
        "Historic Glucose mg/dL",
        "FreeStyle Libre",
        "Serial Number,Device Timestamp",
    ),
    Layout.MEDTRONIC: ("Sensor Glucose (mg/dL)",),
    Layout.NIGHTSCOUT: ("# CGM ENTRIES", "Date,Time,Glucose (mg/dL)"),
}

_NOT_READ: Final = {
    "Estimated Reservoir Volume after Fill (U)": "a Medtronic pump's export",
    "Libre GL": "a file of the CGMacros study",
    "Dexcom GL": "a file of the CGMacros study",
    "date,time,glucose,type,comments": "a file of the D1NAMO study",
    "logged_food": "a food log of the BIG IDEAs study",
    "searched_food": "a food log of the BIG IDEAs study",
}

READ: Final = "Dexcom Clarity, FreeStyle Libre (LibreView), Medtronic CareLink, nightscout-exporter and unified CSV"


def detect(start: str) -> Layout:
    """The layout of a text that begins with `start`. Raises UnknownFormat.

    >>> detect("Glucose Data,Generated on,01-02-2025 09:40 UTC").value
    'libre'
    """
    lines = start.lstrip().split("\n", _LINES)[:_LINES]
    if _is_unified(lines[0]):
        return Layout.UNIFIED
    marked = "\n".join(lines)
    for mark, what in _NOT_READ.items():
        if mark in marked:
            raise UnknownFormat(f"The file looks like {what}, which is not read here. Read are {READ}.")
    for layout, marks in _MARKS.items():
        if any(mark in marked for mark in marks):
            return layout
    raise UnknownFormat(
        f"The first {len(lines)} lines show none of the known layouts. Send the CSV file as it was exported, "
        f"with its header: {READ}."
    )


def _is_unified(header: str) -> bool:
    """Whether the first line names columns of the unified format; without the service columns, time and glucose."""
    columns = {name.strip().strip('"') for name in header.split(",")}
    if "annotations" in columns:
        raise UnknownFormat(
            "The file is in the extended unified format, which is not read here: leave out the columns after 'exercise'"
        )
    return bool(columns & {"sequence_id", "event_type", "quality"}) or {"datetime", "glucose"} <= columns
