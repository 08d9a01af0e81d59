"""A vector, or the records it is made of, from an owner's files."""

import csv
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from quintet.aggregation.schema import Feature, features_of
from quintet.aggregation.vectors import vector
from quintet.kernel.errors import InvalidInput
from quintet.sdk.datasets import numbers

NULLS = frozenset({"", "na", "nan", "null", "none", "n/a"})
TRUTHS: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Schema = Sequence[Mapping[str, Any]]


def read_schema(path: Path) -> Schema:
    """A JSON list of items. Raises InvalidInput, and OSError."""
    try:
        schema: Schema = json.loads(path.read_text())
    except ValueError:
        raise InvalidInput(f"{path} is not JSON") from None
    features_of(schema)
    return schema


def read_vector(path: Path) -> list[Decimal]:
    """A JSON list of numbers, or numbers with white space or commas between. Raises InvalidInput, and OSError."""
    text = path.read_text()
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        found = text.replace(",", " ").split()
    return numbers(found if isinstance(found, list) else [found])


def vector_of_records(path: Path, schema: Schema, *, owners: int) -> list[Decimal]:
    """Of a CSV file with the features' names in its first line. Raises InvalidInput, and OSError."""
    features = features_of(schema)
    columns = read_columns(path, features)
    return vector(features, columns, owners=owners)


def read_columns(path: Path, features: Sequence[Feature]) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        records = csv.DictReader(file)
        named = set(records.fieldnames or ())
        columns: dict[str, list[Any]] = {feature.name: [] for feature in features if feature.name in named}
        for record in records:
            for feature in features:
                if feature.name in columns:
                    columns[feature.name].append(_value(feature, record[feature.name], records.line_num))
    return columns


def _value(feature: Feature, text: str | None, line: int) -> Any:
    """Raises InvalidInput, which does not repeat the text: it is a record's."""
    known = (text or "").strip()
    if known.lower() in NULLS:
        return None
    try:
        if feature.data_type == "NUMERIC":
            return Decimal(known)
        return TRUTHS[known.lower()] if feature.data_type == "BOOLEAN" else known
    except (InvalidOperation, KeyError):
        kind = "number" if feature.data_type == "NUMERIC" else "truth (1, 0, true, false, yes or no)"
        raise InvalidInput(f"line {line}, column {feature.name}: is no {kind}") from None
