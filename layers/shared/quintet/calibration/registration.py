"""A client's registration over gRPC. Its message was given new fields again and again, under the numbers of old ones:
what they hold tells which is which.

    2nd a shape, "(1,28,28)"   inputs_format     outputs_format     model_type
    3rd a shape                routing_key       inputs_format      outputs_format          model_type
    4th is there               routing_key       queue_calibration  queue_inter_connection
    2nd and 3rd are there      inter_queue_name  client_queue_name
    2nd alone                  routing_key

The dispatcher's data come on `inter_queue_name` or `queue_inter_connection`, the client's probabilities on
`client_queue_name` or `queue_calibration`. With a routing key alone both come on the one queue of that name, and with
formats on the queues that every client has.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from quintet.calibration.messages import Registration
from quintet.calibration.shapes import shape_of
from quintet.kernel.errors import InvalidInput

CLIENT_CHARACTERS = 200
KEY_BYTES = 600
"""Of a client's id in the bucket's keys, which may have 1,024 bytes altogether."""

TEXT_CHARACTERS = 320
QUEUE_BYTES = 255
"""A short string of AMQP."""

_SHAPE = re.compile(r"\s*\(\s*[0-9]+\s*(,\s*[0-9]+\s*)*,?\s*\)\s*")
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def registration_of(
    client_id: str, second: str = "", third: str = "", fourth: str = "", fifth: str = ""
) -> Registration:
    """What the message's fields mean. Raises InvalidInput, saying what is missing or wrong.

    >>> registration_of("ana", "(1,28,28)", "(10,)").inputs_queue
    'ana_inputs_cal_queue'
    >>> registration_of("ana", "data", "probabilities").outputs_queue
    'probabilities'
    >>> registration_of("ana", "key", "probabilities", "data").inputs_queue
    'data'
    """
    if _is_shape(second):
        return _with_formats(client_id, second, third, fourth)
    if _is_shape(third):
        return _with_formats(client_id, third, fourth, fifth)
    if fourth:
        return _with_queues(client_id, inputs=fourth, outputs=third, missing="queue_calibration")
    if third:
        return _with_queues(client_id, inputs=second, outputs=third, missing="inter_queue_name")
    return _with_queues(client_id, inputs=second, outputs=second, missing="inter_queue_name, client_queue_name")


def own_queues(client_id: str) -> tuple[str, str]:
    """The queues that are made for every client, of its inputs and of its outputs."""
    return f"{client_id}_inputs_cal_queue", f"{client_id}_outputs_cal_queue"


def checked(registration: Registration) -> Registration:
    """The registration, if it can be used. Raises InvalidInput, saying what is missing or wrong."""
    client_id, session_id = registration.client_id, registration.session_id
    _require({"client_id": client_id})
    if len(client_id) > CLIENT_CHARACTERS or not client_id.isprintable() or client_id in {".", ".."}:
        raise InvalidInput(f"client_id: 1 to {CLIENT_CHARACTERS} characters, none of them a control character")
    if len(quote(client_id, safe="")) > KEY_BYTES:
        raise InvalidInput(f"client_id: at most {KEY_BYTES} bytes when it is percent-encoded")
    if session_id and not is_session_id(session_id):
        raise InvalidInput("session_id: 1 to 128 letters, digits, or . _ : - after the first")
    for name, queue in (("inputs", registration.inputs_queue), ("outputs", registration.outputs_queue)):
        if not queue.isprintable() or not 1 <= len(queue.encode()) <= QUEUE_BYTES:
            raise InvalidInput(f"the queue of {name}: a name of 1 to {QUEUE_BYTES} bytes, without control characters")
    for name in ("inputs_format", "outputs_format", "email", "model_type"):
        text = getattr(registration, name)
        if len(text) > TEXT_CHARACTERS or not text.isprintable():
            raise InvalidInput(f"{name}: at most {TEXT_CHARACTERS} characters, none of them a control character")
    shape_of(registration.inputs_format)
    return registration


def is_session_id(text: str) -> bool:
    """Whether there can be a session of this id: a store refuses keys that are too long."""
    return _SESSION.fullmatch(text) is not None


def _is_shape(text: str) -> bool:
    return _SHAPE.fullmatch(text) is not None


def _with_formats(client_id: str, inputs_format: str, outputs_format: str, model_type: str) -> Registration:
    inputs, outputs = own_queues(client_id)
    known = Registration(client_id=client_id, inputs_queue=inputs, outputs_queue=outputs, via="grpc")
    formats = {"inputs_format": inputs_format.strip(), "outputs_format": outputs_format.strip()}
    return checked(known.model_copy(update={**formats, "model_type": model_type}))


def _with_queues(client_id: str, *, inputs: str, outputs: str, missing: str) -> Registration:
    """`missing` names what was not given where a queue's name is empty."""
    _require({"client_id": client_id, missing: inputs and outputs})
    return checked(Registration(client_id=client_id, inputs_queue=inputs, outputs_queue=outputs, via="grpc"))


def _require(fields: Mapping[str, str]) -> None:
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise InvalidInput(f"Missing required parameters: {', '.join(missing)}")
