"""Vendors' exports, read and brought to the unified format.

>>> read(b"datetime,glucose\\n2025-05-01T00:01:47,144\\n").glucose.tolist()
[144.0]
"""

from collections.abc import Callable
from typing import Final

from quintet.glucose.errors import ZeroValidInput
from quintet.glucose.readers import dexcom, entries, libre, medtronic, nightscout, plain, unified_csv
from quintet.glucose.readers.detection import Layout, detect
from quintet.glucose.readers.text import decode, head
from quintet.glucose.unified import UnifiedTrace, merge

_READERS: Final[dict[Layout, Callable[[str], list[UnifiedTrace]]]] = {
    Layout.UNIFIED: unified_csv.read,
    Layout.DEXCOM: dexcom.read,
    Layout.LIBRE: libre.read,
    Layout.MEDTRONIC: medtronic.read,
    Layout.NIGHTSCOUT: nightscout.read,
    Layout.ENTRIES: entries.read,
    Layout.PLAIN: plain.read,
}


def read(content: bytes) -> UnifiedTrace:
    """The trace in an export of any layout this room knows, in canonical order.

    Raises UnknownFormat, MalformedData, MissingColumn or ZeroValidInput, and nothing else, for any bytes.
    """
    layout = detect(head(content))
    trace = merge(_READERS[layout](decode(content)))
    if not len(trace):
        raise ZeroValidInput(
            f"The file has the layout {layout.value}, but no event that can be used: no readings, carbs, insulin "
            "or exercise. Export a period in which the sensor was worn."
        )
    return trace
