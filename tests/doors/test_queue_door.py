"""The queue door, with a small post office behind it: every letter is delivered once, or kept, or set aside."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic import BaseModel, ConfigDict

from quintet.adapters.memory import MemoryDoneMessages, MemoryObjects, MemoryQueue, message_id
from quintet.entry.claims import ClaimCheckQueue
from quintet.entry.queues import on_queue
from quintet.kernel.errors import InvalidInput, Misconfigured, NotFound, QuintetError, TooLarge, Unavailable

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Letter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    weight: int = 1


class Killed(BaseException):
    """What the door can't catch: the process is gone."""


@dataclass
class PostOffice:
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    letters: MemoryQueue = field(default_factory=MemoryQueue)
    dead_letters: MemoryQueue = field(default_factory=MemoryQueue)
    done_messages: MemoryDoneMessages = field(default_factory=MemoryDoneMessages)
    bucket: str = "ours"
    delivered: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    troubles: dict[str, list[BaseException]] = field(default_factory=dict)
    warmed: bool = False

    def post(self, *to: str, **attributes: str) -> None:
        for name in to:
            self.letters.send(Letter(to=name).model_dump_json(), attributes)

    def deliver(self, letter: Letter) -> None:
        self.tried.append(letter.to)
        if self.troubles.get(letter.to):
            raise self.troubles[letter.to].pop(0)
        self.delivered.append(letter.to)

    def warm(self) -> None:
        self.warmed = True


@dataclass(frozen=True)
class Lambda:
    """A context with this much time left."""

    milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


OUT_OF_TIME = Lambda(-1000)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def door(office: PostOffice) -> Handler:
    return open_door(office)


def open_door(office: PostOffice) -> Handler:
    @on_queue(Letter, deps=lambda: office)
    def handler(letter: Letter, office: PostOffice) -> None:
        office.deliver(letter)

    return handler


def kept(answer: dict[str, Any]) -> list[str]:
    """The ids of the messages that stay on the queue."""
    return sorted(failure["itemIdentifier"] for failure in answer["batchItemFailures"])


def test_a_letter_is_decoded_and_delivered(office: PostOffice, door: Handler) -> None:
    office.post("Ada", correlation_id="order-17")
    assert door(office.letters.as_event(), Lambda()) == {"batchItemFailures": []}
    assert office.delivered == ["Ada"]
    assert office.dead_letters.sent == []


def test_those_that_failed_for_now_stay_and_only_those(office: PostOffice, door: Handler) -> None:
    office.post(*"abcdefghij")
    office.troubles = {name: [Unavailable("the road is closed")] for name in "bdj"}
    answer = door(office.letters.as_event(), Lambda())
    assert kept(answer) == [message_id(1), message_id(3), message_id(9)]
    assert office.delivered == list("acefghi")
    assert kept(door(office.letters.as_event(1, 3, 9), Lambda())) == []
    assert sorted(office.delivered) == list("abcdefghij")
    assert office.dead_letters.sent == []


def test_a_whole_batch_that_failed_stays(office: PostOffice, door: Handler) -> None:
    office.post(*"abc")
    office.troubles = {name: [Unavailable("the road is closed")] for name in "abc"}
    assert len(kept(door(office.letters.as_event(), Lambda()))) == 3


@pytest.mark.parametrize("trouble", [RuntimeError("a bug"), KeyError("x"), Misconfigured("set ROAD")])
def test_what_is_not_the_letters_fault_leaves_it_on_the_queue(
    office: PostOffice, door: Handler, trouble: Exception
) -> None:
    office.post("Ada")
    office.troubles = {"Ada": [trouble]}
    assert kept(door(office.letters.as_event(), Lambda())) == [message_id(0)]
    assert office.dead_letters.sent == []


def test_a_letter_that_can_never_arrive_is_set_aside_with_its_reason(office: PostOffice, door: Handler) -> None:
    office.post("Nobody", correlation_id="order-17", message_id="m-1", reply_to="Eve")
    office.troubles = {"Nobody": [NotFound("no such person", where="the cellar")]}
    assert kept(door(office.letters.as_event(), Lambda())) == []
    [(body, attributes)] = office.dead_letters.sent
    assert body == office.letters.sent[0][0]
    assert attributes == {
        "correlation_id": "order-17",
        "message_id": "m-1",
        "reply_to": "Eve",
        "reason": "no such person",
        "error": "NotFound",
    }


def test_a_letter_without_names_gets_them_in_the_dead_letters(office: PostOffice, door: Handler) -> None:
    office.letters.send("garbage")
    door(office.letters.as_event(), Lambda())
    [(_, attributes)] = office.dead_letters.sent
    assert attributes["message_id"] == message_id(0)
    assert len(attributes["correlation_id"]) == 32


