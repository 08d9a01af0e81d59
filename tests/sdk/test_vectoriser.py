"""Frames of pandas, polars and pyarrow, and plain dicts, give the same vector."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris

from quintet.kernel.errors import InvalidInput
from quintet.sdk.vectoriser import vectorise

SCHEMA: list[dict[str, Any]] = [
    {"name": "age", "dataType": "NUMERIC"},
    {"name": "bmi", "dataType": "NUMERIC", "encoding": "pooled", "low": 10, "high": 50, "bins": 4},
    {"name": "sick", "dataType": "BOOLEAN"},
    {"name": "ward", "dataType": "NOMINAL", "encoding": "pooled", "categories": ["a", "b"]},
    {"name": "stage", "dataType": "ORDINAL"},
]
PLAIN: dict[str, list[Any]] = {
    "age": [30, None, 50, 41],
    "bmi": [22.5, 31.25, None, 55.0],
    "sick": [True, None, False, True],
    "ward": ["a", "c", None, "a"],
    "stage": [1, 2, None, 2],
    "name": ["never", "read", object(), 1],
}
USED = {name: values for name, values in PLAIN.items() if name != "name"}
EXPECTED = vectorise(PLAIN, SCHEMA)

FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(PLAIN),
    "pandas nullable": lambda: pd.DataFrame(USED).convert_dtypes(),
    "pandas arrow": lambda: pd.DataFrame(USED).convert_dtypes(dtype_backend="pyarrow"),
    "pandas categorical": lambda: pd.DataFrame(USED).astype({"ward": "category", "stage": "category"}),
    "pandas objects": lambda: pd.DataFrame(USED, dtype=object),
    "pandas index": lambda: pd.DataFrame(USED, index=[9, 9, 2, -1]),
    "polars": lambda: pl.DataFrame(USED),
    "polars categorical": lambda: pl.DataFrame(USED).with_columns(pl.col("ward").cast(pl.Categorical)),
    "polars enum": lambda: pl.DataFrame(USED).with_columns(pl.col("ward").cast(pl.Enum(["c", "b", "a"]))),
    "polars decimal": lambda: pl.DataFrame(USED).with_columns(pl.col("bmi").cast(pl.Decimal(10, 2))),
    "polars nan": lambda: pl.DataFrame(USED).with_columns(pl.col("bmi").fill_null(float("nan"))),
    "polars lazy": lambda: pl.LazyFrame(USED),
    "pyarrow": lambda: pa.table(USED),
    "series": lambda: {name: pd.Series(values) for name, values in USED.items()},
    "numpy": lambda: {name: np.array(values, dtype=object) for name, values in USED.items()},
    "tuples": lambda: {name: tuple(values) for name, values in USED.items()},
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_gives_the_same_vector(kind: str) -> None:
    assert vectorise(FRAMES[kind](), SCHEMA) == EXPECTED


def test_what_the_vector_is() -> None:
    assert [f"{one.normalize():f}" for one in EXPECTED[:7]] == ["3", "30", "50", "40.333333333", "35.5", "41", "45.5"]
    assert EXPECTED[12:18] == [0, 0, 1, 1, 0, 1]
    assert EXPECTED[18:] == [3, 2, 3, 2, 0, 1, 3, 2, 2]
    assert all(isinstance(one, Decimal) for one in EXPECTED)


def test_real_data_from_either_library() -> None:
    frame = load_iris(as_frame=True).frame
    schema = [
        {"name": name, "dataType": "NUMERIC", "encoding": "pooled", "low": 0, "high": 10, "bins": 20}
        for name in frame.columns[:4]
    ]
    schema.append({"name": "target", "dataType": "NOMINAL", "encoding": "pooled", "categories": [0, 1, 2]})
    found = vectorise(frame, schema)
    assert found == vectorise(pl.DataFrame({name: frame[name].to_numpy() for name in frame}), schema)
    assert found[-5:] == [150, 50, 50, 50, 0]


def test_a_column_that_is_not_there() -> None:
    for frame in (pd.DataFrame({"Age": [1]}), pl.DataFrame({"Age": [1]}), {"Age": [1]}):
        with pytest.raises(InvalidInput, match="feature 'age': there is no column"):
            vectorise(frame, SCHEMA[:1])


def test_a_name_that_two_columns_have() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["age", "age"])
    with pytest.raises(InvalidInput, match="feature 'age': the frame has several columns"):
        vectorise(frame, SCHEMA[:1])


@pytest.mark.parametrize("frame", [[1, 2], 7, "age", None, [{"age": 1}]])
def test_what_is_no_frame(frame: Any) -> None:
    with pytest.raises(InvalidInput, match="has no columns: give a pandas or polars frame"):
        vectorise(frame, SCHEMA[:1])


@pytest.mark.parametrize("column", ["30", 30, None])
def test_what_is_no_column(column: Any) -> None:
    with pytest.raises(InvalidInput, match="a column must be a list"):
        vectorise({"age": column}, SCHEMA[:1])
