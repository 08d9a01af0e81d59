"""A vector from an owner's files."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quintet.kernel.errors import InvalidInput
from quintet.sdk.vector_files import read_schema, read_vector, vector_of_records

SCHEMA: list[dict[str, Any]] = [
    {"name": "age", "dataType": "NUMERIC"},
    {"name": "sick", "dataType": "BOOLEAN"},
    {"name": "town", "dataType": "NOMINAL", "encoding": "pooled", "categories": ["a", "b"]},
]


@pytest.mark.parametrize("text", ["[1, 2.50, -0.1]", "1, 2.50, -0.1", "1\n2.50\n-0.1\n", "[1, 2.50,\n -0.1]"])
def test_a_vector_keeps_its_decimals(tmp_path: Path, text: str) -> None:
    (tmp_path / "vector").write_text(text)
    assert read_vector(tmp_path / "vector") == [Decimal(1), Decimal("2.5"), Decimal("-0.1")]


@pytest.mark.parametrize(("text", "said"), [("[1, null]", "element 1"), ("1 x", "element 1"), ("{}", "element 0")])
def test_what_is_no_vector_is_refused_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "vector").write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_vector(tmp_path / "vector")


def test_records_become_a_vector_by_their_schema(tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_text("\ufeffage,sick,town,name\n30,yes,a,Ada\n40.5,0,c,Bob\nNA,,,\n", "utf-8")
    found = vector_of_records(tmp_path / "records.csv", SCHEMA, owners=3)
    assert found[:4] == [2, 30, Decimal("40.5"), Decimal("35.25")]
    assert found[7:] == [2, 1, 2, 1, 0, 1]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("age,sick,town\n30,1,a\nsecret,1,a\n", "line 3, column age: is no number"),
        ("age,sick,town\n30,perhaps,a\n", "line 2, column sick: is no truth"),
        ("age,sick\n30,1\n", "town"),
        ("", "age"),
    ],
)
def test_what_a_record_can_not_be_is_named_and_not_repeated(tmp_path: Path, records: str, said: str) -> None:
    (tmp_path / "records.csv").write_text(records)
    with pytest.raises(InvalidInput, match=said) as caught:
        vector_of_records(tmp_path / "records.csv", SCHEMA, owners=3)
    assert "secret" not in caught.value.message
    assert "perhaps" not in caught.value.message


def test_a_schema_is_checked_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    assert read_schema(tmp_path / "schema.json") == SCHEMA
    for wrong in ("{", "[]", '[{"name": "age"}]'):
        (tmp_path / "schema.json").write_text(wrong)
        with pytest.raises(InvalidInput):
            read_schema(tmp_path / "schema.json")
