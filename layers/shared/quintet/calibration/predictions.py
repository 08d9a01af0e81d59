"""The rows of a message of predictions, as one array: encoders write them alike, so they are not read one by one."""

from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from quintet.calibration.messages import OUTPUTS
from quintet.calibration.pb.calibration_pb2 import Predictions
from quintet.kernel.errors import InvalidInput

MOST_SAMPLES = 100_000
"""In one batch: a few bytes on the wire can make many objects here."""

LARGEST_UNUSUAL = 256 * 1024
"""Bytes of predictions that are not encoded row by row alike: they are read one by one, while all others wait."""

SUM_TOLERANCE = 0.01

Probabilities = NDArray[np.float32]
Sent = TypeVar("Sent", bound=Message)


def predictions(body: bytes) -> tuple[Predictions, Probabilities]:
    """What the message says besides its rows, and these (n, K), or (0, 0) where it has none. Raises
    InvalidInput.
    """
    found, rest = _alike(body)
    sent = _unusual(rest)
    if not sent.pred:
        return sent, found
    sent = _unusual(body)
    return sent, _one_by_one(sent)


def start_of_row(body: bytes) -> tuple[int, int]:
    """How many bytes come before the first row's floats, and how many the row is; (0, 0) where none begins here that
    holds packed floats and nothing else.
    """
    outer, length = _start(body, 0)
    inner, floats = _start(body, outer)
    whole = outer and inner and floats and floats % 4 == 0 and inner + floats == length
    return (outer + inner, outer + length) if whole and outer + length <= len(body) else (0, 0)


def refuse_others_than_probabilities(index: int, found: Probabilities) -> None:
    """Raises InvalidInput where a row of `found` (n, K) holds NaN or a negative, or does not sum to 1."""
    with np.errstate(all="ignore"):
        sums = found.sum(axis=1, dtype=np.float64)
        distances = np.abs(sums - 1)
        if found.min() >= 0 and distances.max() <= SUM_TOLERANCE:  # neither is true of NaN
            return
        row = int(((found.min(axis=1) >= 0) & (distances <= SUM_TOLERANCE)).argmin())
    raise InvalidInput(
        f"outputs {index}, row {row}: {_said_of(found[row], sums[row])}; send probabilities (softmax), not logits"
    )


def parsed(kind: type[Sent], body: bytes, what: str) -> Sent:
    """Raises InvalidInput."""
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidInput(f"a message of {len(body)} bytes among the {what} is no protobuf of theirs") from None


def _alike(body: bytes) -> tuple[Probabilities, bytes]:
    """The rows that a message begins with, as long as they are encoded like the first, and what comes after them."""
    head, stride = start_of_row(body)
    if not head:
        return np.zeros((0, 0), np.float32), body
    table = np.frombuffer(body, np.uint8, len(body) // stride * stride).reshape(-1, stride)
    alike = (table[:, :head] == table[0, :head]).all(axis=1)
    rows = len(table) if alike.all() else int(alike.argmin())
    return np.ascontiguousarray(table[:rows, head:]).view("<f4"), body[rows * stride :]


def _start(body: bytes, place: int) -> tuple[int, int]:
    """How many bytes a field 1 has before its content, and how many in it; (0, 0) where there is none."""
    if body[place : place + 1] != b"\x0a":
        return 0, 0
    length = 0
    for count, byte in enumerate(body[place + 1 : place + 5]):
        length |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return count + 2, length
    return 0, 0


def _unusual(body: bytes) -> Predictions:
    if len(body) > LARGEST_UNUSUAL:
        raise InvalidInput(
            f"{len(body)} bytes among the outputs are not packed floats in rows of one length: send smaller batches"
        )
    return parsed(Predictions, body, OUTPUTS)


def _one_by_one(sent: Predictions) -> Probabilities:
    values = [list(row.values) for row in sent.pred[: MOST_SAMPLES + 1]]
    lengths = sorted({len(row) for row in values})
    if len(lengths) > 1:
        raise InvalidInput(
            f"the predictions of outputs {sent.batch_index} have {lengths[0]} to {lengths[-1]} classes: "
            "send all classes in each"
        )
    if not lengths[0]:
        raise InvalidInput(f"the predictions of outputs {sent.batch_index} are empty: send a probability a class")
    return np.array(values, np.float32)


def _said_of(row: Probabilities, total: float) -> str:
    if not np.isfinite(row).all():
        return "a value is NaN or infinite"
    return f"the value {row.min():.6g} is negative" if row.min() < 0 else f"the values sum to {total:.6g}"
