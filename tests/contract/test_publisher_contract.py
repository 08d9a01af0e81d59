"""What every publisher promises to who publishes."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from quintet.adapters import rabbitmq
from quintet.adapters.aws import client
from quintet.adapters.memory import MemoryPublisher
from quintet.adapters.rabbitmq import BrokerAddress, RabbitMqPublisher, connect
from quintet.adapters.sqs import SqsPublisher
from quintet.entry.ports import Publisher
from quintet.kernel.errors import Misconfigured, Overloaded, Unavailable
from quintet.kernel.ids import new_id
from tests.brokers import TestBroker
from tests.contract.conftest import AtOnce

Message = tuple[str, str, str]
"""Body, message id, correlation id."""


class PublisherContract:
    queue: str = "train_result_q"

    @pytest.fixture
    def publisher(self) -> Publisher:
        raise NotImplementedError

    def received(self, publisher: Any) -> list[Message]:
        raise NotImplementedError

    @pytest.mark.parametrize("body", ["{}", '{"ü": "\\u0000", "emoji": "🙂"}', "x" * 250_000])
    def test_a_message_arrives_as_it_was_sent(self, publisher: Publisher, body: str) -> None:
        publisher.publish(self.queue, body, message_id="job-1/0", correlation_id="order-17")
        assert self.received(publisher) == [(body, "job-1/0", "order-17")]

    def test_a_correlation_id_may_be_left_out(self, publisher: Publisher) -> None:
        publisher.publish(self.queue, "{}", message_id="1")
        assert self.received(publisher) == [("{}", "1", "")]

    def test_the_same_message_may_be_published_again(self, publisher: Publisher) -> None:
        for _ in range(2):
            publisher.publish(self.queue, "{}", message_id="1")
        assert self.received(publisher) == [("{}", "1", "")] * 2

    def test_every_message_of_many_threads_arrives(self, publisher: Publisher, at_once: AtOnce) -> None:
        answers = at_once(lambda number: publisher.publish(self.queue, f"{number}", message_id=f"{number}"))
        assert answers == [None] * 16
        assert sorted(self.received(publisher)) == sorted((f"{number}", f"{number}", "") for number in range(16))


class TestMemoryPublisher(PublisherContract):
    @pytest.fixture
    def publisher(self) -> Publisher:
        return MemoryPublisher()

    def received(self, publisher: MemoryPublisher) -> list[Message]:
        return [(one.body, one.message_id, one.correlation_id) for one in publisher.published]

    def test_a_publisher_that_is_away_takes_nothing(self) -> None:
        publisher = MemoryPublisher(away=True)
        with pytest.raises(Unavailable):
            publisher.publish(self.queue, "{}", message_id="1")
        assert publisher.bodies(self.queue) == []


class SqsPublisherContract(PublisherContract):
    def received(self, publisher: SqsPublisher) -> list[Message]:
        messages: list[Message] = []
        while (
            batch := client("sqs")
            .receive_message(QueueUrl=publisher.urls[self.queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            .get("Messages")
        ):
            for one in batch:
                given = {name: value["StringValue"] for name, value in one.get("MessageAttributes", {}).items()}
                messages.append((one["Body"], given.get("message_id", ""), given.get("correlation_id", "")))
        return messages

    def test_a_name_without_a_queue_is_somebodys_mistake(self, publisher: Publisher) -> None:
        with pytest.raises(Misconfigured, match="Queue 'other_q' not found"):
            publisher.publish("other_q", "{}", message_id="1")


class TestSqsPublisherOnMoto(SqsPublisherContract):
    @pytest.fixture
    def publisher(self, moto_queue: str) -> Publisher:
        return SqsPublisher({self.queue: moto_queue})


@pytest.mark.enable_socket
class TestSqsPublisherOnCloud(SqsPublisherContract):
    @pytest.fixture
    def publisher(self, cloud_queue: str) -> Publisher:
        return SqsPublisher({self.queue: cloud_queue})


@pytest.fixture
def channel(broker: TestBroker) -> Iterator[Any]:
    connection = connect(broker.address)
    yield connection.channel()
    connection.close()


@pytest.mark.enable_socket
class TestRabbitMqPublisher(PublisherContract):
    @pytest.fixture(autouse=True)
    def taken(self, channel: Any) -> Iterator[None]:
        """The queue is one nobody has declared."""
        self.queue = f"train_result_q-{new_id()}"
        self.channel = channel
        yield
        channel.queue_delete(self.queue)

    @pytest.fixture
    def publisher(self, broker: TestBroker) -> Iterator[Publisher]:
        made = RabbitMqPublisher(broker.address, pause=0.05)
        yield made
        made.close()

    def received(self, publisher: RabbitMqPublisher) -> list[Message]:
        return [(body.decode(), properties.message_id, properties.correlation_id or "")
                for properties, body in self.taken_off()]  # fmt: skip

    def taken_off(self) -> list[tuple[Any, bytes]]:
        messages = iter(lambda: self.channel.basic_get(self.queue, auto_ack=True), (None, None, None))
        return [(properties, body) for _, properties, body in messages]

    def test_messages_outlast_the_broker_and_say_what_they_are(self, publisher: Publisher) -> None:
        publisher.publish(self.queue, "{}", message_id="1")
        [(properties, _)] = self.taken_off()
        assert (properties.delivery_mode, properties.content_type) == (2, "application/json")
        self.channel.queue_declare(self.queue, durable=True)

    def test_a_connection_that_was_lost_is_replaced(self, publisher: RabbitMqPublisher) -> None:
        for number in range(3):
            publisher.publish(self.queue, "{}", message_id=f"{number}")
            sever(publisher)
        assert [properties.message_id for properties, _ in self.taken_off()] == ["0", "1", "2"]

    def test_a_connection_that_is_lost_while_idle_is_replaced(self, publisher: RabbitMqPublisher) -> None:
        publisher.keep_alive()
        publisher.publish(self.queue, "{}", message_id="0")
        publisher.keep_alive()
        sever(publisher)
        publisher.keep_alive()
        publisher.publish(self.queue, "{}", message_id="1")
        assert len(self.taken_off()) == 2

    def test_a_connection_that_is_kept_alive_lasts(
        self, publisher: RabbitMqPublisher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", 1)
        publisher.publish(self.queue, "{}", message_id="0")
        before = publisher._connection
        for _ in range(10):
            time.sleep(0.4)
            publisher.keep_alive()
        assert publisher._connection is before

    def test_a_connection_that_the_broker_gave_up_is_replaced(
        self, publisher: RabbitMqPublisher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when Lambda freezes the environment: no heartbeat is sent for long."""
        monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", 1)
        publisher.publish(self.queue, "{}", message_id="0")
        before = publisher._connection
        time.sleep(4)
        publisher.publish(self.queue, "{}", message_id="1")
        assert publisher._connection is not before
        assert [properties.message_id for properties, _ in self.taken_off()] == ["0", "1"]

    def test_a_queue_that_is_full_takes_nothing(self, publisher: RabbitMqPublisher) -> None:
        self.channel.queue_declare(
            self.queue, durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
        )
        with pytest.raises(Overloaded, match="takes no messages"):
            publisher.publish(self.queue, "{}", message_id="1")

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"password": "x"}, r"Failed to connect to RabbitMQ: \(403\) ACCESS_REFUSED"),
            ({"vhost": "nowhere"}, "check RABBITMQ_VHOST"),
            ({"tls": True}, "check RABBITMQ_SSL"),
        ],
    )
    def test_a_wrong_setting_is_somebodys_mistake(self, broker: TestBroker, wrong: dict[str, Any], words: str) -> None:
        with pytest.raises(Misconfigured, match=words):
            RabbitMqPublisher(replace(broker.address, **wrong)).publish(self.queue, "{}", message_id="1")


