"""The relay, with a post office of in-memory queues behind it."""

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.entry.claims import ClaimCheckQueue, redeem
from quintet.entry.ports import Queue
from quintet.entry.relay import from_rabbitmq
from quintet.kernel.errors import InvalidInput, Misconfigured, Unavailable

EVENT = Path(__file__).parents[1] / "events/training/relay/rabbitmq.json"


@dataclass
class PostOffice:
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    box: MemoryQueue = field(default_factory=MemoryQueue)
    dead_letters: MemoryQueue = field(default_factory=MemoryQueue)
    bucket: str = "ours"
    warmed: bool = False

    def warm(self) -> None:
        self.warmed = True

    def route(self, queue: str) -> Queue | None:
        return ClaimCheckQueue(self.box, self.objects, self.bucket) if queue in ("train_request_q", "a::b") else None

    def open(self, event: Mapping[str, Any]) -> dict[str, int]:
        @from_rabbitmq(deps=lambda: self)
        def handler(queue: str, office: PostOffice) -> Queue | None:
            return office.route(queue)

        return handler(event, None)

    def relay(self, *bodies: bytes, queue: str = "train_request_q", **properties: Any) -> dict[str, int]:
        return self.open(event(*bodies, queue=queue, **properties))


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


def event(*bodies: bytes, queue: str = "train_request_q", **properties: Any) -> dict[str, Any]:
    empty = json.loads(EVENT.read_text())["rmqMessagesByQueue"]["train_request_q::/"][1]["basicProperties"]
    records = [
        {
            "basicProperties": {**empty, **properties, "bodySize": len(body)},
            "redelivered": False,
            "data": b64encode(body).decode(),
        }
        for body in bodies
    ]
    return {"eventSource": "aws:rmq", "eventSourceArn": "arn", "rmqMessagesByQueue": {f"{queue}::/": records}}


def test_bodies_go_unchanged_and_properties_as_attributes(office: PostOffice) -> None:
    recorded = json.loads(EVENT.read_text())
    assert office.open(recorded) == {"forwarded": 2, "set_aside": 0}
    first, second = recorded["rmqMessagesByQueue"]["train_request_q::/"]
    assert office.box.sent == [
        (
            b64decode(first["data"]).decode(),
            {
                "amqp_message_id": "m-1",
                "correlation_id": "order-17",
                "user_id": "backend",
                "queue": "train_request_q",
                "redelivered": "false",
            },
        ),
        (second["data"], {"queue": "train_request_q", "redelivered": "true", "encoding": "base64"}),
    ]


@given(some.lists(some.binary(max_size=40), max_size=25))
def test_whatever_comes_arrives_once_as_it_was_or_is_a_dead_letter(bodies: list[bytes]) -> None:
    office = PostOffice()
    tally = office.relay(*bodies)
    sent = [decoded(*message) for message in office.box.sent]
    assert sent == [body for body in bodies if body]
    assert tally == {"forwarded": len(sent), "set_aside": len(bodies) - len(sent)}
    assert len(office.dead_letters.sent) == tally["set_aside"]


def decoded(body: str, attributes: Mapping[str, str]) -> bytes:
    return b64decode(body) if attributes.get("encoding") == "base64" else body.encode()


@given(some.dictionaries(some.sampled_from(["messageId", "correlationId", "userId"]), some.text(max_size=60)))
def test_whatever_the_properties_are_the_message_arrives(properties: dict[str, str]) -> None:
    office = PostOffice()
    assert office.relay(b"{}", **properties)["forwarded"] == 1


def test_a_large_body_travels_as_a_claim(office: PostOffice) -> None:
    office.relay(b"x" * 2_000_000)
    [(body, _)] = office.box.sent
    assert redeem(body, office.objects, "ours") == "x" * 2_000_000


def test_a_queue_nobody_takes_from_leads_to_the_dead_letters(office: PostOffice) -> None:
    assert office.relay(b"{}", b"y" * 2_000_000, queue="other_q") == {"forwarded": 0, "set_aside": 2}
    (first, attributes), (second, _) = office.dead_letters.sent
    assert (first, attributes["error"], attributes["reason"]) == ("{}", "NotFound", "other_q leads nowhere")
    assert redeem(second, office.objects, "ours") == "y" * 2_000_000


def test_a_queues_name_may_hold_what_parts_it_from_its_host(office: PostOffice) -> None:
    assert office.relay(b"{}", queue="a::b")["forwarded"] == 1


def test_an_empty_message_is_a_dead_letter(office: PostOffice) -> None:
    assert office.relay(b"", b"(empty)") == {"forwarded": 1, "set_aside": 1}
    assert [attributes["reason"] for _, attributes in office.dead_letters.sent] == ["an empty message says nothing"]


@dataclass
class Picky(MemoryQueue):
    """Refuses what is bad, in a batch as a whole."""

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        if body == "bad":
            raise InvalidInput("no bad ones")
        super().send(body, attributes)

    def send_many(self, messages: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        if any(body == "bad" for body, _ in messages):
            raise InvalidInput("one of them is bad")
        super().send_many(messages)


def test_one_bad_message_does_not_fail_the_others() -> None:
    office = PostOffice(box=Picky())
    assert office.relay(b"a", b"bad", b"b") == {"forwarded": 2, "set_aside": 1}
    assert [body for body, _ in office.box.sent] == ["a", "b"]
    assert [body for body, _ in office.dead_letters.sent] == ["bad"]


def test_where_sqs_is_away_the_whole_batch_is_tried_again(office: PostOffice) -> None:
    office.box.away = True
    with pytest.raises(Unavailable):
        office.relay(b"a", b"b")
    office.box.away = False
    office.relay(b"a", b"b")
    assert Counter(body for body, _ in office.box.sent) == {"a": 1, "b": 1}


def test_where_the_dead_letters_are_away_the_whole_batch_is_tried_again(office: PostOffice) -> None:
    office.dead_letters.away = True
    with pytest.raises(Unavailable):
        office.relay(b"", b"b")


@dataclass
class Gone(MemoryQueue):
    def send_many(self, messages: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        raise Misconfigured("no such queue")


def test_where_a_setting_is_wrong_no_message_is_to_blame() -> None:
    office = PostOffice(box=Gone())
    with pytest.raises(Misconfigured):
        office.relay(b"a")
    assert office.dead_letters.sent == []


def test_the_room_is_warmed_on_lambda_alone(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    office.relay(b"{}")
    assert not office.warmed
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "relay")
    office.relay(b"{}")
    assert office.warmed
