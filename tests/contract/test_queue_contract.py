"""What every queue promises to who sends."""

from typing import Any

import pytest

from quintet.adapters.aws import client
from quintet.adapters.memory import MemoryQueue
from quintet.adapters.sqs import MESSAGE_LIMIT, SqsQueue
from quintet.entry.ports import Queue
from quintet.kernel.errors import InvalidInput, Misconfigured, TooLarge, Unavailable
from tests.contract.conftest import AtOnce

Message = tuple[str, dict[str, str]]


class QueueContract:
    @pytest.fixture
    def queue(self) -> Queue:
        raise NotImplementedError

    def received(self, queue: Any) -> list[Message]:
        raise NotImplementedError

    @pytest.mark.parametrize(
        ("body", "attributes"),
        [
            ("hello", {}),
            ("hello", {"correlation_id": "order-17", "reply.to-1": "日本 ü"}),
            ('{"ü": "\\u0000", "emoji": "🙂"}', {"a": " leading and trailing "}),
            ("tab\tline\r\n", {"a": "tab\t"}),
            ("x" * 250_000, {}),
            ("ten", {f"a{number}": str(number) for number in range(10)}),
        ],
        ids=["plain", "attributes", "unicode", "white space", "large", "ten attributes"],
    )
    def test_a_message_arrives_as_it_was_sent(self, queue: Queue, body: str, attributes: dict[str, str]) -> None:
        queue.send(body, attributes)
        assert self.received(queue) == [(body, attributes)]

    def test_attributes_may_be_left_out(self, queue: Queue) -> None:
        queue.send("hello")
        assert self.received(queue) == [("hello", {})]

    def test_many_messages_arrive_in_one_call(self, queue: Queue) -> None:
        messages: list[Message] = [(f"message {number} {'x' * 30_000}", {"a": str(number)}) for number in range(25)]
        queue.send_many(messages)
        assert sorted(self.received(queue)) == sorted(messages)

    @pytest.mark.parametrize(("bad", "refusal"), [("", InvalidInput), ("x" * (MESSAGE_LIMIT + 1), TooLarge)])
    def test_of_many_messages_none_is_sent_where_one_is_refused(
        self, queue: Queue, bad: str, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            queue.send_many([("good", {}), (bad, {})])
        assert self.received(queue) == []

    def test_every_message_of_many_senders_arrives(self, queue: Queue, at_once: AtOnce) -> None:
        assert at_once(lambda number: queue.send(f"message {number}")) == [None] * 16
        assert sorted(self.received(queue)) == sorted((f"message {number}", {}) for number in range(16))

    @pytest.mark.parametrize(
        ("body", "attributes"),
        [
            ("", {}),
            ("hello", {"a": ""}),
            ("hello", {"a": "bell \x07"}),
            ("null \x00", {}),
            ("half \ud800", {}),
            ("eleven", {f"a{number}": "x" for number in range(11)}),
        ],
    )
    def test_what_no_queue_takes_is_refused(self, queue: Queue, body: str, attributes: dict[str, str]) -> None:
        with pytest.raises(InvalidInput):
            queue.send(body, attributes)
        assert self.received(queue) == []

    def test_too_large_is_refused(self, queue: Queue) -> None:
        with pytest.raises(TooLarge):
            queue.send("ü" * (MESSAGE_LIMIT // 2 + 1))
        with pytest.raises(TooLarge):
            queue.send("x" * (MESSAGE_LIMIT - 5), {"correlation_id": "order-17"})
        assert self.received(queue) == []


class TestMemoryQueue(QueueContract):
    @pytest.fixture
    def queue(self) -> Queue:
        return MemoryQueue()

    def received(self, queue: MemoryQueue) -> list[Message]:
        return queue.sent

    def test_a_queue_that_is_away_takes_nothing(self) -> None:
        queue = MemoryQueue(away=True)
        with pytest.raises(Unavailable):
            queue.send("hello")
        assert queue.sent == []


class SqsContract(QueueContract):
    def received(self, queue: SqsQueue) -> list[Message]:
        messages: list[Message] = []
        while True:
            batch = client("sqs").receive_message(
                QueueUrl=queue.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
            )
            if not batch.get("Messages"):
                return messages
            for message in batch["Messages"]:
                attributes = message.get("MessageAttributes", {})
                messages.append((message["Body"], {name: value["StringValue"] for name, value in attributes.items()}))

    def test_a_queue_that_is_not_there_is_somebodys_mistake(self, queue: SqsQueue) -> None:
        with pytest.raises(Misconfigured):
            SqsQueue(f"{queue.url}-gone").send("hello")

    def test_many_messages_for_a_queue_that_is_not_there_are_somebodys_mistake(self, queue: SqsQueue) -> None:
        with pytest.raises(Misconfigured):
            SqsQueue(f"{queue.url}-gone").send_many([("hello", {})])

    def test_a_queue_that_is_set_to_less_says_too_large(self, queue: SqsQueue) -> None:
        client("sqs").set_queue_attributes(QueueUrl=queue.url, Attributes={"MaximumMessageSize": "1024"})
        with pytest.raises(TooLarge):
            queue.send("x" * 2000)


class TestSqsQueueOnMoto(SqsContract):
    @pytest.fixture
    def queue(self, moto_queue: str) -> Queue:
        return SqsQueue(moto_queue)


@pytest.mark.enable_socket
class TestSqsQueueOnCloud(SqsContract):
    @pytest.fixture
    def queue(self, cloud_queue: str) -> Queue:
        return SqsQueue(cloud_queue)