def test_nothing_is_lost_while_the_dead_letters_are_away(office: PostOffice, door: Handler) -> None:
    office.letters.send("garbage")
    office.post("Ada")
    office.dead_letters.away = True
    assert kept(door(office.letters.as_event(), Lambda())) == [message_id(0)]
    office.dead_letters.away = False
    assert kept(door(office.letters.as_event(0), Lambda())) == []
    assert [body for body, _ in office.dead_letters.sent] == ["garbage"]


def test_a_letter_too_large_for_the_dead_letters_stays(office: PostOffice, door: Handler) -> None:
    office.dead_letters.limit = 100
    office.letters.send("x" * 90)
    assert kept(door(office.letters.as_event(), Lambda())) == [message_id(0)]


@pytest.mark.parametrize(
    "body",
    ["garbage", "null", "[]", '"Ada"', "{}", '{"to": 1}', '{"to": "Ada", "from": "Eve"}', '{"to": "Ada"', " ",
     '{"to": "Ada", "a\\u0000b": 1}', '{"to": "Ada", "\\ud800": 1}', '{"to": "Ada", "weight": NaN}', "[" * 10_000],
)  # fmt: skip
def test_what_is_no_letter_is_set_aside(office: PostOffice, door: Handler, body: str) -> None:
    office.letters.send(body)
    office.post("Ada")
    assert kept(door(office.letters.as_event(), Lambda())) == []
    [(set_aside, attributes)] = office.dead_letters.sent
    assert (set_aside, attributes["error"]) == (body, "InvalidInput")
    assert attributes["reason"].startswith("not a Letter")
    assert office.delivered == ["Ada"]


def test_a_reason_fits_and_says_something_even_so(office: PostOffice, door: Handler) -> None:
    office.post("long", "odd", "mute")
    office.troubles = {
        "long": [InvalidInput("x" * 10_000)],
        "odd": [InvalidInput("bell \x07 and\nnewline \ud800")],
        "mute": [InvalidInput("")],
    }
    assert kept(door(office.letters.as_event(), Lambda())) == []
    reasons = [attributes["reason"] for _, attributes in office.dead_letters.sent]
    assert [len(reason) for reason in reasons] == [512, len("bell ? and?newline ?"), len("InvalidInput")]


def test_the_dead_letters_take_ten_attributes_and_ours_come_first(office: PostOffice, door: Handler) -> None:
    office.letters.send("garbage", {f"a{number}": "x" for number in range(10)})
    door(office.letters.as_event(), Lambda())
    [(_, attributes)] = office.dead_letters.sent
    assert len(attributes) == 10
    assert {"reason", "error", "message_id", "correlation_id"} < attributes.keys()


