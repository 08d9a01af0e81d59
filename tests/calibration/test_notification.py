"""The later generation's registration: JSON on the connections queue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.calibration.notification import notification
from quintet.kernel.errors import InvalidInput

TOLD = {
    "user_id": "ana",
    "session_id": "6f0d7a9e-2f0c-4a56-8a5f-0d5f2f3b9a11",
    "email": "ana@example.org",
    "inputs_format": "(1,28,28)",
    "outputs_format": "(10,)",
    "model_type": "classification",
}


def said(**other: Any) -> bytes:
    return json.dumps({name: value for name, value in (TOLD | other).items() if value is not ...}).encode()


def test_all_of_it_is_understood() -> None:
    known = notification(said())
    assert known.model_dump() == {
        "client_id": "ana",
        "session_id": TOLD["session_id"],
        "inputs_queue": "ana_inputs_cal_queue",
        "outputs_queue": "ana_outputs_cal_queue",
        "inputs_format": "(1,28,28)",
        "outputs_format": "(10,)",
        "email": "ana@example.org",
        "model_type": "classification",
        "via": "notification",
    }


@pytest.mark.parametrize(
    "names", [{"user_id": ..., "client_id": "ana"}, {"client_id": "ana"}, {"client_id": None}, {"client_id": ""}]
)
def test_the_client_goes_by_either_name(names: dict[str, Any]) -> None:
    assert notification(said(**names)).client_id == "ana"


def test_a_number_is_a_name_too() -> None:
    assert notification(said(user_id=42)).inputs_queue == "42_inputs_cal_queue"


def test_what_is_not_known_here_is_for_others() -> None:
    assert notification(said(credentials={"host": "x"}, zeta=[1])) == notification(said())


def test_little_is_enough() -> None:
    known = notification(b'{"user_id": "ana", "session_id": "s", "email": null}')
    assert (known.email, known.inputs_format, known.model_type) == ("", "", "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'"ana"', "object"),
        (b"[]", "object"),
        (said(user_id=...), "Missing required parameters: user_id"),
        (said(user_id=""), "Missing required parameters: user_id"),
        (said(session_id=...), "Missing required parameters: session_id"),
        (said(session_id="../../x"), "session_id"),
        (said(client_id="bea"), "differ"),
        (said(user_id=["ana"]), "user_id: a text"),
        (said(user_id=True), "user_id: a text"),
        (said(email={"to": "x"}), "email: a text"),
        (said(inputs_format=[1, 28, 28]), "inputs_format: a text"),
        (said(user_id="a\nb"), "client_id"),
        (said(user_id="\ud800"), "client_id"),
        (said(email="a@b\r\nBcc: c@d"), "email"),
        (b'{"user_id": ' + b"9" * 5000 + b', "session_id": "s"}', "JSON"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        notification(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        notification(body)
