"""A frame made into the vector that a job's schema asks for. The frame stays where it is; the vector is secret, too.

A frame is a pandas or polars frame, a table of pyarrow's, or a mapping from names to columns (lists, numpy arrays,
series). Neither library is imported here: a frame is what has columns with names. Only columns that the schema names
are read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from quintet.aggregation.schema import Feature, features_of
from quintet.aggregation.vectors import vector
from quintet.kernel.errors import InvalidInput

LISTED = ("to_pylist", "to_list", "tolist")
"""How pyarrow, polars and pandas, and numpy call the method that makes a list of Python's own values of a column."""


def vectorise(frame: Any, schema: Sequence[Mapping[str, Any]], *, owners: int = 1) -> list[Decimal]:
    """One number an element of the schema, with nine decimals at most.

    Raises InvalidInput that names the feature and the row where a column is missing, a value is not of the feature's
    data type, or a number is too large for a sum over so many `owners`.

    >>> [int(number) for number in vectorise({"sick": [True, False, None]}, [{"name": "sick", "dataType": "BOOLEAN"}])]
    [2, 1]
    """
    features = features_of(schema)
    return vector(features, _columns(frame, features), owners=owners)


def _columns(frame: Any, features: Sequence[Feature]) -> dict[str, Iterable[Any]]:
    frame = frame.collect() if hasattr(frame, "collect") else frame
    names = Counter(_names(frame))
    for feature in features:
        if names[feature.name] > 1:
            raise InvalidInput(f"feature {feature.name!r}: the frame has several columns of this name")
    return {feature.name: _values(frame[feature.name]) for feature in features if feature.name in names}


def _names(frame: Any) -> list[Any]:
    if isinstance(frame, Mapping):
        return list(frame)
    names = getattr(frame, "column_names", getattr(frame, "columns", None))
    if names is None or not hasattr(frame, "__getitem__"):
        raise InvalidInput(
            f"a {type(frame).__name__} has no columns: give a pandas or polars frame, or a dict of lists"
        )
    return list(names)


def _values(column: Any) -> Iterable[Any]:
    """A list where the column can make one of itself: its library knows its types best."""
    for method in LISTED:
        if hasattr(column, method):
            values: Iterable[Any] = getattr(column, method)()
            return values
    if isinstance(column, str) or not isinstance(column, Iterable):
        raise InvalidInput(f"a column must be a list, an array or a series, not a {type(column).__name__}")
    return column