def test_attributes_that_are_no_text_are_passed_over(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    event = office.letters.as_event()
    event["Records"][0]["messageAttributes"]["picture"] = {"dataType": "Binary", "binaryValue": "AAA="}
    assert kept(door(event, Lambda())) == []
    del event["Records"][0]["messageAttributes"]
    event["Records"][0]["messageId"] = "another"
    assert kept(door(event, Lambda())) == []
    assert office.delivered == ["Ada", "Ada"]


def test_details_are_for_the_log_whatever_they_are_called(
    office: PostOffice, door: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    office.post("Nobody")
    office.troubles = {"Nobody": [QuintetError("no", name="n-4711", args=object(), level=b"\xff")]}
    assert kept(door(office.letters.as_event(), Lambda())) == []
    assert vars(caplog.records[-1])["details"]["name"] == "n-4711"
    assert "4711" not in json.dumps(office.dead_letters.sent)


# --- once


def test_a_letter_that_comes_five_times_is_delivered_once(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    for _ in range(5):
        assert kept(door(office.letters.as_event(), Lambda())) == []
    assert office.tried == ["Ada"]


def test_a_letter_that_comes_twice_in_a_batch_is_delivered_once(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    assert kept(door(office.letters.as_event(0, 0), Lambda())) == []
    assert office.tried == ["Ada"]


def test_a_letter_sent_twice_under_one_name_is_delivered_once(office: PostOffice, door: Handler) -> None:
    office.post("Ada", "Ada", message_id="m-1")
    office.post("Ada", message_id="m-2")
    office.post("Ada")
    door(office.letters.as_event(), Lambda())
    assert office.tried == ["Ada"] * 3


def test_what_failed_is_tried_again(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    office.troubles = {"Ada": [Unavailable("closed"), RuntimeError("a bug")]}
    outcomes = [len(kept(door(office.letters.as_event(), Lambda()))) for _ in range(4)]
    assert outcomes == [1, 1, 0, 0]
    assert office.delivered == ["Ada"]


def test_who_was_killed_over_a_letter_leaves_it_to_others(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    office.troubles = {"Ada": [Killed()]}
    with pytest.raises(Killed):
        door(office.letters.as_event(), OUT_OF_TIME)
    assert kept(door(office.letters.as_event(), Lambda())) == []
    assert office.delivered == ["Ada"]


def test_a_letter_on_its_way_is_not_taken_by_another(office: PostOffice, door: Handler) -> None:
    office.post("Ada")
    office.troubles = {"Ada": [Killed()]}
    with pytest.raises(Killed):
        door(office.letters.as_event(), Lambda())
    assert kept(door(office.letters.as_event(), Lambda())) == [message_id(0)]
    assert (office.tried, office.dead_letters.sent) == (["Ada"], [])


# --- large letters


def test_a_large_letter_is_fetched(office: PostOffice, door: Handler) -> None:
    large = Letter(to="x" * 300_000)
    ClaimCheckQueue(office.letters, office.objects, office.bucket).send(large.model_dump_json())
    assert kept(door(office.letters.as_event(), Lambda())) == []
    assert office.delivered == [large.to]


@pytest.mark.parametrize(
    ("bucket", "key", "error"), [("theirs", "claims/1", "InvalidInput"), ("ours", "uploads/ada/1", "InvalidInput"),
                                 ("ours", "claims/gone", "NotFound"), ("ours", "claims/binary", "InvalidInput")]
)  # fmt: skip
def test_a_pointer_elsewhere_or_to_nothing_is_set_aside(
    office: PostOffice, door: Handler, bucket: str, key: str, error: str
) -> None:
    for there in ("claims/1", "uploads/ada/1"):
        office.objects.put(there, b'{"to": "Eve"}')
    office.objects.put("claims/binary", b"\xff\xfe")
    pointer = ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": bucket, "s3Key": key}]
    office.letters.send(json.dumps(pointer))
    assert kept(door(office.letters.as_event(), Lambda())) == []
    [(_, attributes)] = office.dead_letters.sent
    assert attributes["error"] == error
    assert office.delivered == []


# --- on Lambda


def test_a_room_is_warm_before_its_first_message(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    open_door(office)
    assert not office.warmed
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "post-office")
    open_door(office)
    assert office.warmed


# --- whatever happens

TROUBLES = some.sampled_from([Unavailable, RuntimeError, Misconfigured, InvalidInput, TooLarge, Killed])
PERMANENT = (InvalidInput, TooLarge)


@dataclass
class Sqs:
    """A queue that delivers at least once, in any order, and forgets what was settled unless the answer is lost."""

    office: PostOffice
    door: Handler
    waiting: set[int]
    settled: set[int] = field(default_factory=set)

    def deliver(self, batch: list[int], *, answer_lost: bool) -> None:
        try:
            answer = self.door(self.office.letters.as_event(*batch), OUT_OF_TIME)
        except Killed:
            return
        if not answer_lost:
            done = {number for number in batch if message_id(number) not in kept(answer)}
            self.waiting -= done
            self.settled |= done


@settings(max_examples=60, deadline=None)
@given(data=some.data())
def test_every_letter_is_delivered_once_or_set_aside_whatever_happens(data: some.DataObject) -> None:
    office = PostOffice()
    count = data.draw(some.integers(1, 6))
    names = [f"letter {number}" for number in range(count)]
    office.post(*names)
    office.troubles = {
        name: [trouble("trouble") for trouble in data.draw(some.lists(TROUBLES, max_size=3))] for name in names
    }
    doomed = {name for name in names if any(isinstance(trouble, PERMANENT) for trouble in office.troubles[name])}
    sqs = Sqs(office, open_door(office), set(range(count)))
    batches = some.lists(some.integers(0, count - 1), min_size=1, max_size=6)
    for batch in data.draw(some.lists(batches, max_size=12)):
        office.dead_letters.away = data.draw(some.booleans())
        sqs.deliver(batch, answer_lost=data.draw(some.booleans()))
    office.dead_letters.away = False
    for _ in range(4 * count):
        for number in sorted(sqs.waiting):
            sqs.deliver([number], answer_lost=False)
    set_aside = Counter(json.loads(body)["to"] for body, _ in office.dead_letters.sent)
    delivered = Counter(office.delivered)
    assert not sqs.waiting
    assert all(count == 1 for count in delivered.values())
    assert set(names) == set(delivered) | set(set_aside)
    assert set(set_aside) <= doomed
