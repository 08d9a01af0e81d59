"""From a real RabbitMQ through the bridge and a deployed relay to SQS."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pika import BasicProperties

from infra.local.stack import STACK, outputs_of
from quintet.adapters.rabbitmq import connect
from tests.brokers import TestBroker
from tests.clouds import LocalCloud
from tests.conftest import TOY


@pytest.fixture(scope="module")
def cloud(broker: TestBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    cloud = LocalCloud(tmp_path_factory.mktemp("relay"), TOY / "relay/template.yaml")
    cloud.up("--with", "rabbitmq", "--rooms", "glucose", **broker.environment)
    yield cloud
    cloud.run("down")


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> dict[str, str]:
    return outputs_of(cloud.client("cloudformation"), STACK)


@pytest.fixture
def channel(broker: TestBroker) -> Iterator[Any]:
    connection = connect(broker.address)
    channel = connection.channel()
    for queue in ("toy_relay_q", "toy_nowhere_q"):
        channel.queue_declare(queue, durable=True)
    yield channel
    connection.close()


def received(cloud: LocalCloud, url: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        answer = cloud.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
        )
        found += answer.get("Messages", [])
    return found


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def test_a_message_is_relayed_with_its_properties(
    cloud: LocalCloud, stack: dict[str, str], broker: TestBroker, channel: Any
) -> None:
    properties = BasicProperties(message_id="m-1", correlation_id="order-17", user_id=broker.address.user)
    channel.basic_publish("", "toy_relay_q", '{"ü": 1}'.encode(), properties)
    [message] = received(cloud, stack["Letters"], 1)
    assert message["Body"] == '{"ü": 1}'
    assert attributes(message) == {
        "amqp_message_id": "m-1",
        "correlation_id": "order-17",
        "user_id": broker.address.user,
        "queue": "toy_relay_q",
        "redelivered": "false",
    }


def test_a_large_message_and_many_small_ones_arrive(cloud: LocalCloud, stack: dict[str, str], channel: Any) -> None:
    bodies = [f"{number}" for number in range(50)]
    channel.basic_publish("", "toy_relay_q", b"x" * 2_000_000)
    for body in bodies:
        channel.basic_publish("", "toy_relay_q", body.encode())
    messages = received(cloud, stack["Letters"], 51)
    [claim] = [json.loads(one["Body"])[1] for one in messages if "s3Key" in one["Body"]]
    assert claim["s3BucketName"] == stack["Bucket"]
    kept = cloud.client("s3").get_object(Bucket=claim["s3BucketName"], Key=claim["s3Key"])["Body"].read()
    assert kept == b"x" * 2_000_000
    assert {one["Body"] for one in messages if "s3Key" not in one["Body"]} == set(bodies)


def test_what_nobody_takes_lies_with_the_dead_letters(cloud: LocalCloud, stack: dict[str, str], channel: Any) -> None:
    channel.basic_publish("", "toy_nowhere_q", b"lost")
    [message] = received(cloud, stack["DeadLetters"], 1)
    assert message["Body"] == "lost"
    assert attributes(message)["reason"] == "toy_nowhere_q leads nowhere"
