"""A sum read by its schema: what is known of each feature, under the original's names.

The original's decoder adds up what the owners send and divides nothing: its `aggregatedAvg` is the sum of the owners'
averages. These numbers stay as they were; beside them `sumsOfOwnersValues` lists those that are such sums, and `note`
says what that means. Features of our encoding have `"encoding": "pooled"`, `aggregatedNotNull`, and under `pooled`
the figures of all owners' records taken together.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from re import ASCII, fullmatch
from typing import Any

from quintet.aggregation.categories import Shares
from quintet.aggregation.pooled import Bins, Numbers, Quantile
from quintet.aggregation.schema import Feature, Pooling, size_of
from quintet.kernel.errors import InvalidInput

Decoded = dict[str, Any]
"""Of JSON values; whole numbers are exact integers, of any size, others the nearest float."""

LARGEST = Decimal(10) ** 50
"""No sum is as large: a word has 64 bits, and external aggregators' are not much longer."""

NUMERIC_NOTE = (
    "sums over the owners of each owner's own figure: not the minimum, maximum, mean or quartiles of all records; "
    'give the feature "encoding": "pooled" for those'
)
CATEGORICAL_NOTE = (
    "sums over the owners of each owner's own figure, and what follows from them: a category that two owners have is "
    'counted twice; give the feature "encoding": "pooled" for counts by category'
)


def decoded(features: Sequence[Feature], output: Sequence[str]) -> list[Decoded]:
    """One object a feature, in the schema's order, of exact decimal texts. Raises InvalidInput where they don't fit.

    >>> from quintet.aggregation.schema import features_of
    >>> decoded(features_of([{"name": "is_employed", "dataType": "BOOLEAN"}]), ["1000", "750"])
    ... # doctest: +NORMALIZE_WHITESPACE
    [{'featureName': 'is_employed', 'dataType': 'BOOLEAN', 'aggregatedNotNull': 1000, 'aggregatedTrue': 750,
      'percentage': 75.0}]
    """
    if len(output) != size_of(features):
        raise InvalidInput(
            f"the sum has {len(output)} elements, the schema describes {size_of(features)}: "
            "all owners' vectors must be made by the job's schema"
        )
    sums = [_decimal(text, place) for place, text in enumerate(output)]
    return [_feature(feature, sums[feature.offset : feature.end]) for feature in features]


def number(value: Decimal | Fraction | float | None) -> int | float | None:
    """As JSON has it.

    >>> number(Decimal("45000.0")), number(Fraction(1, 4)), number(Decimal(10**18 + 1))
    (45000, 0.25, 1000000000000000001)
    """
    if value is None:
        return None
    return int(value) if value == int(value) else float(value)


def _decimal(text: str, place: int) -> Decimal:
    if not fullmatch(r"[+-]?\d{1,60}(\.\d{1,60})?([eE][+-]?\d{1,2})?", str(text), ASCII):
        raise InvalidInput(f"element {place} of the sum must be a decimal number like '12.5', is {str(text)[:40]!r}")
    value = Decimal(str(text))
    if abs(value) >= LARGEST:
        raise InvalidInput(f"element {place} of the sum is beyond ±{LARGEST:.0e}, which no sum of vectors reaches")
    return value


def _feature(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    if feature.pooling is not None:
        return _pooled(feature, sums)
    return _READERS.get(feature.data_type, _generic)(feature, sums)


def _boolean(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    found = _named(feature, "BOOLEAN", ("NotNull", "True"), sums)
    return {**found, "percentage": _percentage(sums[1], sums[0])} if len(sums) > 1 else found


def _numeric(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    found = _named(feature, "NUMERIC", ("NotNull", "Min", "Max", "Avg", "Q1", "Q2", "Q3"), sums)
    return _noted(found, list(found)[3:], NUMERIC_NOTE)


def _categorical(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    found = _named(feature, "CATEGORICAL", ("NotNull", "UniqueValues", "TopValueCount"), sums)
    if len(sums) == 3:
        found["diversity"] = _percentage(sums[1], sums[0])
    return _noted(found, list(found)[3:], CATEGORICAL_NOTE)


def _generic(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    fields = ("NotNull", *(field.capitalize() for field in feature.fields[1:]))
    return _named(feature, feature.data_type, fields, sums)


_READERS: dict[str, Callable[[Feature, Sequence[Decimal]], Decoded]] = {
    "BOOLEAN": _boolean,
    "NUMERIC": _numeric,
    "NOMINAL": _categorical,
    "ORDINAL": _categorical,
    "CATEGORICAL": _categorical,
}


def _named(feature: Feature, data_type: str, fields: Sequence[str], sums: Sequence[Decimal]) -> Decoded:
    aggregated = {f"aggregated{field}": number(value) for field, value in zip(fields, sums, strict=False)}
    return {"featureName": feature.name, "dataType": data_type, **aggregated}


def _noted(found: Decoded, sums: list[str], note: str) -> Decoded:
    return {**found, "sumsOfOwnersValues": sums, "note": note} if sums else found


def _percentage(part: Decimal, whole: Decimal) -> float:
    """In floats, as the original rounds it; 0.0 of nothing."""
    return round(float(part) / float(whole) * 100.0, 2) if whole > 0 else 0.0


def _pooled(feature: Feature, sums: Sequence[Decimal]) -> Decoded:
    """Where the sums contradict each other there are no figures but a note: an owner's vector is of another kind."""
    data_type = "NUMERIC" if isinstance(feature.pooling, Bins) else "CATEGORICAL"
    about = {**_named(feature, data_type, ("NotNull",), sums), "encoding": "pooled"}
    try:
        return {**about, "pooled": _figures(feature.pooling, sums)}
    except ValueError as error:
        return {**about, "pooled": None, "note": f"{error}: an owner's vector is not of this encoding"}


def _figures(pooling: Pooling | None, sums: Sequence[Decimal]) -> Decoded:
    if isinstance(pooling, Bins):
        return _numbers(pooling.statistics(sums), pooling.edges)
    assert pooling is not None
    shares = pooling.statistics(sums)
    return {**_shares(shares), **({"median": shares.median} if pooling.ordered else {})}


def _numbers(known: Numbers, edges: Sequence[Fraction]) -> Decoded:
    return {
        "count": known.count,
        "sum": number(known.total),
        "mean": number(known.mean),
        "variance": number(known.variance),
        "standardDeviation": None if known.variance is None else number(sqrt(known.variance)),
        "quartiles": {name: _quantile(quantile) for name, quantile in known.quartiles.items()},
        "histogram": {
            "edges": [number(edge) for edge in edges],
            "counts": list(known.counts),
            "below": known.below,
            "above": known.above,
        },
    }


def _quantile(quantile: Quantile) -> Decoded:
    return {"value": number(quantile.value), "low": number(quantile.low), "high": number(quantile.high)}


def _shares(known: Shares) -> Decoded:
    return {
        "count": known.count,
        "counts": known.counts,
        "other": known.other,
        "mode": known.mode,
        "uniqueValues": known.unique,
        "entropy": number(known.entropy),
    }
