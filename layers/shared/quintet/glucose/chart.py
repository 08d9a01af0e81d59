"""Where things go in a chart over time. Pixels grow to the right and downwards."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from quintet.kernel.drawing import Point
from quintet.kernel.scale import Scale, round_ticks


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


def labelled(ticks: Iterable[tuple[float, datetime]], form: str) -> Iterator[tuple[float, str, str]]:
    """Places with the two lines of their labels, the second only where it is another than before."""
    before = ""
    for place, time in ticks:
        first, _, second = time.strftime(form).partition("\n")
        yield place, first, second if second != before else ""
        before = second
