"""Messages on the wire: JSON with base64, and nothing that was not asked for."""

import json
from typing import Any

import pytest

from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.aggregation.secagg.messages import MESSAGES, parsed
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.kernel.errors import InvalidInput
from tests.aggregation.secagg.cohort import Cohort, Played, drawn, played, said


@pytest.fixture(scope="module")
def play() -> Played:
    return played(Cohort(4)).advertise().share().mask(list("abc")).confirm().unmask()


@pytest.mark.parametrize("round_", ROUNDS)
def test_what_is_sent_is_what_arrives(play: Played, round_: Round) -> None:
    for message in said(play, round_).values():
        assert parsed(round_, message.model_dump_json()) == message
        assert parsed(round_, message.model_dump_json().encode()) == message
        assert MESSAGES[round_].model_validate(json.loads(message.model_dump_json())) == message
        assert MESSAGES[round_].model_validate_json(message.model_dump_json()) == message


def body(play: Played, round_: Round, **changes: Any) -> str:
    return json.dumps({**json.loads(said(play, round_)["a"].model_dump_json()), **changes})


@pytest.mark.parametrize(
    ("round_", "changes", "reason"),
    [
        ("advertise", {"size": 0}, "size: Input should be greater than or equal to 1"),
        ("advertise", {"size": 2**64}, "size: Input should be less than or equal to 67108864"),
        ("advertise", {"size": "3"}, "size: Input should be a valid integer"),
        ("advertise", {"size": True}, "size: Input should be a valid integer"),
        ("advertise", {"encryption_key": "AAAA"}, "encryption_key: Value error, has 3 bytes instead of 32"),
        ("advertise", {"encryption_key": "?"}, "encryption_key: Value error, is not base64"),
        ("advertise", {"encryption_key": None}, "encryption_key: "),
        ("advertise", {"signature": ""}, "signature: Value error, has 0 bytes instead of 64"),
        ("advertise", {"client": ""}, "client: String should have at least 1"),
        ("advertise", {"client": "x" * 129}, "client: String should have at most 128"),
        ("advertise", {"more": 1}, "more: Extra inputs are not permitted"),
        ("share", {"commitment": "AAAA"}, "commitment: Value error, has 3 bytes"),
        ("share", {"boxes": {"b": "AAAA"}}, r"boxes\.b: Value error, has 3 bytes instead of 82"),
        ("share", {"boxes": []}, "boxes: "),
        ("mask", {"words": "AAAA"}, "words: Value error, has 3 bytes, which are no whole words of 8"),
        ("mask", {"words": ""}, "words: Value error, has 0 bytes"),
        ("unmask", {"seed_shares": {"a": "AAAA"}}, r"seed_shares\.a: Value error, has 3 bytes instead of 33"),
        ("unmask", {"key_shares": {"": ""}}, "key_shares"),
    ],
)
def test_what_is_wrong_is_named(play: Played, round_: Round, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^the message of round {round_}: {reason}"):
        parsed(round_, body(play, round_, **changes))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", "nul"])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput, match="is not JSON"):
        parsed("mask", text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="the message of round mask"):
        parsed("mask", text)


def test_a_recipient_that_stands_twice_is_refused(play: Played) -> None:
    text = body(play, "share").replace('"b":', '"c":')
    with pytest.raises(InvalidInput, match="c stands twice"):
        parsed("share", text)


def test_a_refusal_can_be_told_whatever_was_sent() -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed("share", r'{"\ud800": 1, "\ud800": 2}')
    assert refused.value.message.encode()


def test_a_roster_is_kept_as_json_and_refuses_what_is_wrong() -> None:
    roster = Cohort(3).roster
    assert dict(Roster.from_json(roster.to_json())) == dict(roster)
    for text in ("[]", "{", '{"a": 1}', '{"a": "?"}'):
        with pytest.raises(InvalidInput, match="a roster is a JSON object"):
            Roster.from_json(text)
    with pytest.raises(InvalidInput, match="roster's key of a has 3 bytes"):
        Roster.from_json('{"a": "AAAA"}')
    with pytest.raises(InvalidInput, match="two clients the same key"):
        Roster({"a": bytes(32), "b": bytes(32)})


def test_a_signing_key_is_kept_as_its_bytes() -> None:
    key = SigningKey.generate(drawn("kept"))
    assert SigningKey.from_bytes(key.to_bytes()).public == key.public
    assert SigningKey.generate().public != SigningKey.generate().public
    with pytest.raises(InvalidInput, match="32 bytes, not 31"):
        SigningKey.from_bytes(bytes(31))
