"""Messages as the original's clients wrote them: by their own descriptions, which owe nothing to our .proto files."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import ArrayLike

FIELD = descriptor_pb2.FieldDescriptorProto
TYPES = {
    "bool": FIELD.TYPE_BOOL,
    "bytes": FIELD.TYPE_BYTES,
    "float": FIELD.TYPE_FLOAT,
    "int32": FIELD.TYPE_INT32,
    "string": FIELD.TYPE_STRING,
}


def described(package: str, **messages: str) -> dict[str, Callable[..., Any]]:
    """Classes of messages whose fields are told as in "repeated int32 labels=2, bool eof=3", in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for told in filter(None, fields.split(", ")):
            message.field.append(_field(package, told))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def _field(package: str, told: str) -> descriptor_pb2.FieldDescriptorProto:
    kind, _, name = told.removeprefix("repeated ").partition(" ")
    name, _, number = name.partition("=")
    label = FIELD.LABEL_REPEATED if told.startswith("repeated ") else FIELD.LABEL_OPTIONAL
    if kind in TYPES:
        return FIELD(name=name, number=int(number), label=label, type=TYPES[kind])
    return FIELD(name=name, number=int(number), label=label, type=FIELD.TYPE_MESSAGE, type_name=f".{package}.{kind}")


JULY = described("dataset", DataBatch="bytes data=1, int32 batch_index=2, bool is_last_batch=3")
SEPTEMBER = described(
    "dataset", DataBatch="bytes data=1, repeated int32 labels=2, int32 batch_index=3, bool is_last_batch=4"
)
DISPATCHER = described(
    "pb",
    DataBatchLabeled="bytes data=1, repeated int32 labels=2, int32 batch_index=3, bool is_last_batch=4, "
    "string session_id=5",
    DataBatchUnlabeled="bytes data=1, int32 batch_index=2, bool is_last_batch=3, string session_id=4",
)
SERVICE = described(
    "calibration",
    PredictionList="repeated float values=1",
    Predictions="repeated PredictionList pred=1, bool eof=2, int32 batch_index=3",
)
SDK = described(
    "calibration",
    PredictionList="repeated float values=1, int32 label=2",
    Predictions="repeated PredictionList pred=1, bool eof=2, int32 batch_index=3, string session_id=4",
)


def july(data: ArrayLike, index: int, last: bool = False) -> bytes:
    """The dispatcher's batch without labels."""
    return bytes(JULY["DataBatch"](data=_floats(data), batch_index=index, is_last_batch=last).SerializeToString())


def september(data: ArrayLike, labels: Sequence[int], index: int, last: bool = False) -> bytes:
    """The dispatcher's batch with labels, still without a session."""
    sent = SEPTEMBER["DataBatch"](data=_floats(data), labels=labels, batch_index=index, is_last_batch=last)
    return bytes(sent.SerializeToString())


def labelled(data: ArrayLike, labels: Sequence[int], index: int, last: bool = False, session: str = "") -> bytes:
    """The dispatcher's last version of the same."""
    sent = DISPATCHER["DataBatchLabeled"](
        data=_floats(data), labels=labels, batch_index=index, is_last_batch=last, session_id=session
    )
    return bytes(sent.SerializeToString())


def unlabelled(data: ArrayLike, index: int, last: bool = False, session: str = "") -> bytes:
    """What the dispatcher sends to the client."""
    sent = DISPATCHER["DataBatchUnlabeled"](
        data=_floats(data), batch_index=index, is_last_batch=last, session_id=session
    )
    return bytes(sent.SerializeToString())


def predictions(probabilities: ArrayLike, index: int, last: bool = False, session: str | None = None) -> bytes:
    """The client's answer; without a session as the first SDK had none."""
    messages = SERVICE if session is None else SDK
    sent = messages["Predictions"](eof=last, batch_index=index)
    if session is not None:
        sent.session_id = session
    for row in np.asarray(probabilities, np.float32):
        sent.pred.append(messages["PredictionList"](values=row))
    return bytes(sent.SerializeToString())


def _floats(data: ArrayLike) -> bytes:
    return np.asarray(data, "<f4").tobytes()
