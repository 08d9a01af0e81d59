"""Scales of charts and their ticks. Pixels grow to the right and downwards."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

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
