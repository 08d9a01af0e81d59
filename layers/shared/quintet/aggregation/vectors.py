"""An owner's vector: its columns put into the elements that a schema says.

Nulls (None, NaN, NaT and the like) are left out. A float counts as the shortest decimal that means it. Averages and
quartiles are exact, then rounded to the nine decimals of an element, so that what is returned is what is summed.
Quartiles are Hyndman and Fan's type 7, numpy's default. An empty column is all zeros. Messages name features, fields
and rows, never a value.

What the original's vectors reveal of the cohort: sums over the owners of their minima, maxima, averages, quartiles,
numbers of categories and largest counts. Where an owner has one record, its part of each such sum is that record's
value; and the sum of two owners' minima tells each of the two the other's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor
from typing import Any, TypeVar

from quintet.aggregation.categories import Categories
from quintet.aggregation.pooled import QUARTILES, Bins
from quintet.aggregation.schema import Feature, element_name, size_of
from quintet.aggregation.wide import DIGITS, UNIT, element, units_of
from quintet.kernel.errors import InvalidInput

Column = Iterable[Any]
Value = TypeVar("Value")

MOST_DIGITS = 30
"""Before the point."""

MOST_PLACES = 400
"""Zeros after it; floats have fewer, and a fraction of a billion of them would take all memory."""

NULLS = frozenset({"NAType", "NaTType"})
"""Types that compare with nothing."""


def vector(features: Sequence[Feature], columns: Mapping[str, Column], *, owners: int = 1) -> list[Decimal]:
    """As long as size_of(features); gaps are 0. A column may be any iterable of Python's or numpy's scalars.

    Raises InvalidInput that names the feature where a column is missing, a value is not of its data type, or a number
    is too large for a sum over so many `owners`.

    >>> from quintet.aggregation.schema import features_of
    >>> schema = [{"name": "age", "dataType": "NUMERIC"}, {"name": "sick", "dataType": "BOOLEAN"}]
    >>> columns = {"age": [30, 40, None], "sick": [True, False, True]}
    >>> [f"{element.normalize():f}" for element in vector(features_of(schema), columns)]
    ['2', '30', '40', '35', '32.5', '35', '37.5', '3', '2']
    """
    found = [Decimal(0)] * size_of(features)
    for feature in features:
        found[feature.offset : feature.end] = _elements(feature, columns)
    return fitting(features, found, owners)


def fitting(features: Sequence[Feature], elements: list[Decimal], owners: int) -> list[Decimal]:
    """The same elements. Raises InvalidInput that names the first that is too large for a sum over so many owners."""
    for position, one in enumerate(elements):
        if abs(one) * UNIT * owners >= 2**63:
            raise InvalidInput(f"{element_name(features, position)} is too large for a sum over {owners} owners")
    return elements


def _elements(feature: Feature, columns: Mapping[str, Column]) -> list[Decimal]:
    if feature.name not in columns:
        raise InvalidInput(f"feature {feature.name!r}: there is no column of this name")
    try:
        return _encoded(feature, columns[feature.name])[: feature.length]
    except InvalidInput as error:
        raise InvalidInput(f"feature {feature.name!r}: {error.message}") from None


def _encoded(feature: Feature, column: Column) -> list[Decimal]:
    if isinstance(feature.pooling, Bins):
        return feature.pooling.elements(_read(column, decimal_of))
    if isinstance(feature.pooling, Categories):
        return feature.pooling.elements(_read(column, _category))
    if feature.data_type in _ENCODERS:
        return _ENCODERS[feature.data_type](column)
    raise InvalidInput(f"what {feature.data_type!r} puts into {', '.join(feature.fields[:9])} only its author knows")


def _boolean(column: Column) -> list[Decimal]:
    truths = Counter(_read(column, _truth))
    return [Decimal(truths.total()), Decimal(truths[True])]


def _categorical(column: Column) -> list[Decimal]:
    counts = Counter(_read(column, _category))
    return [Decimal(one) for one in (counts.total(), len(counts), max(counts.values(), default=0))]


def _numeric(column: Column) -> list[Decimal]:
    ordered = sorted(_read(column, decimal_of))
    if not ordered:
        return [Decimal(0)] * 7
    with localcontext(prec=DIGITS):
        mean = Fraction(sum(ordered, Decimal(0))) / len(ordered)
    quartiles = (quantile(ordered, share) for share in QUARTILES.values())
    figures = (Fraction(ordered[0]), Fraction(ordered[-1]), mean, *quartiles)
    return [Decimal(len(ordered)), *(element(units_of(figure)) for figure in figures)]


_ENCODERS: Mapping[str, Callable[[Column], list[Decimal]]] = {
    "BOOLEAN": _boolean,
    "NUMERIC": _numeric,
    "NOMINAL": _categorical,
    "ORDINAL": _categorical,
    "CATEGORICAL": _categorical,
}


def quantile(ordered: Sequence[Decimal], share: Fraction) -> Fraction:
    """Type 7 of Hyndman and Fan, of one number at least.

    >>> quantile([Decimal(1), Decimal(2), Decimal(4)], Fraction(3, 4))
    Fraction(3, 1)
    """
    rank = share * (len(ordered) - 1)
    below, above = Fraction(ordered[floor(rank)]), Fraction(ordered[ceil(rank)])
    return below + (rank - floor(rank)) * (above - below)


def _read(column: Column, reader: Callable[[Any], Value]) -> Iterator[Value]:
    """What is no null. Rows count from 1."""
    for row, value in enumerate(column, 1):
        try:
            if not missing(value):
                yield reader(value.item() if hasattr(value, "item") else value)
        except ValueError as error:
            raise InvalidInput(f"row {row} {error}") from None


def missing(value: Any) -> bool:
    """Whether some library's null: None, NaN, NaT, pandas' NA.

    >>> [missing(one) for one in (None, float("nan"), Decimal("nan"), 0, "", False)]
    [True, True, True, False, False, False]
    """
    return value is None or type(value).__name__ in NULLS or bool(value != value)  # noqa: PLR0124 - NaN alone does


def decimal_of(value: Any) -> Decimal:
    """A float counts as the shortest decimal that means it. Raises ValueError for what can't be in a sum."""
    if not isinstance(value, Decimal | int | float):
        raise ValueError(f"is of type {type(value).__name__}, which is no number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or number.adjusted() > MOST_DIGITS:
        raise ValueError("is infinite, or too large for any sum")
    if number.adjusted() < -MOST_PLACES:
        raise ValueError("is too near to 0 to be told from it")
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false (nor 1 or 0)")


def _category(value: Any) -> str:
    """A whole number's text is the same, be it an integer or, as in columns with nulls, a float; true is JSON's.

    >>> _category(2.0), _category(2), _category(True), _category("2")
    ('2', '2', 'true', '2')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
