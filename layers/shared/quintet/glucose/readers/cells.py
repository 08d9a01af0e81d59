"""Cells of a column to masks and numbers. A file repeats few different cells, so each is looked at once."""

import math
import re
from collections.abc import Callable, Collection, Sequence
from itertools import compress
from typing import Final

import numpy as np

from quintet.glucose.unified import Floats, Mask

LIMIT: Final = 10_000.0  # mg/dL, grams, units: nothing of the kind gets there
_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)


def number(cell: str, factor: float = 1.0) -> float:
    """The number in a cell, times a factor; NaN where it is empty, no number, or more than any sensor or pump gives.

    >>> number("7.8"), number("7,8"), number("1e308"), number("-5"), number("=1+1")
    (7.8, 7.8, nan, nan, nan)
    """
    if not _NUMBER.fullmatch(cell):
        return math.nan
    value = float(cell.replace(",", ".")) * factor
    return value if 0 <= value < LIMIT else math.nan


def numbers(cells: Collection[str], of: Callable[[str], float] = number) -> Floats:
    """`of` every cell."""
    known = {cell: of(cell) for cell in set(cells)}
    return np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))


def among(cells: Collection[str], accepted: Collection[str]) -> Mask:
    return np.fromiter(map(frozenset(accepted).__contains__, cells), np.bool_, len(cells))


def blank(cells: Collection[str]) -> Mask:
    return among(cells, {cell for cell in set(cells) if not cell.strip()})


def chosen(cells: Sequence[str], rows: Mask) -> list[str]:
    return list(compress(cells, rows.tolist()))
