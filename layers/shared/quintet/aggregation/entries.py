"""Statistics that were made elsewhere put into the original's vector: the input of its vectorisation service.

    {"entries": {"age": {"numOfNotNull": 1000, "min": 18, …}}, "features": [{"name": "age", "dataType": "NUMERIC"}]}

and its older form, `{"entries": [{"featureSet": {"features": [{"name", "dataType", "statistics"}]}}]}`. Features come
in the order of the entries. A data type that `features` does not tell follows from what the statistics hold. Dates
are left out, as are features of which nothing but a count is known; their names are returned. What is missing is
told, not taken for 0.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from quintet.aggregation.schema import CATEGORICAL, LAYOUTS, features_of
from quintet.aggregation.vectors import decimal_of, fitting, missing
from quintet.aggregation.wide import element, units_of
from quintet.kernel.errors import InvalidInput

Statistics = Mapping[str, Any]
Entry = tuple[str, str, Statistics]
"""A feature's name, data type in capitals ("" where none fits) and statistics."""


class Vectorised(NamedTuple):
    """`schema` in the full form, as long as `vector`; `skipped` are the names of features that no data type fits."""

    schema: list[dict[str, Any]]
    vector: list[Decimal]
    skipped: list[str]


def vector_of_entries(data: Mapping[str, Any], *, owners: int = 1) -> Vectorised:
    """Raises InvalidInput that names the feature and the statistic.

    >>> made = vector_of_entries({"entries": {"isActive": {"numOfNotNull": 1000, "numOfTrue": 750}}})
    >>> [int(number) for number in made.vector], made.schema[0]["offset"], made.schema[0]["length"]
    ([1000, 750], 0, 2)
    """
    made = Vectorised([], [], [])
    for name, data_type, statistics in _entries(data):
        if data_type in LAYOUTS:
            _add(made, name, data_type, _figures(name, data_type, statistics))
        else:
            made.skipped.append(name)
    if made.schema:
        fitting(features_of(made.schema), made.vector, owners)
    return made


def _add(made: Vectorised, name: str, data_type: str, figures: Mapping[str, Any]) -> None:
    fields = LAYOUTS[data_type]
    place = {"offset": len(made.vector), "length": len(fields), "fields": list(fields)}
    made.schema.append({"featureName": name, "dataType": data_type, **place})
    made.vector.extend(_decimal(name, field, figures.get(field)) for field in fields)


def _entries(data: Mapping[str, Any]) -> list[Entry]:
    """In either form of the input."""
    entries = data.get("entries")
    try:
        return list(_named_entries(entries, data) if isinstance(entries, Mapping) else _listed_entries(entries))
    except (AttributeError, KeyError, TypeError):
        raise InvalidInput('entries: must be an object like {"age": {"numOfNotNull": 1000, …}}') from None


def _named_entries(entries: Mapping[str, Statistics], data: Mapping[str, Any]) -> Iterator[Entry]:
    told = {one["name"]: one.get("dataType") for one in data.get("features") or ()}
    for name, statistics in entries.items():
        yield name, str(told.get(name) or _likely(statistics)).upper(), statistics


def _listed_entries(entries: Any) -> Iterator[Entry]:
    for feature in (one for entry in entries for one in entry["featureSet"]["features"]):
        yield feature["name"], str(feature.get("dataType", "")).upper(), feature.get("statistics", {})


def _likely(statistics: Statistics) -> str:
    marks = {"numOfTrue": "BOOLEAN", "cardinalityPerItem": "NOMINAL", "avg": "NUMERIC"}
    return next((data_type for mark, data_type in marks.items() if mark in statistics), "")


def _figures(name: str, data_type: str, statistics: Statistics) -> Mapping[str, Any]:
    """By field. A numeric feature without values has no further figures, which are then 0."""
    if LAYOUTS[data_type] is not CATEGORICAL:
        empty = data_type == "NUMERIC" and statistics.get("numOfNotNull") == 0
        return {**dict.fromkeys(LAYOUTS[data_type], 0), **_given(statistics)} if empty else statistics
    counts = statistics.get("cardinalityPerItem", [])
    listed = list(counts.values() if isinstance(counts, Mapping) else counts)
    values = statistics.get("valueSet", listed)
    if len(values) != len(listed):
        raise InvalidInput(f"feature {name!r}: valueSet has {len(values)} values, cardinalityPerItem {len(listed)}")
    return {**statistics, "numUniqueValues": len(values), "topValueCount": max(listed, default=0)}


def _given(statistics: Statistics) -> dict[str, Any]:
    return {field: value for field, value in statistics.items() if not missing(value)}


def _decimal(name: str, field: str, value: Any) -> Decimal:
    if missing(value):
        raise InvalidInput(f"feature {name!r}, {field}: is missing")
    try:
        return element(units_of(Fraction(decimal_of(value))))
    except ValueError as error:
        raise InvalidInput(f"feature {name!r}, {field}: {error}") from None
