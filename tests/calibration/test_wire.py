"""What the clients' bytes become, and what is said of those that can't be used."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.calibration.pb.calibration_pb2 import Predictions
from quintet.calibration.pb.dataset_pb2 import DataBatchLabeled
from quintet.calibration.predictions import MOST_SAMPLES
from quintet.calibration.shapes import shape_of
from quintet.calibration.wire import (
    HIGHEST_INDEX,
    InputsHalf,
    OutputsHalf,
    agree,
    fits,
    inputs_half,
    labels_match,
    outputs_half,
    side_of,
)
from quintet.kernel.errors import InvalidInput
from tests.calibration import old_clients

indexes = st.integers(0, HIGHEST_INDEX)
sessions = st.text(max_size=8)
labels = st.lists(st.integers(0, 2**31 - 1), max_size=9)


def varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number % (1 << 64))


def part(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def told(half: InputsHalf) -> tuple[int, list[int] | None, bool, str]:
    return half.index, None if half.labels is None else half.labels.tolist(), half.last, half.session_id


# Two generations of inputs


@given(indexes, st.booleans(), sessions)
def test_unlabelled_inputs_are_never_taken_for_labelled(index: int, last: bool, session: str) -> None:
    assert told(inputs_half(old_clients.unlabelled([1.0, 2.0], index, last, session))) == (index, None, last, session)
    assert told(inputs_half(old_clients.july([1.0, 2.0], index, last))) == (index, None, last, "")


@given(labels.filter(bool), indexes, st.booleans(), sessions)
def test_labelled_inputs_are_never_taken_for_unlabelled(sent: list[int], index: int, last: bool, session: str) -> None:
    data = [0.5] * 2 * len(sent)
    assert told(inputs_half(old_clients.labelled(data, sent, index, last, session))) == (index, sent, last, session)
    assert told(inputs_half(old_clients.september(data, sent, index, last))) == (index, sent, last, "")


AMBIGUOUS = {
    "one unpacked label, the first batch: an index": (whole(2, 7), (7, None, False, "")),
    "one unpacked label, the second batch: the last index": (whole(2, 7) + whole(3, 1), (7, None, True, "")),
    "one unpacked label, a later batch": (whole(2, 7) + whole(3, 2), (2, [7], False, "")),
    "one unpacked label and a session": (whole(2, 7) + part(5, b"s"), (0, [7], False, "s")),
    "one unpacked label and a last one": (whole(2, 7) + whole(4, 1), (0, [7], True, "")),
    "unpacked labels": (whole(2, 7) + whole(2, 8), (0, [7, 8], False, "")),
    "an empty list of packed labels": (part(2, b"") + whole(3, 5), (5, None, False, "")),
    "zeros, written out, unlabelled": (whole(2, 0) + whole(3, 0), (0, None, False, "")),
    "zeros, written out, labelled": (part(2, b"\0") + whole(3, 0) + whole(4, 0), (0, [0], False, "")),
    "a 1 in field 3 and nothing else: an end": (whole(3, 1), (0, None, True, "")),
    "a 1 in field 3 and a session: an index": (whole(3, 1) + part(5, b"s"), (1, None, False, "s")),
    "fields in another order": (whole(4, 1) + whole(3, 6) + part(2, b"\1"), (6, [1], True, "")),
    "a field that is not known": (part(2, b"\1") + whole(3, 6) + part(9, b"?"), (6, [1], False, "")),
}


@pytest.mark.parametrize(("fields", "meant"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_inputs_hold_tells_their_shape(fields: bytes, meant: tuple[int, list[int] | None, bool, str]) -> None:
    assert told(inputs_half(fields + part(1, bytes(8)))) == meant


def test_an_end_may_come_alone() -> None:
    assert inputs_half(old_clients.july([], 3, last=True)).bare
    assert inputs_half(old_clients.labelled([], [], 3, last=True, session="s")).bare
    assert outputs_half(old_clients.predictions([], 3, last=True)).bare
    assert not inputs_half(old_clients.labelled([], [1], 3, last=True)).bare
    assert not outputs_half(old_clients.predictions([[1.0]], 3, last=True)).bare


# Rows of probabilities


@given(st.integers(1, 12), st.integers(1, 5000), indexes, st.booleans(), sessions)
def test_probabilities_come_through_bit_by_bit(rows: int, classes: int, index: int, last: bool, session: str) -> None:
    sent = np.random.default_rng(index).dirichlet(np.ones(classes), rows).astype(np.float32)
    half = outputs_half(old_clients.predictions(sent, index, last, session))
    assert (half.index, half.last, half.session_id) == (index, last, session)
    assert half.probabilities.tobytes() == sent.tobytes()
    assert half.probabilities.shape == sent.shape
    assert half.probabilities.flags["C_CONTIGUOUS"]


def test_rows_that_are_encoded_otherwise_are_the_same_content() -> None:
    row = np.array([0.25, 0.75], "<f4")
    packed = part(1, row.tobytes())
    unpacked = b"".join(varint(1 << 3 | 5) + value.tobytes() for value in row)
    long_length = b"\x0a\x88\x00" + row.tobytes()
    usual = outputs_half(part(1, packed) * 4)
    unusual = outputs_half(part(1, unpacked) + part(1, packed + whole(2, 1)) + part(1, long_length) + part(1, packed))
    assert unusual.probabilities.tolist() == usual.probabilities.tolist() == [row.tolist()] * 4
    assert unusual.digest == usual.digest


def test_rows_of_one_length_may_be_encoded_differently() -> None:
    row = np.array([0.25, 0.75], "<f4")
    unpacked = b"".join(varint(1 << 3 | 5) + value.tobytes() for value in row)
    body = part(1, part(1, row.tobytes())) + part(1, unpacked)
    assert outputs_half(body).probabilities.tolist() == [[0.25, 0.75]] * 2
    labelled = part(1, part(1, row.tobytes()) + whole(2, 1))
    assert outputs_half(labelled * 2).probabilities.tolist() == [[0.25, 0.75]] * 2


def test_other_fields_may_stand_before_between_and_after_the_rows() -> None:
    row = part(1, part(1, np.array([0.25, 0.75], "<f4").tobytes()))
    for body in (
        whole(3, 7) + whole(2, 1) + row * 2,
        row + whole(3, 7) + whole(2, 1) + row,
        row * 2 + whole(3, 7) + whole(2, 1),
    ):
        half = outputs_half(body)
        assert (half.index, half.last, half.probabilities.tolist()) == (7, True, [[0.25, 0.75]] * 2)


# Digests


def test_a_digest_is_of_the_content_alone() -> None:
    half = inputs_half(old_clients.labelled([1, 2], [3, 4], 1, session="s"))
    assert len(half.digest) == 16
    assert inputs_half(old_clients.september([1, 2], [3, 4], 2, last=True)).digest == half.digest
    others = ([[1, 2], [3, 5]], [[1, 3], [3, 4]], [[1, 2], [3]], [[1, 2, 3, 4], [3, 4]], [[1, 2], []])
    digests = {inputs_half(old_clients.labelled(data, sent, 1, session="s")).digest for data, sent in others}
    assert len(digests | {half.digest}) == 6
    rows = outputs_half(old_clients.predictions([[0.5, 0.5]], 1))
    assert outputs_half(old_clients.predictions([[0.5, 0.5]], 9, last=True, session="s")).digest == rows.digest
    tables = ([[1.0, 0]], [[0, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5, 0]])
    assert rows.digest not in {outputs_half(old_clients.predictions(table, 1)).digest for table in tables}


def test_rows_and_classes_are_told_apart() -> None:
    """Both are within what rounding allows, and their bytes are the same."""
    wide, tall = np.full((50, 51), 1 / 50.5), np.full((51, 50), 1 / 50.5)
    digests = {outputs_half(old_clients.predictions(table, 1)).digest for table in (wide, tall)}
    assert len(digests) == 2


def test_what_is_labels_and_what_is_data_is_told_apart() -> None:
    """One byte more of labels and one less of data is other content, though the bytes are the same."""
    first = inputs_half(DataBatchLabeled(labels=[5, 6], data=bytes(8), session_id="s").SerializeToString())
    second = inputs_half(DataBatchLabeled(labels=[5], data=b"\6\0\0\0" + bytes(8), session_id="s").SerializeToString())
    assert first.digest != second.digest


# What can't be used

GARBAGE = (
    part(1, part(1, bytes(5))),
    b"\xff\xff\xff",
    b"{}",
    b"\x0a\x10short",
    part(1, b"") + b"\x07",
    part(4, b"\xff") + part(1, bytes(4)),
)

BAD_INPUTS = {
    "nothing at all": (b"", "neither data nor labels"),
    "an index alone": (old_clients.july([], 4), "inputs 4 hold neither"),
    "a negative index": (old_clients.july([1], -1), "-1 among the inputs"),
    "a negative index, labelled": (old_clients.labelled([1], [1], -3, session="s"), "count batches from 0"),
    "an index beyond all": (old_clients.labelled([1], [1], HIGHEST_INDEX + 1), f"from 0 to {HIGHEST_INDEX}"),
    "half a float": (part(1, bytes(7)) + whole(2, 1), "7 bytes, no whole number of float32"),
    "labels that do not divide the data": (old_clients.labelled([1] * 7, [1, 2], 0), "2 labels for 7 values"),
    "more labels than a batch has": (
        DataBatchLabeled(labels=[1] * (MOST_SAMPLES + 1)).SerializeToString(),
        "send batches of 100000 at most",
    ),
}


@pytest.mark.parametrize(("body", "problem"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_what_is_wrong_with_inputs_is_said(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        inputs_half(body)


def sent(*rows: list[float]) -> bytes:
    message = Predictions(batch_index=2)
    for row in rows:
        message.pred.add(values=row)
    return message.SerializeToString()


nan, inf = float("nan"), float("inf")
ONE = np.array([1], "<f4").tobytes()
ROW = part(1, part(1, ONE))
ODD = varint(1 << 3 | 5) + ONE + whole(2, 1)
BAD_OUTPUTS = {
    "nothing at all": (b"", "no predictions"),
    "an index alone": (old_clients.predictions([], 4), "outputs 4 hold no predictions"),
    "a negative index": (old_clients.predictions([[1]], -1), "-1 among the outputs"),
    "an index beyond all": (old_clients.predictions([[1]], HIGHEST_INDEX + 1), "count batches from 0"),
    "rows without classes": (sent([], []), "outputs 2 are empty"),
    "ragged rows": (sent([0.5, 0.5], [1.0]), "have 1 to 2 classes"),
    "a row without classes": (sent([0.5, 0.5], []), "have 0 to 2 classes"),
    "logits": (sent([0.5, 0.5], [3.5, 4.5]), r"row 1: the values sum to 8; send probabilities \(softmax\), not logits"),
    "a little too much": (sent([0.5, 0.511]), "sum to 1.011"),
    "a little too little": (sent([0.5, 0.489]), "sum to 0.989"),
    "a negative one": (sent([1.5, -0.5]), "row 0: the value -0.5 is negative"),
    "NaN": (sent([0.5, 0.5], [nan, 1]), "row 1: a value is NaN or infinite"),
    "infinity": (sent([0.5, 0.5], [inf, 1]), "row 1: a value is NaN or infinite"),
    "infinity of both signs": (sent([inf, -inf]), "row 0: a value is NaN or infinite"),
    "the largest floats": (sent([3e38, 3e38]), "sum to 6e"),
    "too many rows": (ROW * (MOST_SAMPLES + 1), "have 100001 rows: send batches of 100000 at most"),
    "too many rows, one of them otherwise": (
        part(1, ODD) + ROW * 90_000,
        r"\d+ bytes among the outputs are not packed",
    ),
    "too many rows after others": (ROW + part(1, ODD) * 100_000, "in rows of one length: send smaller batches"),
    "too many small rows": (part(1, b"") * (MOST_SAMPLES + 1), "outputs 0 are empty"),
}


@pytest.mark.parametrize(("body", "problem"), BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_what_is_wrong_with_outputs_is_said(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        outputs_half(body)


def test_probabilities_need_not_sum_to_one_exactly() -> None:
    assert outputs_half(sent([0.5, 0.505], [0.5, 0.495])).probabilities.shape == (2, 2)


def test_the_highest_index_is_the_callers() -> None:
    body = old_clients.july([1], 31)
    assert inputs_half(body, highest=31).index == 31
    with pytest.raises(InvalidInput, match="from 0 to 30"):
        inputs_half(body, highest=30)
    with pytest.raises(InvalidInput, match="from 0 to 30"):
        outputs_half(old_clients.predictions([[1]], 31), highest=30)


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize("read", [inputs_half, outputs_half])
def test_garbage_is_refused(read: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)


SEEDS = (
    old_clients.july([1, 2], 5, last=True),
    old_clients.labelled([1, 2], [3, 4], 300, session="s1"),
    old_clients.unlabelled([1, 2], 2, session="s1"),
    old_clients.predictions([[0.25, 0.75], [1.0, 0.0]], 300, last=True, session="s1"),
)


@given(st.data(), st.sampled_from(SEEDS))
def test_mutated_bytes_are_read_or_refused(data: st.DataObject, seed: bytes) -> None:
    body = bytearray(seed)
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=6)):
        body[place] = byte
    cut = data.draw(st.integers(0, len(body)))
    for content in (bytes(body), bytes(body[:cut]), bytes(body) + bytes(body[:cut])):
        assert side_of(content) in ("inputs", "outputs")
        for read in (inputs_half, outputs_half):
            read_or_refused(read, content)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert side_of(body) in ("inputs", "outputs")
    for read in (inputs_half, outputs_half):
        read_or_refused(read, body)


def read_or_refused(read: Callable[[bytes], object], body: bytes) -> None:
    try:
        half = read(body)
    except InvalidInput:
        return
    if isinstance(half, OutputsHalf) and not half.bare:
        assert half.probabilities.min() >= 0
        assert abs(half.probabilities.sum(axis=1, dtype=np.float64) - 1).max() <= 0.01


# One queue for both


@given(st.integers(1, 5), st.sampled_from([1, 2, 31, 32, 100, 4096, 4100]), indexes, st.booleans())
def test_the_side_is_told_by_the_content(rows: int, classes: int, index: int, last: bool) -> None:
    probabilities = np.full((rows, classes), 1 / classes)
    assert side_of(old_clients.predictions(probabilities, index, last, "s")) == "outputs"
    assert side_of(old_clients.july(probabilities, index, last)) == "inputs"
    assert side_of(old_clients.labelled(probabilities, [1] * rows, index, last, "s")) == "inputs"


def test_data_that_begin_like_a_row_are_inputs() -> None:
    assert side_of(part(1, b"\x0a\x08" + bytes(10)) + part(2, b"\1") + whole(3, 7)) == "inputs"


# Halves that belong together

SHAPES = {
    "(1,28,28)": (1, 28, 28),
    "(28, 28, 1)": (28, 28, 1),
    " (10,) ": (10,),
    "(10)": (10,),
    "( 2 , 3 )": (2, 3),
    "": None,
    "  ": None,
}


@pytest.mark.parametrize(("text", "shape"), SHAPES.items())
def test_a_format_is_a_shape(text: str, shape: tuple[int, ...] | None) -> None:
    assert shape_of(text) == shape


@pytest.mark.parametrize(
    "text", ["28,28", "()", "(,)", "(0,28)", "(-1,28)", "(1,x)", "(1.5)", "[1,2]", "(1,,2)", "(٣)", "mnist"]
)
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"\(1,28,28\)"):
        shape_of(text)


def halves(samples: int, labels: list[int], rows: int) -> tuple[InputsHalf, OutputsHalf]:
    data = np.zeros((samples, 2, 3))
    body = old_clients.labelled(data, labels, 7, session="s") if labels else old_clients.july(data, 7)
    return inputs_half(body), outputs_half(old_clients.predictions(np.full((rows, 4), 0.25), 7))


def test_halves_of_a_batch_agree() -> None:
    agree(*halves(2, [0, 3], 2), (2, 3))
    agree(*halves(2, [0, 3], 2), None)
    agree(*halves(2, [], 2), (2, 3))
    agree(*halves(0, [0, 3], 2), (2, 3))


DISAGREEING = {
    "labels and predictions": (halves(2, [0, 1], 3), None, "batch 7 has 2 labels but 3 predictions"),
    "a label too high": (halves(2, [0, 4], 2), None, "has the label 4 but 4 classes: labels go from 0"),
    "a label too low": (halves(2, [0, -1], 2), None, "has the label -1"),
    "data and shape": (halves(2, [0, 1], 2), (5,), r"48 bytes, no whole number of samples of shape \(5,\)"),
    "data and labels": (halves(4, [0, 1], 2), (2, 3), "2 labels for 4 samples"),
    "data and predictions": (halves(2, [], 3), (2, 3), "batch 7 has 2 samples but 3 predictions"),
}


@pytest.mark.parametrize(("pair", "shape", "problem"), DISAGREEING.values(), ids=DISAGREEING)
def test_halves_that_do_not_agree_are_refused(
    pair: tuple[InputsHalf, OutputsHalf], shape: tuple[int, ...] | None, problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        agree(*pair, shape)


def test_each_check_can_be_made_alone() -> None:
    inputs, outputs = halves(2, [0, 4], 2)
    fits(inputs, (2, 3))
    with pytest.raises(InvalidInput, match="label 4"):
        labels_match(7, np.array([0, 4]), outputs.probabilities)
