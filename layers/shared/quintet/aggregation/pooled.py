"""Numeric columns of many owners as if they were one: counts, mean, variance and quartiles by sums alone.

Each owner sends `numOfNotNull, sumHi, sumLo, squaresHi, squaresLo, below, bin1 … binN, above`. Sum and squares are of
the records' deviations y = (x − centre) · 10^k: the centre is the middle of the schema's [low, high], and k puts half
the range into [100, 1000), so that the nine decimals of an element are fine enough for any unit. Bins are of one
width, closed on the left, the last on both sides; `below` and `above` count records outside, which still count in
mean and variance.

The mean is centre + Σy / (n · 10^k), the sample variance (Σy² − (Σy)² / n) / ((n − 1) · 10^2k), in exact fractions:
being about a centre that all owners know, the two terms lose nothing to each other (Chan, Golub and LeVeque,
Algorithms for Computing the Sample Variance, The American Statistician 37, 1983). A record's y is rounded to 18
decimals, an owner's two sums to nine.

Quartiles are Hyndman and Fan's type 7 (Sample Quantiles in Statistical Packages, 1996; numpy's default) with the k-th
record of a bin's c records put at (k − ½) / c of its width. The true quartile lies within the bounds that go with
each.

What it reveals of the cohort beyond these statistics: the whole histogram (a bin with one record says that somebody
is there), the exact sum and sum of squares (of one record: its value; of two: both), and of the los what
quintet.aggregation.wide says. Nothing is rounded or suppressed: the least cohort is of owners, not of records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import ceil, floor

from quintet.aggregation.wide import DECIMALS, DIGITS, joined, split, units_of
from quintet.kernel.errors import InvalidInput

FINE = 10 ** (2 * DECIMALS)
"""Of this fineness are a record's numbers before they are added up."""

REACH = 2**28
"""No record's y is as large: the square of a larger one has no room in the vector."""

QUARTILES = {"q1": Fraction(1, 4), "q2": Fraction(1, 2), "q3": Fraction(3, 4)}


@dataclass(frozen=True)
class Quantile:
    """A value between bounds; None where the records it lies at are outside the histogram, and as that side's bound."""

    value: Fraction | None
    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True)
class Numbers:
    """What is known of the records of all owners. Mean None without records, variance (sample) with less than two."""

    count: int
    total: Fraction
    mean: Fraction | None
    variance: Fraction | None
    quartiles: dict[str, Quantile]
    below: int
    counts: tuple[int, ...]
    above: int


