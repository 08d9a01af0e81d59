"""Yesterday's clients of calibration are still read: services, numbers, types, and recorded bytes of each kind."""

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from quintet.calibration.pb import calibration_pb2, dataset_pb2, new_client_july_pb2, new_client_pb2
from quintet.calibration.wire import inputs_half, outputs_half
from tests.calibration import old_clients

FIELDS = {
    "new_client.NewClientRequest": "string=1, string=2, string=3, string=4, string=5",
    "new_client.NewClientResponse": "string=1, string=2",
    "new_client.HealthCheckRequest": "",
    "new_client.HealthCheckResponse": "string=1, string=2",
    "quintet.calibration.dataset.DataBatchLabeled": "bytes=1, repeated int32=2, int32=3, bool=4, string=5",
    "quintet.calibration.dataset.DataBatchUnlabeled": "bytes=1, int32=2, bool=3, string=4",
    "quintet.calibration.predictions.PredictionList": "repeated float=1",
    "quintet.calibration.predictions.Predictions": "repeated PredictionList=1, bool=2, int32=3, string=4",
}

TYPES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_STRING: "string",
}

FILES = [module.DESCRIPTOR for module in (new_client_pb2, dataset_pb2, calibration_pb2)]

HALVES = b"\x00\x00\x00\x3f\x00\x00\x80\xbf"  # 0.5 and -1


def described(field: FieldDescriptor) -> str:
    kind = field.message_type.name if field.message_type else TYPES[field.type]
    return f"{'repeated ' if field.is_repeated else ''}{kind}={field.number}"


def fields(message: Descriptor) -> str:
    return ", ".join(map(described, message.fields))


def test_the_messages_have_the_originals_numbers() -> None:
    found = [message for file in FILES for message in file.message_types_by_name.values()]
    assert {message.full_name: fields(message) for message in found} == FIELDS


@pytest.mark.parametrize(
    ("file", "package"), [(new_client_pb2.DESCRIPTOR, "new_client"), (new_client_july_pb2.DESCRIPTOR, "newClient")]
)
def test_the_services_are_the_originals_under_both_names(file: FileDescriptor, package: str) -> None:
    service = file.services_by_name["ClientNotificationService"]
    assert service.full_name == f"{package}.ClientNotificationService"
    assert {method.name: (method.input_type.name, method.output_type.name) for method in service.methods} == {
        "NotifyNewClient": ("NewClientRequest", "NewClientResponse"),
        "HealthCheck": ("HealthCheckRequest", "HealthCheckResponse"),
    }


REGISTRATIONS = {
    "97d2fa2": ("string client_id=1, string inter_queue_name=2, string client_queue_name=3", "0a026337120169", 2),
    "d1ce842": ("string client_id=1, string routing_key=2", "0a026337120169", 2),
    "9ada399": (
        "string client_id=1, string routing_key=2, string queue_calibration=3, string queue_inter_connection=4",
        "0a0263371201691a016f220171",
        4,
    ),
    "41b19c1": (
        "string client_id=1, string inputs_format=2, string outputs_format=3, string model_type=4",
        "0a0263371201691a016f220171",
        4,
    ),
    "6a42b6e": (
        "string client_id=1, string routing_key=2, string inputs_format=3, string outputs_format=4, "
        "string model_type=5",
        "0a0263371201691a016f2201712a016d",
        5,
    ),
}


