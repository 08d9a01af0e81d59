"""A picture of places, as data: what an adapter draws, whatever draws it. Coordinates are the picture's own, x to the
right and y upwards; colours are told as groups, so that one name has one colour throughout a picture.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sign = Literal["mast", "handover", "start", "end"]


@dataclass(frozen=True)
class Areas:
    """members: (H, W), of each pixel the group; doubtful: (H, W), which of them are hatched, and `doubt` says why."""

    members: NDArray[np.int64]
    doubtful: NDArray[np.bool_]
    doubt: str


@dataclass(frozen=True)
class Surface:
    """values: (H, W) in the unit that `label` names."""

    values: Floats
    label: str


@dataclass(frozen=True)
class Way:
    """points: (N, 2), joined in their order; group: None for no group."""

    points: Floats
    group: int | None


@dataclass(frozen=True)
class Marks:
    """points: (N, 2); names stand beside them where there are any; an empty label keeps them out of the legend."""

    points: Floats
    sign: Sign
    label: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    title: str
    surface: Areas | Surface | None = None
    ways: tuple[Way, ...] = ()
    marks: tuple[Marks, ...] = ()


@dataclass(frozen=True)
class Chart:
    """groups: their names, by number; extent: (left, right, bottom, top) of every surface, None where there is none;
    stretch: height of one unit of y over the width of one unit of x.
    """

    title: str
    x_label: str
    y_label: str
    panels: tuple[Panel, ...]
    groups: tuple[str, ...]
    extent: tuple[float, float, float, float] | None = None
    stretch: float = 1.0


class Drawing(Protocol):
    def png(self, chart: Chart) -> bytes: ...
