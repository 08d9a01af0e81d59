"""Where things go in a chart: scales and their ticks. Pixels grow to the right and downwards."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from quintet.glucose.drawing import Point

Value = TypeVar("Value", float, datetime)


@dataclass(frozen=True)
class Scale(Generic[Value]):
    """The straight line on which `low` is at `start` and `high` at `end`; it goes on beyond them.

    >>> Scale(50.0, 150.0, start=500, end=100)(75.0)
    400.0
    """

    low: Value
    high: Value
    start: float
    end: float

    def __call__(self, value: Value) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def at(self, pixel: float) -> Value:
        return self.low + (pixel - self.start) / (self.end - self.start) * (self.high - self.low)


@dataclass(frozen=True)
class Panel:
    """Where the data go: a rectangle with a scale for its times and one for its values."""

    left: float
    right: float
    top: float
    bottom: float
    x: Scale[datetime]
    y: Scale[float]

    def points(self, times: Iterable[datetime], values: Iterable[float]) -> list[Point]:
        return [Point(self.x(time), self.y(value)) for time, value in zip(times, values, strict=True)]

    def value_ticks(self) -> list[tuple[float, str]]:
        """Places and labels."""
        return [(self.y(value), label) for value, label in round_ticks(self.y.at(self.bottom), self.y.at(self.top))]

    def time_ticks(self, first: datetime, every: timedelta) -> list[tuple[float, datetime]]:
        """The times within the panel that are some `every` from `first`, and their places."""
        before = math.ceil((self.x.at(self.left) - first) / every)
        after = math.floor((self.x.at(self.right) - first) / every)
        times = [first + steps * every for steps in range(before, after + 1)]
        return [(self.x(time), time) for time in times]


def round_ticks(low: float, high: float, most: int = 10) -> Iterator[tuple[float, str]]:
    """Values 1, 2 or 5 times a power of ten apart, with their labels.

    >>> list(round_ticks(3.1, 5.2, most=5))
    [(3.5, '3.5'), (4.0, '4.0'), (4.5, '4.5'), (5.0, '5.0')]
    """
    rough = (high - low) / most
    power = math.floor(math.log10(rough))
    step = next(digit * 10.0**power for digit in (2, 5, 10, 20) if digit * 10.0**power >= rough)
    decimals = max(0, -math.floor(math.log10(step)))
    for count in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield count * step, f"{count * step:.{decimals}f}"


def labelled(ticks: Iterable[tuple[float, datetime]], form: str) -> Iterator[tuple[float, str, str]]:
    """Places with the two lines of their labels, the second only where it is another than before."""
    before = ""
    for place, time in ticks:
        first, _, second = time.strftime(form).partition("\n")
        yield place, first, second if second != before else ""
        before = second
