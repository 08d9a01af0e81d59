"""What the charts of a report share: a frame with two scales, its ticks and its names."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quintet.kernel.drawing import Point, line, rectangle, text, turned_text
from quintet.kernel.scale import Scale, round_ticks

BLUE, VERMILLION, GREEN, ORANGE = "#0072b2", "#d55e00", "#00735a", "#e69f00"
"""Of Okabe and Ito's palette, which people of any colour vision tell apart; the green a little darker, for lines."""

BAR, GAP, COUNT = "#4095c6", "#f4ceb3", "#9ea6b3"
"""Lighter, for areas: of the blue, of the vermillion, of the grey."""

THOUSANDS = 10_000
"""Where an axis reaches so far, its labels are told in thousands."""

GREY, GRID = "#5d6b80", "#dce3ec"


@dataclass(frozen=True)
class Frame:
    """Where the data go."""

    left: float
    right: float
    top: float
    bottom: float
    x: Scale[float]
    y: Scale[float]

    def point(self, x: float, y: float) -> Point:
        return Point(self.x(x), self.y(y))

    def points(self, xs: Iterable[float], ys: Iterable[float]) -> list[Point]:
        return [self.point(x, y) for x, y in zip(xs, ys, strict=True)]

    @property
    def middle(self) -> Point:
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    def bar(self, low: float, high: float, start: float, end: float, **attributes: str | float) -> str:
        """A rectangle from `low` to `high` along x and from `start` to `end` along y."""
        left, right = sorted((self.x(low), self.x(high)))
        top, bottom = sorted((self.y(start), self.y(end)))
        return rectangle(left, top, right - left, bottom - top, **attributes)


def frame(
    left: float, top: float, width: float, height: float, xs: tuple[float, float], ys: tuple[float, float]
) -> Frame:
    """A frame whose scales go from edge to edge."""
    right, bottom = left + width, top + height
    x, y = Scale(*xs, start=left, end=right), Scale(*ys, start=bottom, end=top)
    return Frame(left, right, top, bottom, x, y)


def value_axis(panel: Frame, name: str = "", *, most: int = 6, whole: bool = False) -> Iterator[str]:
    for value, label in ticks(panel.y.low, panel.y.high, most, whole=whole):
        y = panel.y(value)
        yield line(Point(panel.left, y), Point(panel.right, y), stroke=GRID)
        yield text(label, panel.left - 6, y + 3.8, font_size=11, text_anchor="end")
    if name:
        yield turned_text(name, panel.left - 42, panel.middle.y, text_anchor="middle")


def category_axis(panel: Frame, name: str = "", *, most: int = 6, whole: bool = False) -> Iterator[str]:
    """The axis below."""
    yield line(Point(panel.left, panel.bottom), Point(panel.right, panel.bottom), stroke=GREY)
    for value, label in ticks(panel.x.low, panel.x.high, most, whole=whole):
        x = panel.x(value)
        yield line(Point(x, panel.bottom), Point(x, panel.bottom + 4), stroke=GREY)
        yield text(label, x, panel.bottom + 17, font_size=11, text_anchor="middle")
    if name:
        yield text(name, panel.middle.x, panel.bottom + 35, text_anchor="middle")


def ticks(low: float, high: float, most: int, *, whole: bool) -> list[tuple[float, str]]:
    """Round values from `low` to `high`; of `whole` ones only those.

    >>> [label for _, label in ticks(0.5, 3.5, 6, whole=True)]
    ['1', '2', '3']
    >>> [label for _, label in ticks(0, 30_000, 3, whole=True)]
    ['0', '20k']
    """
    if whole and high - low <= most:
        return [(value, f"{value}") for value in range(math.ceil(low), math.floor(high) + 1)]
    if high >= THOUSANDS:
        return [(value, f"{value / 1000:g}k" if value else "0") for value, _ in round_ticks(low, high, most)]
    return list(round_ticks(low, high, most))


def span(values: Sequence[float], *, spare: float = 0.08, least: float = 0.02) -> tuple[float, float]:
    """From the lowest value to the highest, with something spare at both ends, but not below 0; never empty.

    >>> span([0.5]), span([0.001, 0.001])
    ((0.49, 0.51), (0, 0.011))
    """
    low, high = min(values), max(values)
    room = max((high - low) * spare, (least - (high - low)) / 2)
    return max(low - room, 0), high + room


def thinned(places: Sequence[int], values: Sequence[float], most: int = 240) -> tuple[list[int], list[float]]:
    """No more than twice `most` points that look the same: of each stretch its lowest and its highest.

    >>> thinned(range(6), [0, 9, 1, 2, 7, 3], most=2)
    ([0, 1, 3, 4], [0, 9, 2, 7])
    """
    if len(values) <= 2 * most:
        return list(places), list(values)
    kept: list[int] = []
    for part in range(most):
        stretch = range(part * len(values) // most, (part + 1) * len(values) // most)
        kept += sorted({min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)})
    return [places[at] for at in kept], [values[at] for at in kept]