@pytest.mark.parametrize(("shape", "recorded", "given"), REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_an_old_registration_is_understood(shape: str, recorded: str, given: int) -> None:
    old = old_clients.described("newClient", NewClientRequest=shape)["NewClientRequest"]
    values = ["c7", "i", "o", "q", "m"][:given]
    names = [told.split(" ")[1].split("=")[0] for told in shape.split(", ")]
    assert old(**dict(zip(names, values, strict=False))).SerializeToString() == bytes.fromhex(recorded)
    ours = new_client_pb2.NewClientRequest.FromString(bytes.fromhex(recorded))
    assert [ours.client_id, ours.second, ours.third, ours.fourth, ours.fifth] == values + [""] * (5 - given)


def test_an_old_client_understands_the_answers() -> None:
    answer = new_client_pb2.NewClientResponse(status="OK", message="in")
    assert answer.SerializeToString().hex() == "0a024f4b1202696e"
    health = new_client_pb2.HealthCheckResponse(status="SERVING", message="3")
    assert health.SerializeToString().hex() == "0a0753455256494e47120133"


# What was recorded; who wrote it; index, labels, last, session.
INPUTS = {
    "july": ("0a080000003f000080bf1005", old_clients.july([0.5, -1], 5), (5, None, False, "")),
    "july, the first": ("0a080000003f000080bf", old_clients.july([0.5, -1], 0), (0, None, False, "")),
    "july, the last": ("0a080000003f000080bf10011801", old_clients.july([0.5, -1], 1, True), (1, None, True, "")),
    "september": (
        "0a080000003f000080bf120303ac0218022001",
        old_clients.september([0.5, -1], [3, 300], 2, True),
        (2, [3, 300], True, ""),
    ),
    "september, one sample, the first": (
        "0a080000003f000080bf120107",
        old_clients.september([0.5, -1], [7], 0),
        (0, [7], False, ""),
    ),
    "september, one sample, the second": (
        "0a080000003f000080bf1201001801",
        old_clients.september([0.5, -1], [0], 1),
        (1, [0], False, ""),
    ),
    "dispatcher": (
        "0a080000003f000080bf12020300180220012a027331",
        old_clients.labelled([0.5, -1], [3, 0], 2, True, "s1"),
        (2, [3, 0], True, "s1"),
    ),
    "dispatcher, to the client": (
        "0a080000003f000080bf1002180122027331",
        old_clients.unlabelled([0.5, -1], 2, True, "s1"),
        (2, None, True, "s1"),
    ),
}


@pytest.mark.parametrize(("recorded", "written", "told"), INPUTS.values(), ids=INPUTS)
def test_recorded_inputs_are_read(recorded: str, written: bytes, told: tuple[int, list[int] | None, bool, str]) -> None:
    assert written.hex() == recorded
    half = inputs_half(bytes.fromhex(recorded))
    labels = None if half.labels is None else half.labels.tolist()
    assert (half.index, labels, half.last, half.session_id) == told
    assert half.data == HALVES


PREDICTIONS = {
    "first SDK": ("0a0a0a080000803e0000403f0a0a0a080000803f0000000010011804", None),
    "last SDK": ("0a0a0a080000803e0000403f0a0a0a080000803f000000001001180422027331", "s1"),
}


@pytest.mark.parametrize(("recorded", "session"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_recorded_predictions_are_read(recorded: str, session: str | None) -> None:
    rows = [[0.25, 0.75], [1.0, 0.0]]
    assert old_clients.predictions(rows, 4, last=True, session=session).hex() == recorded
    half = outputs_half(bytes.fromhex(recorded))
    assert (half.index, half.last, half.session_id) == (4, True, session or "")
    assert half.probabilities.dtype == np.float32
    assert half.probabilities.tolist() == rows


def test_the_early_label_of_a_prediction_is_passed_over() -> None:
    half = outputs_half(bytes.fromhex("0a0c0a080000803e0000403f1007" + "0a0a0a080000803f00000000" + "1804"))
    assert half.probabilities.tolist() == [[0.25, 0.75], [1, 0]]


def test_what_our_own_senders_write_is_the_same() -> None:
    sent = calibration_pb2.Predictions(eof=True, batch_index=4, session_id="s1")
    for row in ([0.25, 0.75], [1, 0]):
        sent.pred.add(values=row)
    assert sent.SerializeToString().hex() == PREDICTIONS["last SDK"][0]
    batch = dataset_pb2.DataBatchLabeled(data=HALVES, labels=[3, 0], batch_index=2, is_last_batch=True, session_id="s1")
    assert batch.SerializeToString().hex() == INPUTS["dispatcher"][0]
