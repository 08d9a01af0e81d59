"""Tables as Parquet files, by pyarrow: of the types that pandas would write for the same columns."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

Column = NDArray[Any] | Sequence[bytes]


def table(columns: Mapping[str, Column]) -> bytes:
    """A file with these columns, which are of one length: the same columns give the same bytes.

    A matrix becomes a list of doubles in each row, a vector of integers int64, texts of bytes binary.
    """
    import pyarrow
    from pyarrow import parquet

    content = BytesIO()
    made = pyarrow.table({name: _array(column) for name, column in columns.items()})
    parquet.write_table(made, content, use_dictionary=False)  # measurements seldom repeat: it costs most of the time
    return content.getvalue()


def _array(column: Column) -> "pyarrow.Array":
    import pyarrow

    if not isinstance(column, np.ndarray):
        return pyarrow.array(column, pyarrow.binary())
    if column.ndim == 1:
        return pyarrow.array(column.astype(np.int64))
    rows, width = column.shape
    values = pyarrow.array(np.ascontiguousarray(column, np.float64).ravel())
    return pyarrow.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * width, values)
