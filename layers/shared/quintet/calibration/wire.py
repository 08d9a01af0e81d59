"""From the bytes on the queues to the halves of batches, whichever generation of clients wrote them.

The inputs' messages have no name on the wire, so what they hold tells which of two shapes they have:

    labelled    data=1, labels=2, batch_index=3, is_last_batch=4, session_id=5
    unlabelled  data=1, batch_index=2, is_last_batch=3, session_id=4

Labelled is what has a number in field 4, anything in field 5, more than one number in field 2, packed ones there, or
in field 3 a number that is no flag. The rest is unlabelled. Encoders leave zeros out and pack labels, so this is exact
for all that they write, but for one: data with no label at all, index 1 and no session is read as the last batch 0.
"""

from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.messages import INPUTS, OUTPUTS, Side
from quintet.calibration.pb.dataset_pb2 import DataBatchLabeled, DataBatchUnlabeled
from quintet.calibration.predictions import (
    MOST_SAMPLES,
    Probabilities,
    parsed,
    predictions,
    refuse_others_than_probabilities,
    start_of_row,
)
from quintet.calibration.shapes import Shape
from quintet.kernel.errors import InvalidInput

HIGHEST_INDEX = 1_000_000

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class InputsHalf:
    """What the dispatcher says of a batch.

    `labels` (n,), None where it sends none; `data` is little-endian float32 in C order; `digest`: 16 bytes of both,
    the same however they were encoded.
    """

    index: int
    labels: Labels | None
    data: bytes
    last: bool
    session_id: str
    digest: bytes

    @property
    def bare(self) -> bool:
        """It tells the end and nothing else."""
        return self.labels is None and not self.data


@dataclass(frozen=True, slots=True, eq=False)
class OutputsHalf:
    """What the client's model says of a batch: `probabilities` (n, K), and 16 bytes that tell them from others."""

    index: int
    probabilities: Probabilities
    last: bool
    session_id: str
    digest: bytes

    @property
    def bare(self) -> bool:
        """It tells the end and nothing else."""
        return not len(self.probabilities)


Half = InputsHalf | OutputsHalf


def inputs_half(body: bytes, highest: int = HIGHEST_INDEX) -> InputsHalf:
    """Of either shape. Raises InvalidInput, also for an index above `highest`."""
    labelled = parsed(DataBatchLabeled, body, INPUTS)
    sent = _unlabelled(labelled, body) or labelled
    labels = _labels(sent) if isinstance(sent, DataBatchLabeled) else None
    index, data = _index(sent.batch_index, highest, INPUTS), sent.data
    if labels is None and not data and not sent.is_last_batch:
        raise InvalidInput(f"inputs {index} hold neither data nor labels: send data, or say that the batch is the last")
    _refuse_broken_data(index, data, labels)
    return InputsHalf(index, labels, data, sent.is_last_batch, sent.session_id, _digest_of_inputs(labels, data))


def outputs_half(body: bytes, highest: int = HIGHEST_INDEX) -> OutputsHalf:
    """Raises InvalidInput, also for an index above `highest` and for rows that are no probabilities."""
    sent, found = predictions(body)
    index = _index(sent.batch_index, highest, OUTPUTS)
    if not len(found) and not sent.eof:
        raise InvalidInput(f"outputs {index} hold no predictions: send a row a sample, or say that it is the end")
    if len(found) > MOST_SAMPLES:
        raise InvalidInput(f"outputs {index} have {len(found)} rows: send batches of {MOST_SAMPLES} at most")
    if len(found):
        refuse_others_than_probabilities(index, found)
    return OutputsHalf(index, found, sent.eof, sent.session_id, _digest_of_outputs(found))


def side_of(body: bytes) -> Side:
    """Which half it is, where one queue carries both. What begins with a row of predictions is outputs: data are
    floats, whose length can't be a row's. All else is inputs, an end that comes alone, too.
    """
    return OUTPUTS if start_of_row(body)[0] else INPUTS


