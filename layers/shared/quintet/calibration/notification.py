"""A client's registration by a message on the connections queue, as the later generation sends it.

    {"user_id": "ana", "session_id": "6f0d…", "email": "ana@example.org", "inputs_format": "(1,28,28)",
     "outputs_format": "(10,)", "model_type": "classification"}

`client_id` is understood in the place of `user_id`; fields that are not known here are for others.
"""

import json
from collections.abc import Mapping
from typing import Any

from quintet.calibration.messages import Registration
from quintet.calibration.registration import checked, own_queues
from quintet.kernel.errors import InvalidInput


def notification(body: bytes) -> Registration:
    """The registration that `body` asks for. Raises InvalidInput, saying what is missing or wrong.

    >>> notification(b'{"user_id": "ana", "session_id": "s1", "inputs_format": "(1,28,28)"}').inputs_queue
    'ana_inputs_cal_queue'
    """
    told = _object(body)
    client_id = _identity(told)
    inputs, outputs = own_queues(client_id)
    return checked(
        Registration(
            client_id=client_id,
            session_id=_required("session_id", _text(told, "session_id")),
            inputs_queue=inputs,
            outputs_queue=outputs,
            inputs_format=_text(told, "inputs_format").strip(),
            outputs_format=_text(told, "outputs_format").strip(),
            email=_text(told, "email"),
            model_type=_text(told, "model_type"),
            via="notification",
        )
    )


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the notification is no JSON text in UTF-8") from None
    if not isinstance(told, dict):
        raise InvalidInput("the notification is no JSON object")
    return told


def _identity(told: Mapping[str, Any]) -> str:
    user, client = _text(told, "user_id"), _text(told, "client_id")
    if user and client and user != client:
        raise InvalidInput("user_id and client_id are two names of one thing, and differ: give one of them")
    return _required("user_id", user or client)


def _text(told: Mapping[str, Any], name: str) -> str:
    """Empty where it is not there, or null; a whole number is as good as its digits."""
    value = told.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"{name}: a text is wanted")
    return str(value)


def _required(name: str, value: str) -> str:
    if not value:
        raise InvalidInput(f"Missing required parameters: {name}")
    return value