def sever(publisher: RabbitMqPublisher) -> None:
    """Cut its connection as a network does: no word is exchanged."""
    assert publisher._connection is not None
    publisher._connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.enable_socket
class TestNobody:
    def test_a_broker_that_was_killed_is_away_and_then_has_what_it_had(self, broker: TestBroker) -> None:
        queue = new_id()
        publisher = RabbitMqPublisher(broker.address, pause=0.05)
        publisher.publish(queue, "before", message_id="1")
        broker.kill()
        with pytest.raises(Unavailable, match="Failed to connect to RabbitMQ"):
            publisher.publish(queue, "lost", message_id="2")
        broker.restart()
        publisher.publish(queue, "after", message_id="3")
        publisher.close()
        connection = connect(broker.address)
        channel = connection.channel()
        assert [channel.basic_get(queue, auto_ack=True)[2] for _ in range(3)] == [b"before", b"after", None]
        channel.queue_delete(queue)
        connection.close()

    def test_a_broker_that_refuses_is_away(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        publisher = RabbitMqPublisher(BrokerAddress("127.0.0.1", port), pause=0.01)
        with pytest.raises(Unavailable, match=r"Failed to connect to RabbitMQ: \[Errno 111\] Connection refused"):
            publisher.publish("q", "{}", message_id="1")

    def test_a_broker_that_hangs_up_is_away(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            Thread(target=hang_up, args=(server, 3)).start()
            publisher = RabbitMqPublisher(BrokerAddress("127.0.0.1", server.getsockname()[1]), pause=0.01)
            with pytest.raises(Unavailable, match="Failed to connect to RabbitMQ"):
                publisher.publish("q", "{}", message_id="1")


def hang_up(server: socket.socket, times: int) -> None:
    for _ in range(times):
        server.accept()[0].close()


def test_an_address_does_not_show_the_password() -> None:
    assert "a secret" not in repr(BrokerAddress("broker.example", user="a", password="a secret"))
