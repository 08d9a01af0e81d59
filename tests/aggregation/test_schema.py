"""Both forms of a schema, what follows from them, and what is refused with item and field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.schema import MOST_CELLS, MOST_ELEMENTS, canonical, element_name, features_of, size_of
from quintet.kernel.errors import InvalidInput

AGE = {"name": "age", "encoding": "pooled", "dataType": "NUMERIC", "low": 0, "high": 120, "bins": 24}
WARD = {"name": "ward", "encoding": "pooled", "dataType": "NOMINAL", "categories": ["a", "b"]}
GRADE = {"name": "grade", "dataType": "GRADE", "fields": ["numOfNotNull", "points"]}


def test_the_documents_simple_schema() -> None:
    features = features_of([{"name": "age", "dataType": "NUMERIC"}, {"name": "isActive", "dataType": "BOOLEAN"}])
    assert [(one.name, one.data_type, one.offset, one.length) for one in features] == [
        ("age", "NUMERIC", 0, 7),
        ("isActive", "BOOLEAN", 7, 2),
    ]
    assert features[0].fields == ("numOfNotNull", "min", "max", "avg", "q1", "q2", "q3")
    assert size_of(features) == 9


def test_both_forms_mean_the_same() -> None:
    simple = [{"name": "age", "dataType": "NUMERIC"}, {"name": "ward", "dataType": "NOMINAL"}]
    fields = ["numOfNotNull", "numUniqueValues", "topValueCount"]
    full = [
        {"featureName": "ward", "offset": 7, "length": 3, "dataType": "NOMINAL", "fields": fields},
        {"featureName": "age", "offset": 0, "length": 7, "dataType": "numeric"},
    ]
    assert canonical(features_of(simple)) == canonical(features_of(full))


@pytest.mark.parametrize(
    "other",
    [
        {"name": "ages"},
        {"high": 121},
        {"low": -1},
        {"bins": 12},
        {"encoding": "original"},
        {"dataType": "ORDINAL", "categories": ["1"]},
    ],
)
def test_another_meaning_has_another_text(other: dict[str, Any]) -> None:
    assert canonical(features_of([AGE])) != canonical(features_of([{**AGE, **other}]))


def test_categories_and_their_order_are_part_of_the_meaning() -> None:
    texts = {
        canonical(features_of([{**WARD, "categories": categories, "dataType": data_type}]))
        for categories in (["a", "b"], ["b", "a"], ["a", "b", "c"])
        for data_type in ("NOMINAL", "ORDINAL")
    }
    assert len(texts) == 6


def test_numbers_are_compared_by_value() -> None:
    assert canonical(features_of([AGE])) == canonical(
        features_of([{**AGE, "low": 0.0, "high": 1.2e2, "unit": "years"}])
    )


def test_a_placed_item_without_data_type_is_boolean_as_it_always_was() -> None:
    (feature,) = features_of([{"featureName": "sick", "offset": 4, "length": 2}])
    assert (feature.data_type, feature.fields) == ("BOOLEAN", ("numOfNotNull", "numOfTrue"))
    assert size_of([feature]) == 6


def test_a_shorter_length_takes_the_first_elements() -> None:
    features = features_of([{"name": "ward", "dataType": "NOMINAL", "length": 1}, {"name": "b", "dataType": "BOOLEAN"}])
    assert [(one.offset, one.fields) for one in features] == [
        (0, ("numOfNotNull",)),
        (1, ("numOfNotNull", "numOfTrue")),
    ]


def test_gaps_and_any_order_are_legal() -> None:
    features = features_of([{"featureName": "b", "offset": 5}, {"featureName": "a", "offset": 0}])
    assert [(one.name, one.offset) for one in features] == [("b", 5), ("a", 0)]
    assert size_of(features) == 7
    assert element_name(features, 6) == "numOfTrue of feature 'b'"
    assert "no feature" in element_name(features, 3)


def test_pooled_items_are_as_long_as_their_bins_and_categories() -> None:
    age, ward, sick, grade = features_of(
        [AGE, WARD, {"name": "sick", "dataType": "BOOLEAN", "encoding": "pooled"}, GRADE]
    )
    assert (age.length, ward.length, sick.length, grade.length) == (31, 4, 2, 2)
    assert age.fields[:7] == ("numOfNotNull", "sumHi", "sumLo", "squaresHi", "squaresLo", "below", "bin1")
    assert ward.fields == ("numOfNotNull", "a", "b", "other")


def placed(**other: Any) -> dict[str, Any]:
    return {"featureName": "a", "offset": 0, "length": 2, "dataType": "BOOLEAN", **other}


WRONG = [
    ([{"dataType": "NUMERIC"}], "item 1, name: is missing"),
    ([{"name": "", "dataType": "NUMERIC"}], "item 1, name:"),
    ([{"name": ["a"], "dataType": "NUMERIC"}], "item 1, name:"),
    ([{"name": "a", "featureName": "b", "dataType": "NUMERIC"}], "item 1, name: differs from featureName"),
    ([{"name": "a" * 257, "dataType": "NUMERIC"}], "item 1, name:"),
    ([{"name": "a"}], "item 1, dataType: is missing"),
    ([{"name": "a", "dataType": 7.5}], "item 1, dataType:"),
    ([{"name": "a", "dataType": "DATETIME"}], "item 1, fields: is missing"),
    ([{"name": "a", "dataType": ""}], "item 1, dataType:"),
    ([GRADE, {**GRADE, "name": "b", "fields": []}], "item 2, fields:"),
    ([{**GRADE, "fields": "points"}], "item 1, fields: must be a list"),
    ([{**GRADE, "fields": ["n", "x", "x"]}], "item 1, fields: has 'x' twice"),
    ([{**GRADE, "fields": ["n", "sumX", "sumx"]}], "item 1, fields: has two that differ in case"),
    ([{**GRADE, "length": 3}], "item 1, length: is 3, but GRADE has 2 elements"),
    (
        [{"name": "a", "dataType": "BOOLEAN"}, {"name": "a", "dataType": "BOOLEAN"}],
        "item 2, name: 'a' is that of item 1",
    ),
    ([placed(offset=-1)], "item 1, offset: is -1"),
    ([placed(offset=0.5)], "item 1, offset: is 0.5"),
    ([placed(offset=2.0)], "item 1, offset: is 2.0"),
    ([placed(offset=True)], "item 1, offset: is True"),
    ([placed(offset="0")], "item 1, offset: is '0'"),
    ([placed(offset=10**5000)], "item 1, offset: is a number of more than 20 digits"),
    ([placed(offset=MOST_ELEMENTS)], "item 1, length: takes the vector beyond"),
    ([placed(length=0)], "item 1, length: is 0"),
    ([placed(length=3)], "item 1, length: is 3, but BOOLEAN has 2"),
    ([placed(length=10**9)], "item 1, length: is 1000000000"),
    ([placed(fields=["numOfTrue", "numOfNotNull"])], "item 1, fields: of BOOLEAN are numOfNotNull, numOfTrue"),
    ([placed(length=7, dataType="NUMERIC"), placed(featureName="b", offset=6)], "item 2, offset: is 6, but item 1"),
    ([placed(offset=1), placed(featureName="b", offset=0)], "item 1, offset: is 1, but item 2 reaches to 2"),
    ([placed(), {"name": "b", "dataType": "BOOLEAN"}], "item 2, offset: is missing"),
    ([{"name": "b", "dataType": "BOOLEAN"}, placed()], "item 1, offset: is missing"),
    ([{**AGE, "encoding": "poled"}], "item 1, encoding: is 'poled', must be one of original, pooled"),
    ([{**AGE, "encoding": ["pooled"]}], "item 1, encoding:"),
    ([{**GRADE, "encoding": "pooled"}], "item 1, encoding: 'pooled' is for"),
    ([{**AGE, "low": None}], "item 1, low: is missing"),
    ([{**AGE, "low": "0"}], "item 1, low: is '0', must be a number"),
    ([{**AGE, "low": float("nan")}], "item 1, low:"),
    ([{**AGE, "high": float("inf")}], "item 1, high:"),
    ([{**AGE, "high": 10**400}], "item 1, high:"),
    ([{**AGE, "low": 120}], "item 1, high: is 120, must be above low"),
    ([{**AGE, "low": 121}], "item 1, high:"),
    ([{**AGE, "low": 1e-300, "high": 2e-300}], "item 1, high: is too close"),
    ([{**AGE, "bins": 0}], "item 1, bins: is 0"),
    ([{**AGE, "bins": MOST_CELLS + 1}], "item 1, bins:"),
    ([{**AGE, "bins": 2.5}], "item 1, bins: is 2.5"),
    ([{**AGE, "length": 30}], "item 1, length: is 30, but NUMERIC has 31"),
    ([WARD, {**WARD, "name": "b", "categories": ["x", "y", "x"]}], "item 2, categories: has 'x' twice"),
    ([{**WARD, "categories": [1, "1"]}], "item 1, categories: has '1' twice"),
    ([{**WARD, "categories": []}], "item 1, categories: must be a list of 1 to"),
    ([{**WARD, "categories": {"a": 1}}], "item 1, categories: must be a list"),
    ([{**WARD, "categories": [None]}], "item 1, categories: is None"),
    ([{**WARD, "categories": [str(n) for n in range(MOST_CELLS + 1)]}], "item 1, categories: must be a list of 1 to"),
    (["age"], "item 1: must be an object"),
    ([], "schema: has no items"),
    ({"name": "age"}, "schema: must be a list"),
    ("age", "schema: must be a list"),
]


@pytest.mark.parametrize(("schema", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_told_with_item_and_field(schema: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        features_of(schema)
    assert message in refused.value.message
    assert len(refused.value.message) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
KEYS = (
    "name",
    "featureName",
    "dataType",
    "offset",
    "length",
    "fields",
    "encoding",
    "low",
    "high",
    "bins",
    "categories",
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(["NUMERIC", "NOMINAL", "pooled"]))))
def test_anything_is_either_read_or_refused(schema: list[dict[str, Any]]) -> None:
    try:
        features = features_of(schema)
    except InvalidInput:
        return
    assert size_of(features) <= MOST_ELEMENTS
    assert json.loads(canonical(features))
