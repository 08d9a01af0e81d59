"""Sums read under the original's names, and what is ours beside them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.decoding import decoded, number
from quintet.aggregation.schema import features_of
from quintet.kernel.errors import InvalidInput
from tests.aggregation.summing import aggregated

EVERY = [
    {"name": "age", "dataType": "NUMERIC"},
    {"name": "is_employed", "dataType": "BOOLEAN"},
    {"name": "department", "dataType": "NOMINAL"},
]
SUMS = ["1950", "36", "130", "72.5", "56", "70", "90.000000001", "1000", "750", "950", "7", "600"]


def test_the_originals_names_in_its_order() -> None:
    age, employed, department = decoded(features_of(EVERY), SUMS)
    assert list(age.items())[:9] == [
        ("featureName", "age"),
        ("dataType", "NUMERIC"),
        ("aggregatedNotNull", 1950),
        ("aggregatedMin", 36),
        ("aggregatedMax", 130),
        ("aggregatedAvg", 72.5),
        ("aggregatedQ1", 56),
        ("aggregatedQ2", 70),
        ("aggregatedQ3", 90.000000001),
    ]
    assert list(employed.items()) == [
        ("featureName", "is_employed"),
        ("dataType", "BOOLEAN"),
        ("aggregatedNotNull", 1000),
        ("aggregatedTrue", 750),
        ("percentage", 75.0),
    ]
    assert list(department.items())[:6] == [
        ("featureName", "department"),
        ("dataType", "CATEGORICAL"),
        ("aggregatedNotNull", 950),
        ("aggregatedUniqueValues", 7),
        ("aggregatedTopValueCount", 600),
        ("diversity", 0.74),
    ]


def test_numbers_that_are_sums_of_the_owners_figures_say_so() -> None:
    age, employed, department = decoded(features_of(EVERY), SUMS)
    five = [f"aggregated{name}" for name in ("Min", "Max", "Avg", "Q1", "Q2", "Q3")]
    assert age["sumsOfOwnersValues"] == five
    assert "pooled" in age["note"]
    assert department["sumsOfOwnersValues"] == ["aggregatedUniqueValues", "aggregatedTopValueCount", "diversity"]
    assert "sumsOfOwnersValues" not in employed


def test_nothing_counted_divides_by_nothing() -> None:
    features = features_of(EVERY)
    age, employed, department = decoded(features, ["0"] * 12)
    assert (employed["percentage"], department["diversity"], age["aggregatedAvg"]) == (0.0, 0.0, 0)


def test_percentages_are_rounded_as_the_original_rounds() -> None:
    features = features_of([{"name": "a", "dataType": "BOOLEAN"}])
    assert decoded(features, ["3", "2"])[0]["percentage"] == round(2 / 3 * 100.0, 2) == 66.67
    assert decoded(features, ["-3", "2"])[0]["percentage"] == 0.0


def test_categorical_features_of_one_value() -> None:
    features = features_of([{"featureName": "ward", "offset": 1, "length": 1, "dataType": "ORDINAL"}])
    assert decoded(features, ["999", "40"]) == [
        {"featureName": "ward", "dataType": "CATEGORICAL", "aggregatedNotNull": 40}
    ]


def test_other_data_types_have_their_fields_names() -> None:
    features = features_of([{"name": "x", "dataType": "Moments", "fields": ["n", "sumOfCubes", "SUM"]}])
    assert decoded(features, ["2", "1.5", "3.0"]) == [
        {
            "featureName": "x",
            "dataType": "Moments",
            "aggregatedNotNull": 2,
            "aggregatedSumofcubes": 1.5,
            "aggregatedSum": 3,
        }
    ]


def test_a_placed_feature_reads_its_place_alone() -> None:
    features = features_of([{"featureName": "b", "offset": 5}, {"featureName": "a", "offset": 1}])
    b, a = decoded(features, ["9", "10", "1", "9", "9", "20", "2"])
    assert (b["aggregatedNotNull"], b["aggregatedTrue"], a["aggregatedNotNull"], a["aggregatedTrue"]) == (20, 2, 10, 1)


@pytest.mark.parametrize("size", [0, 11, 13])
def test_a_sum_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match=f"has {size} elements, the schema describes 12"):
        decoded(features_of(EVERY), ["1"] * size)


GARBAGE = [
    "",
    "NaN",
    "Infinity",
    "-inf",
    "1_000",
    "١٢",
    "0x10",
    " 1",
    "1\n",
    "1,5",
    "None",
    "1e999",
    "9" * 51,
    "--1",
    "1.",
    ".5",
]


@pytest.mark.parametrize("text", GARBAGE)
def test_what_is_no_decimal_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInput, match="element 1 of the sum"):
        decoded(features_of([{"name": "a", "dataType": "BOOLEAN"}]), ["1", text])


def test_whole_numbers_stay_exact_however_large() -> None:
    assert number(Decimal("9007199254740993")) == 9007199254740993
    assert number(Decimal("1e20")) == 10**20
    assert isinstance(number(Decimal("12.000000000")), int)
    assert number(Decimal("-0")) == 0


@given(st.lists(st.decimals(-(10**9), 10**9, places=9), min_size=12, max_size=12))
def test_whatever_is_summed_leaves_as_json(sums: list[Decimal]) -> None:
    features = features_of(EVERY)
    told = decoded(features, [f"{one:f}" for one in sums])
    assert json.loads(json.dumps(told, allow_nan=False)) == told


POOLED: list[dict[str, Any]] = [
    {"name": "age", "dataType": "NUMERIC", "encoding": "pooled", "low": 0, "high": 100, "bins": 4},
    {"name": "ward", "dataType": "NOMINAL", "encoding": "pooled", "categories": ["a", "b", "c"]},
    {"name": "stage", "dataType": "ORDINAL", "encoding": "pooled", "categories": ["I", "II", "III"]},
]
OWNERS: list[dict[str, Any]] = [
    {"age": [10, 20, 30], "ward": ["a", "b", "b"], "stage": ["I", "I", "II"]},
    {"age": [40, 150], "ward": ["b", None], "stage": ["III", "III"]},
    {"age": [None], "ward": ["z"], "stage": [None]},
]


def test_pooled_numbers_are_those_of_all_records() -> None:
    assert aggregated(POOLED, OWNERS)["age"] == {
        "featureName": "age",
        "dataType": "NUMERIC",
        "aggregatedNotNull": 5,
        "encoding": "pooled",
        "pooled": {
            "count": 5,
            "sum": 250,
            "mean": 50,
            "variance": 3250,
            "standardDeviation": 3250**0.5,
            "quartiles": {
                "q1": {"value": 18.75, "low": 0, "high": 25},
                "q2": {"value": 31.25, "low": 25, "high": 50},
                "q3": {"value": 43.75, "low": 25, "high": 50},
            },
            "histogram": {"edges": [0, 25, 50, 75, 100], "counts": [2, 2, 0, 0], "below": 0, "above": 1},
        },
    }


def test_pooled_categories_are_counted_by_name() -> None:
    found = aggregated(POOLED, OWNERS)
    assert found["ward"] == {
        "featureName": "ward",
        "dataType": "CATEGORICAL",
        "aggregatedNotNull": 5,
        "encoding": "pooled",
        "pooled": {
            "count": 5,
            "counts": {"a": 1, "b": 3, "c": 0},
            "other": 1,
            "mode": "b",
            "uniqueValues": 2,
            "entropy": pytest.approx(1.370950594),
        },
    }
    assert found["stage"]["pooled"]["median"] == "II"
    assert found["stage"]["pooled"]["mode"] == "I"


@pytest.mark.parametrize(
    ("sums", "what"),
    [
        (["4", "1", "1", "1"], "numOfNotNull is 4, but categories and other hold 3"),
        (["3", "1.5", "0.5", "1"], "1.5 is no count"),
        (["1", "2", "-1", "0"], "-1 is no count"),
    ],
)
def test_sums_that_contradict_each_other_give_a_note_and_no_figures(sums: list[str], what: str) -> None:
    schema = [{"name": "ward", "dataType": "NOMINAL", "encoding": "pooled", "categories": ["a", "b"]}]
    (ward,) = decoded(features_of([*schema]), sums)
    assert ward["pooled"] is None
    assert what in ward["note"]
    assert ward["aggregatedNotNull"] == int(sums[0])