def fits(inputs: InputsHalf, shape: Shape | None) -> None:
    """Raises InvalidInput where the data are not whole samples of `shape`, or not as many as there are labels."""
    if shape is None or not inputs.data:
        return
    samples, rest = divmod(len(inputs.data), 4 * prod(shape))
    if rest:
        raise InvalidInput(
            f"inputs {inputs.index} are {len(inputs.data)} bytes, no whole number of samples of shape {shape}: "
            "send float32, or register with the format of what is sent"
        )
    if inputs.labels is not None and len(inputs.labels) != samples:
        raise InvalidInput(
            f"inputs {inputs.index} have {len(inputs.labels)} labels for {samples} samples: send a label a sample"
        )


def labels_match(index: int, labels: Labels, probabilities: Probabilities) -> None:
    """Raises InvalidInput where `labels` (n,) do not belong to `probabilities` (n, K)."""
    rows, classes = probabilities.shape
    if len(labels) != rows:
        raise InvalidInput(f"batch {index} has {len(labels)} labels but {rows} predictions: send one a sample")
    if rows and not (labels.min() >= 0 and labels.max() < classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise InvalidInput(f"batch {index} has the label {wrong} but {classes} classes: labels go from 0")


def agree(inputs: InputsHalf, outputs: OutputsHalf, shape: Shape | None) -> None:
    """Raises InvalidInput where the halves of a batch do not belong together."""
    fits(inputs, shape)
    if inputs.labels is not None:
        labels_match(inputs.index, inputs.labels, outputs.probabilities)
    elif shape and inputs.data and (samples := len(inputs.data) // (4 * prod(shape))) != len(outputs.probabilities):
        rows = len(outputs.probabilities)
        raise InvalidInput(f"batch {inputs.index} has {samples} samples but {rows} predictions: send one a sample")


def _unlabelled(sent: DataBatchLabeled, body: bytes) -> DataBatchUnlabeled | None:
    """The same message of the other shape, None where it is labelled."""
    if sent.HasField("is_last_batch") or sent.HasField("session_id") or len(sent.labels) > 1:
        return None
    if sent.batch_index not in (0, 1):
        return None
    other = parsed(DataBatchUnlabeled, body, INPUTS)
    return None if sent.labels and not other.HasField("batch_index") else other


def _index(index: int, highest: int, side: Side) -> int:
    if not 0 <= index <= highest:
        raise InvalidInput(f"the batch index {index} among the {side} is not from 0 to {highest}: count batches from 0")
    return index


def _labels(sent: DataBatchLabeled) -> Labels | None:
    if len(sent.labels) > MOST_SAMPLES:
        raise InvalidInput(
            f"inputs {sent.batch_index} have {len(sent.labels)} labels: send batches of {MOST_SAMPLES} at most"
        )
    return np.array(list(sent.labels), np.int64) if sent.labels else None


def _refuse_broken_data(index: int, data: bytes, labels: Labels | None) -> None:
    if len(data) % 4:
        raise InvalidInput(f"the data of inputs {index} are {len(data)} bytes, no whole number of float32")
    if labels is not None and len(data) // 4 % len(labels):
        raise InvalidInput(
            f"inputs {index} have {len(labels)} labels for {len(data) // 4} values, which are no whole samples"
        )


def _digest_of_inputs(labels: Labels | None, data: bytes) -> bytes:
    known = sha256(b"" if labels is None else labels.astype("<i4").tobytes(), usedforsecurity=False)
    known.update(b"%d" % (0 if labels is None else len(labels)))
    known.update(data)
    return known.digest()[:16]


def _digest_of_outputs(probabilities: Probabilities) -> bytes:
    head = b"%d %d " % probabilities.shape
    return sha256(head + probabilities.tobytes(), usedforsecurity=False).digest()[:16]
