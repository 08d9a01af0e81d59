"""An owner's columns, and statistics that it made elsewhere, put into vectors."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from quintet.aggregation.entries import vector_of_entries
from quintet.aggregation.schema import features_of
from quintet.aggregation.vectors import vector
from quintet.kernel.errors import InvalidInput
from tests.aggregation.summing import aggregated

AGE = [{"name": "age", "dataType": "NUMERIC"}]
SICK = [{"name": "sick", "dataType": "BOOLEAN"}]
WARD = [{"name": "ward", "dataType": "NOMINAL"}]
POOLED = [{"name": "age", "dataType": "NUMERIC", "encoding": "pooled", "low": 0, "high": 120, "bins": 2}]


def made(schema: list[dict[str, Any]], column: Any, **more: Any) -> list[Decimal]:
    return vector(features_of(schema), {schema[0]["name"]: column}, **more)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40))
def test_numeric_columns_as_numpy_describes_them(values: list[float]) -> None:
    quartiles = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    expected = [len(values), min(values), max(values), float(np.mean(values)), *quartiles]
    assert [float(one) for one in made(AGE, values)] == pytest.approx(expected, rel=1e-9, abs=1e-8)


def test_averages_keep_nine_decimals_and_no_more() -> None:
    assert made(AGE, [1, 1, 2])[3] == Decimal("1.333333333")
    assert made(AGE, [0.1] * 3)[3] == Decimal("0.1")
    assert all(-one.as_tuple().exponent <= 9 for one in made(AGE, [1 / 3, 2 / 3, 1e-12]))  # type: ignore[operator]


@pytest.mark.parametrize(
    "null", [None, float("nan"), np.nan, pd.NA, pd.NaT, np.float32("nan"), Decimal("nan"), np.datetime64("nat")]
)
@pytest.mark.parametrize(
    ("schema", "value", "counts"), [(AGE, 4, [1, 4]), (SICK, True, [1, 1]), (WARD, "a", [1, 1]), (POOLED, 4, [1])]
)
def test_every_librarys_nulls_are_left_out(schema: Any, value: Any, counts: list[int], null: Any) -> None:
    assert made(schema, [null, value, null])[: len(counts)] == counts
    assert made(schema, [null]) == [0] * len(made(schema, [value]))


def test_what_numpy_holds_counts_as_what_it_is() -> None:
    assert made(SICK, np.array([True, False, True])) == [3, 2]
    assert made(AGE, np.array([1, 2], dtype=np.int8))[:3] == [2, 1, 2]
    assert made(AGE, np.array([0.5, 1.5], dtype=np.float32))[3] == 1
    assert made(WARD, np.array(["a", "b", "a"])) == [3, 2, 2]


def test_categories_are_told_apart_by_their_texts() -> None:
    assert made(WARD, [1, 1.0, "1", 2, True, "true", dt.date(2025, 9, 1)]) == [7, 4, 3]
    pooled = [{"name": "ward", "dataType": "NOMINAL", "encoding": "pooled", "categories": [0, 1]}]
    assert made(pooled, [0.0, 1.0, None, 2.0]) == [3, 1, 1, 1]


def test_gaps_are_zeros_and_shorter_features_shorter() -> None:
    schema = [
        {"featureName": "ward", "offset": 3, "length": 1, "dataType": "NOMINAL"},
        {"featureName": "sick", "offset": 0},
    ]
    assert vector(features_of(schema), {"ward": ["a"], "sick": [0, 1]}) == [2, 1, 0, 1]


@pytest.mark.parametrize(
    ("schema", "column", "message"),
    [
        (AGE, [1, "secret"], "feature 'age': row 2 is of type str, which is no number"),
        (AGE, [float("inf")], "feature 'age': row 1 is infinite"),
        (AGE, [10**40], "feature 'age': row 1 is infinite, or too large"),
        (AGE, [1, Decimal("1e-999999999")], "feature 'age': row 2 is too near to 0"),
        (POOLED, [None, 1, dt.date(2025, 9, 1)], "feature 'age': row 3 is of type date"),
        (POOLED, [10**9], r"feature 'age': holds a value too far from \[0, 120\]"),
        (SICK, [True, 2], "feature 'sick': row 2 is neither true nor false"),
        (SICK, ["secret"], "feature 'sick': row 1 is neither true nor false"),
    ],
)
def test_what_does_not_fit_is_told_without_the_value(schema: Any, column: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        made(schema, column)
    assert "secret" not in refused.value.message


def test_a_missing_column_is_told() -> None:
    with pytest.raises(InvalidInput, match="feature 'age': there is no column"):
        vector(features_of(AGE), {"Age": [1]})


def test_other_data_types_are_the_owners_to_encode() -> None:
    schema = [{"name": "x", "dataType": "MOMENTS", "fields": ["n", "cubes"]}]
    with pytest.raises(InvalidInput, match="what 'MOMENTS' puts into n, cubes only its author knows"):
        vector(features_of(schema), {"x": [1]})


def test_more_owners_leave_less_room_for_each() -> None:
    assert made(AGE, [9 * 10**8], owners=10)[1] == 9 * 10**8
    with pytest.raises(InvalidInput, match="min of feature 'age' is too large for a sum over 11 owners"):
        made(AGE, [9 * 10**8], owners=11)


def test_the_originals_vectors_of_real_data_add_up_as_the_original_adds() -> None:
    frame = load_breast_cancer(as_frame=True).frame[["mean radius", "target"]]
    schema = [{"name": "mean radius", "dataType": "NUMERIC"}, {"name": "target", "dataType": "BOOLEAN"}]
    parts = [frame.iloc[at::5] for at in range(5)]
    found = aggregated(schema, [{name: part[name].tolist() for name in part} for part in parts])
    radius = found["mean radius"]
    assert radius["aggregatedNotNull"] == len(frame)
    assert radius["aggregatedAvg"] == pytest.approx(sum(part["mean radius"].mean() for part in parts), abs=1e-8)
    assert radius["aggregatedQ3"] == pytest.approx(sum(part["mean radius"].quantile(0.75) for part in parts), abs=1e-8)
    assert found["target"]["aggregatedTrue"] == frame["target"].sum()
    assert found["target"]["percentage"] == round(frame["target"].mean() * 100, 2)


ENTRIES: dict[str, Any] = {
    "entries": {
        "age": {
            "numOfNotNull": 3,
            "min": 18,
            "max": 65,
            "avg": 35.5,
            "q1": 28,
            "q2": 35,
            "q3": 45,
            "histogram": [1, 2],
        },
        "seen": {"numOfNotNull": 3},
        "isActive": {"numOfNotNull": 3, "numOfTrue": 1},
        "ward": {"numOfNotNull": 3, "valueSet": ["a", "b"], "cardinalityPerItem": [1, 2]},
        "none": {"numOfNotNull": 0, "min": None, "max": None},
    },
    "features": [{"name": "ward", "dataType": "ORDINAL"}, {"name": "none", "dataType": "NUMERIC"}],
}


def test_statistics_made_elsewhere() -> None:
    schema, elements, skipped = vector_of_entries(ENTRIES)
    assert [float(one) for one in elements] == [3, 18, 65, 35.5, 28, 35, 45, 3, 1, 3, 2, 2, *[0] * 7]
    assert [(one["featureName"], one["dataType"], one["offset"], one["length"]) for one in schema] == [
        ("age", "NUMERIC", 0, 7),
        ("isActive", "BOOLEAN", 7, 2),
        ("ward", "ORDINAL", 9, 3),
        ("none", "NUMERIC", 12, 7),
    ]
    assert skipped == ["seen"]
    assert features_of(schema)[-1].end == len(elements)


def test_their_older_form_and_counts_by_name() -> None:
    ward = {"numOfNotNull": 3, "valueSet": ["a", "b"], "cardinalityPerItem": {"a": 1, "b": 2}}
    features = [
        {"name": "ward", "dataType": "nominal", "statistics": ward},
        {"name": "born", "dataType": "DATETIME", "statistics": {"numOfNotNull": 3}},
    ]
    made = vector_of_entries({"entries": [{"featureSet": {"features": features}}]})
    assert made.vector == [3, 2, 2]
    assert made.skipped == ["born"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"age": {"numOfNotNull": 3, "avg": 1}}, "feature 'age', min: is missing"),
        ({"a": {"numOfTrue": 1}}, "feature 'a', numOfNotNull: is missing"),
        ({"a": {"numOfNotNull": "3", "numOfTrue": 1}}, "feature 'a', numOfNotNull: is of type str"),
        ({"a": {"numOfNotNull": 1, "valueSet": ["x"], "cardinalityPerItem": []}}, "valueSet has 1 values"),
        ({"a": 7}, "entries: must be"),
        ([{"featureSet": {}}], "entries: must be"),
        (None, "entries: must be"),
    ],
)
def test_statistics_with_something_missing_are_refused(entries: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        vector_of_entries({"entries": entries})
