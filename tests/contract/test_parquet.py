"""Batches as Parquet files: what the readers of the original's files find in ours."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from quintet.adapters.parquet import table
from quintet.calibration.experiment import Columns, batch_columns
from quintet.calibration.messages import Via
from tests.calibration.tracked_sessions import ROWS, a_session, made


def read(content: bytes) -> Any:
    return parquet.read_table(BytesIO(content))


@pytest.mark.parametrize(
    ("via", "types"),
    [
        ("grpc", {"input": "list<element: double>", "probabilities": "list<element: double>"}),
        ("notification", {"input": "binary", "y_pred": "list<element: double>", "y_test": "int64"}),
    ],
)
def test_columns_have_the_originals_types(via: Via, types: dict[str, str]) -> None:
    """Those that pandas gives a frame of lists of floats, of bytes and of ints."""
    found = read(table(batch_columns(a_session(via=via), made(1)))).schema
    assert {name: str(found.field(name).type) for name in found.names} == types


def test_values_are_those_that_came() -> None:
    contents = made(2)
    rows = read(table(batch_columns(a_session(via="notification"), contents))).to_pylist()
    assert len(rows) == ROWS
    assert b"".join(row["input"] for row in rows) == contents.data
    assert np.array_equal(np.array([row["y_pred"] for row in rows], np.float32), contents.probabilities)
    assert contents.labels is not None
    assert [row["y_test"] for row in rows] == contents.labels.tolist()
    (flat,) = {len(row["input"]) for row in read(table(batch_columns(a_session(), contents))).to_pylist()}
    assert flat * 4 * ROWS == len(contents.data)


def test_the_same_columns_give_the_same_bytes() -> None:
    assert table(batch_columns(a_session(), made(3))) == table(batch_columns(a_session(), made(3)))


def test_no_rows_are_a_table_too() -> None:
    columns: Columns = {"input": np.zeros((0, 0)), "label": np.zeros(0, np.int64), "bytes": []}
    assert read(table(columns)).num_rows == 0


def test_rows_without_values_are_empty_lists() -> None:
    assert read(table({"input": np.zeros((2, 0))})).to_pylist() == [{"input": []}, {"input": []}]


def test_a_slice_of_an_array_is_written_as_it_reads() -> None:
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    assert [row["p"] for row in read(table({"p": matrix})).to_pylist()] == matrix.tolist()
