"""What the elements of a job's vectors are.

A schema is a list of items, of one of two forms:

    {"name": "age", "dataType": "NUMERIC"}                               one after the other, as long as the type is
    {"featureName": "age", "offset": 2, "length": 7, "dataType": …}      placed; gaps are legal, overlaps are not

All items of a schema are placed, or none is. `name` and `featureName` mean the same, and so does any case of a data
type. What is not given follows from the data type: BOOLEAN has 2 elements, NUMERIC 7, NOMINAL, ORDINAL and
CATEGORICAL 3 (LAYOUTS). A `length` that is smaller takes the first of them. A placed item without `dataType` is
BOOLEAN, as it always was; any other data type is legal that lists its `fields`. Further keys are not read.

Two encodings are ours, whose sums mean something: `{"dataType": "NUMERIC", "encoding": "pooled", "low": 0, "high":
120, "bins": 24}` (quintet.aggregation.pooled) and `{"dataType": "NOMINAL", "encoding": "pooled", "categories": ["a",
"b"]}`
(quintet.aggregation.categories; ORDINAL names them in order). BOOLEAN is the same in both.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from quintet.aggregation.categories import Categories
from quintet.aggregation.pooled import Bins
from quintet.aggregation.schema_item import Item
from quintet.kernel.errors import InvalidInput

CATEGORICAL = ("numOfNotNull", "numUniqueValues", "topValueCount")
LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "BOOLEAN": ("numOfNotNull", "numOfTrue"),
    "NUMERIC": ("numOfNotNull", "min", "max", "avg", "q1", "q2", "q3"),
    "NOMINAL": CATEGORICAL,
    "ORDINAL": CATEGORICAL,
    "CATEGORICAL": CATEGORICAL,
}

MOST_ELEMENTS = 2**20
"""Of a vector."""

MOST_CELLS = 4096
"""Bins or categories of one feature."""

FARTHEST = 10**15
"""Of low and high from 0."""

Pooling = Bins | Categories


@dataclass(frozen=True)
class Feature:
    """Elements `offset` to `offset` + `length` of a vector; `pooling` where they are of our encoding."""

    name: str
    data_type: str
    offset: int
    fields: tuple[str, ...]
    pooling: Pooling | None = None

    @property
    def length(self) -> int:
        return len(self.fields)

    @property
    def end(self) -> int:
        return self.offset + self.length


def features_of(schema: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """In the items' order. Raises InvalidInput that names item and field.

    >>> [(one.name, one.offset, one.length) for one in features_of(
    ...     [{"name": "age", "dataType": "NUMERIC"}, {"name": "isActive", "dataType": "BOOLEAN"}])]
    [('age', 0, 7), ('isActive', 7, 2)]
    """
    if isinstance(schema, str | bytes | Mapping) or not isinstance(schema, Sequence):
        raise InvalidInput("schema: must be a list of items")
    if not schema:
        raise InvalidInput("schema: has no items; leave it out, or describe one feature at least")
    items = [Item(number, raw) for number, raw in enumerate(schema, 1)]
    _of_one_form(items)
    features = tuple(_features(items))
    _distinct(items, features)
    _apart(items, features)
    return features


def size_of(features: Sequence[Feature]) -> int:
    """How many elements a vector has."""
    return max(feature.end for feature in features)


def canonical(features: Sequence[Feature]) -> str:
    """The same text for schemas that mean the same, whichever form they have and in whatever order their items come.

    >>> simple = [{"name": "sick", "dataType": "BOOLEAN"}]
    >>> canonical(features_of(simple)) == canonical(features_of([{"featureName": "sick", "offset": 0, "length": 2}]))
    True
    """
    ordered = sorted(features, key=lambda feature: feature.offset)
    return json.dumps([_meaning(feature) for feature in ordered], separators=(",", ":"))


def element_name(features: Sequence[Feature], position: int) -> str:
    """Of which feature and field a vector's element is, for messages; `position` from 0.

    >>> element_name(features_of([{"name": "age", "dataType": "NUMERIC"}]), 3)
    "avg of feature 'age'"
    """
    for feature in features:
        if feature.offset <= position < feature.end:
            return f"{feature.fields[position - feature.offset]} of feature {feature.name!r}"
    return f"element {position}, which belongs to no feature"


def _meaning(feature: Feature) -> list[Any]:
    about = [feature.name, feature.data_type, feature.offset, *feature.fields]
    if isinstance(feature.pooling, Bins):
        return [*about, "pooled", f"{feature.pooling.low.normalize():f}", f"{feature.pooling.high.normalize():f}"]
    return [*about, "pooled"] if feature.pooling else about


def _of_one_form(items: Sequence[Item]) -> None:
    placed = items[0].has("offset")
    for item in items:
        if item.has("offset") != placed:
            missing = item if placed else items[0]
            raise missing.wrong("offset", "is missing, which other items have: give it for all items or for none")


def _features(items: Sequence[Item]) -> Iterator[Feature]:
    end = 0
    for item in items:
        feature = _feature(item, end)
        if feature.end > MOST_ELEMENTS:
            raise item.wrong("length", f"takes the vector beyond {MOST_ELEMENTS:,} elements, the most there can be")
        yield feature
        end = feature.end


def _feature(item: Item, end: int) -> Feature:
    data_type = item.data_type(default="BOOLEAN" if item.has("offset") else None)
    offset = item.whole("offset", 0, MOST_ELEMENTS, default=end)
    data_type = data_type.upper() if data_type.upper() in LAYOUTS else data_type
    pooling = _pooling(item, data_type)
    fields = _fields(item, data_type, pooling)
    return Feature(item.name(), data_type, offset, fields, pooling)


def _pooling(item: Item, data_type: str) -> Pooling | None:
    encoding = item.choice("encoding", ("original", "pooled"), default="original")
    if encoding == "original" or data_type == "BOOLEAN":
        return None
    if data_type == "NUMERIC":
        return _bins(item)
    if data_type in LAYOUTS:
        return Categories(item.texts("categories", MOST_CELLS), ordered=data_type == "ORDINAL")
    raise item.wrong("encoding", f"'pooled' is for {', '.join(LAYOUTS)}, not for {data_type!r}")


def _bins(item: Item) -> Bins:
    low, high = item.decimal("low", FARTHEST), item.decimal("high", FARTHEST)
    if not low < high:
        raise item.wrong("high", f"is {high}, must be above low, which is {low}")
    if (high - low) * FARTHEST < max(abs(low), abs(high), Decimal(1)):
        raise item.wrong("high", "is too close to low to tell records apart")
    return Bins(low, high, item.whole("bins", 1, MOST_CELLS))


def _fields(item: Item, data_type: str, pooling: Pooling | None) -> tuple[str, ...]:
    layout = pooling.fields if pooling else LAYOUTS.get(data_type)
    given = item.texts("fields", MOST_ELEMENTS, default=layout)
    if layout is None:
        _distinct_when_decoded(item, given)
    elif given != layout[: len(given)]:
        raise item.wrong("fields", f"of {data_type} are {', '.join(layout[:9])}, in this order")
    length = item.whole("length", 1, MOST_ELEMENTS, default=len(given))
    if length > len(given) or (pooling and length < len(given)):
        raise item.wrong("length", f"is {length}, but {data_type} has {len(given)} elements: {', '.join(given[:9])}")
    return given[:length]


def _distinct_when_decoded(item: Item, fields: Sequence[str]) -> None:
    names = ["NotNull", *(field.capitalize() for field in fields[1:])]
    if len(set(names)) < len(names):
        raise item.wrong("fields", "has two that differ in case alone, which have one name in the results")


def _distinct(items: Sequence[Item], features: Sequence[Feature]) -> None:
    first: dict[str, Item] = {}
    for item, feature in zip(items, features, strict=True):
        if feature.name in first:
            raise item.wrong("name", f"{feature.name!r} is that of item {first[feature.name].number}, too")
        first[feature.name] = item


def _apart(items: Sequence[Item], features: Sequence[Feature]) -> None:
    by_place = sorted(zip(features, items, strict=True), key=lambda pair: pair[0].offset)
    for (before, one), (after, other) in pairwise(by_place):
        if after.offset < before.end:
            raise other.wrong("offset", f"is {after.offset}, but item {one.number} reaches to {before.end}")
