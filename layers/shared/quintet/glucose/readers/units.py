"""mg/dL or mmol/L: what a column's name says, else what its values can only be.

No sensor shows less than 39 mg/dL or more than 28 mmol/L, so a column whose values lie below 30 is in mmol/L, one whose
values lie above in mg/dL, and one that has many of both in neither. A name that contradicts its values is refused: one
of the two is wrong, and nobody can know which.
"""

import re
from enum import Enum
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData
from quintet.glucose.unified import Floats

_BETWEEN: Final = 30.0
_STRAY: Final = 0.1  # part of the values that may lie where none should
_NO_MG_DL: Final = 20.0  # where meters end, 1.1 mmol/L
_NO_MMOL_L: Final = 40.0
_ENOUGH: Final = 12  # values: so many have a decimal among them where they are in mmol/L
_UNIT: Final = re.compile(r"(?P<MG_DL>\bmg\s?/?\s?dl\b)|(?P<MMOL_L>\bmmol\s?/?\s?l\b)", re.IGNORECASE)


class Unit(Enum):
    MG_DL = "mg/dL"
    MMOL_L = "mmol/L"

    @property
    def to_mgdl(self) -> float:
        return 1.0 if self is Unit.MG_DL else unified.MMOL_TO_MGDL


def unit_in(name: str) -> Unit | None:
    """The unit that a column's name ends with or has in brackets.

    >>> unit_in("Glukosewert (mmol/l)"), unit_in("glucose")
    (<Unit.MMOL_L: 'mmol/L'>, None)
    """
    found = _UNIT.search(name)
    return None if found is None else Unit[str(found.lastgroup)]


def unit_of(values: Floats, column: str, *, strict: bool = True) -> Unit:
    """The unit of glucose `values` (n,), as in the file, NaN where it has none, in a column of that name.

    Raises MalformedData where its name and its values contradict each other, or its values fit no one unit: if
    `strict`, one that only the other unit has is enough.
    """
    known = values[~np.isnan(values)]
    named = unit_in(column)
    if not len(known):
        return named or Unit.MG_DL
    unit = _unit_by_values(known, column)
    if named not in (None, unit):
        raise MalformedData(
            f"Column '{column}' says {named.value}, but its values can only be {unit.value}. Correct the unit in the "
            "header, or export the file anew."
        )
    if strict:
        _require_one_unit(known, unit, column)
    if unit is Unit.MMOL_L:
        _require_decimals(known, column, least=_ENOUGH if named else 1)
    return unit


def _unit_by_values(known: Floats, column: str) -> Unit:
    low = np.mean(known < _BETWEEN)
    if low < _STRAY:
        return Unit.MG_DL
    if low > 1 - _STRAY and np.mean(known * Unit.MMOL_L.to_mgdl < _BETWEEN) < _STRAY:
        return Unit.MMOL_L
    raise _neither(column)


def _require_one_unit(known: Floats, unit: Unit, column: str) -> None:
    """It would be a low, or a high, that never was."""
    foreign = (known > 0) & (known < _NO_MG_DL) if unit is Unit.MG_DL else known > _NO_MMOL_L
    if foreign.any():
        raise _neither(column)


def _neither(column: str) -> MalformedData:
    return MalformedData(
        f"Column '{column}' fits neither mg/dL nor mmol/L: its values are of both units, or too low for any sensor. "
        "Send values of one unit."
    )


def _require_decimals(known: Floats, column: str, *, least: int) -> None:
    if len(known) >= least and (known % 1 == 0).all():
        raise MalformedData(
            f"Column '{column}' holds only whole numbers below {_BETWEEN:.0f}, and mmol/L have a decimal: it was cut "
            "off, or its comma taken for the end of a cell. Export the file anew, and save it with no other program."
        )