@dataclass(frozen=True)
class Bins:
    """`count` bins of one width from `low` to `high`, low < high, and the encoding that goes with them."""

    low: Decimal
    high: Decimal
    count: int

    @property
    def fields(self) -> tuple[str, ...]:
        """What the elements are, in order.

        >>> Bins(Decimal(0), Decimal(1), 2).fields[-4:]
        ('below', 'bin1', 'bin2', 'above')
        """
        bins = (f"bin{number}" for number in range(1, self.count + 1))
        return ("numOfNotNull", "sumHi", "sumLo", "squaresHi", "squaresLo", "below", *bins, "above")

    @cached_property
    def centre(self) -> Fraction:
        return (Fraction(self.low) + Fraction(self.high)) / 2

    @cached_property
    def _middle(self) -> Decimal:
        with localcontext(prec=DIGITS):
            return (self.low + self.high) / 2

    @cached_property
    def shift(self) -> int:
        """The k of y = (x − centre) · 10^k.

        >>> Bins(Decimal(0), Decimal(120), 24).shift, Bins(Decimal(0), Decimal("0.0002"), 24).shift
        (1, 6)
        """
        return 2 - ((self.high - self.low) / 2).adjusted()

    @cached_property
    def edges(self) -> tuple[Fraction, ...]:
        width = (Fraction(self.high) - Fraction(self.low)) / self.count
        return tuple(Fraction(self.low) + width * place for place in range(self.count + 1))

    def elements(self, values: Iterable[Decimal]) -> list[Decimal]:
        """An owner's part of its vector. Raises InvalidInput for a value so far away that sums could not hold it."""
        cells = [0] * (self.count + 2)
        total = squares = 0
        with localcontext(prec=DIGITS):
            for value in values:
                y = self._deviation(value)
                cells[self._cell(value)] += 1
                total += y
                squares += y * y
        wide = (*split(units_of(Fraction(total, FINE))), *split(units_of(Fraction(squares, FINE**2))))
        return [Decimal(sum(cells)), *wide, *map(Decimal, cells)]

    def _deviation(self, value: Decimal) -> int:
        """y in units of 1 / FINE."""
        away = (value - self._middle).scaleb(self.shift)
        if abs(away) >= REACH:
            raise InvalidInput(
                f"holds a value too far from [{self.low:f}, {self.high:f}] for exact sums: "
                "correct it or leave it out, or have the schema's low and high widened"
            )
        return int(away.scaleb(2 * DECIMALS).to_integral_value(ROUND_HALF_EVEN))

    def _cell(self, value: Decimal) -> int:
        if value < self.low:
            return 0
        if value > self.high:
            return self.count + 1
        return min(int((value - self.low) * self.count // (self.high - self.low)), self.count - 1) + 1

    def statistics(self, sums: Sequence[Decimal]) -> Numbers:
        """Of the owners' elements added up, as many as `fields`. Raises ValueError where they contradict each other."""
        count, *cells = counted([sums[0], *sums[5:]])
        if sum(cells) != count:
            raise ValueError(f"numOfNotNull is {count}, but below, bins and above hold {sum(cells)}")
        y, squares = joined(*sums[1:3]), joined(*sums[3:5])
        scale = Fraction(10) ** self.shift
        return Numbers(
            count,
            total=count * self.centre + y / scale,
            mean=self.centre + y / (count * scale) if count else None,
            variance=max((squares - y * y / count) / (count - 1), Fraction(0)) / scale**2 if count > 1 else None,
            quartiles={name: self._quantile(cells, share) for name, share in QUARTILES.items()},
            below=cells[0],
            counts=tuple(cells[1:-1]),
            above=cells[-1],
        )

    def _quantile(self, cells: Sequence[int], share: Fraction) -> Quantile:
        """Between the two records whose ranks are next to share · (n − 1), ranks from 0."""
        if not sum(cells):
            return Quantile(None, None, None)
        rank = share * (sum(cells) - 1)
        first, second = (self._record(cells, place) for place in (floor(rank), ceil(rank)))
        between = None
        if first.value is not None and second.value is not None:
            between = first.value + (rank - floor(rank)) * (second.value - first.value)
        return Quantile(between, first.low, second.high)

    def _record(self, cells: Sequence[int], rank: int) -> Quantile:
        """Where the record of that rank may be, and its likeliest value."""
        before = [0, *accumulate(cells)]
        cell = next(place for place, reached in enumerate(before[1:]) if rank < reached)
        low, high = self._bounds[cell]
        if low is None or high is None:
            return Quantile(None, low, high)
        within = (Fraction(rank - before[cell]) + Fraction(1, 2)) / cells[cell]
        return Quantile(low + within * (high - low), low, high)

    @cached_property
    def _bounds(self) -> tuple[tuple[Fraction | None, Fraction | None], ...]:
        """Of each cell: below, the bins, above."""
        return ((None, self.edges[0]), *pairwise(self.edges), (self.edges[-1], None))


def counted(sums: Iterable[Decimal]) -> list[int]:
    """Counts as integers. Raises ValueError where one is no count."""
    counts = list(sums)
    for one in counts:
        if one < 0 or one != int(one):
            raise ValueError(f"{one:f} is no count")
    return [int(one) for one in counts]
