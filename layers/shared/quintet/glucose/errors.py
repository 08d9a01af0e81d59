"""What can be wrong with a glucose trace that somebody sends.

    InvalidInput
    ├── UnknownFormat           none of the layouts this room reads
    ├── MalformedData           the layout is known, a cell, line or quote is not as it must be
    │   └── MissingColumn       a column that the layout needs is absent
    └── ZeroValidInput          nothing in it that could be used

The names are those of the original's library. Messages name columns and lines, never what a cell holds.
"""

from quintet.kernel.errors import InvalidInput


class UnknownFormat(InvalidInput):
    """Not a file of a known layout."""


class MalformedData(InvalidInput):
    """A known layout, but something in it cannot be read."""


class MissingColumn(MalformedData):
    """A column without which the layout says nothing."""


class ZeroValidInput(InvalidInput):
    """Well formed, but without a usable reading."""
