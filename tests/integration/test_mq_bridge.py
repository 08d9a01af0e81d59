"""Event source mappings of Amazon MQ on the local cloud: a real RabbitMQ, a function that fails when asked to."""

import io
import json
import sys
import time
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pika import BasicProperties

from infra.local.stack import STACK, outputs_of
from quintet.adapters.rabbitmq import connect
from quintet.kernel.ids import new_id
from tests.brokers import TestBroker
from tests.clouds import LocalCloud
from tests.conftest import TOY

MB = 1024 * 1024
PERSISTENT = BasicProperties(delivery_mode=2)


@pytest.fixture(scope="module")
def cloud(broker: TestBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    cloud = LocalCloud(tmp_path_factory.mktemp("mq"), TOY / "mq/template.yaml")
    cloud.up("--with", "rabbitmq", **broker.environment)
    yield cloud
    cloud.run("down")


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> dict[str, str]:
    return outputs_of(cloud.client("cloudformation"), STACK)


@dataclass
class Ear:
    """A function and a queue of one test's own; `folder` is where the function keeps what it gets."""

    cloud: LocalCloud
    stack: dict[str, str]
    broker: TestBroker
    folder: Path
    name: str

    def order(self, **orders: float) -> None:
        (self.folder / "orders.json").write_text(json.dumps(orders))

    def declare(self) -> None:
        connection = connect(self.broker.address)
        connection.channel().queue_declare(self.name, durable=True)
        connection.close()

    def publish(self, *bodies: bytes, properties: BasicProperties = PERSISTENT) -> None:
        connection = connect(self.broker.address)
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", self.name, body, properties, mandatory=True)
        connection.close()

    def queue(self, name: str = "") -> Any:
        """`message_count` (ready) and `consumer_count`."""
        connection = connect(self.broker.address)
        found = connection.channel().queue_declare(name or self.name, passive=True).method
        connection.close()
        return found

    def listen(self, **settings: Any) -> str:
        """The new mapping's identifier."""
        mapping = {
            "FunctionName": self.name,
            "EventSourceArn": self.stack["BrokerArn"],
            "Queues": [self.name],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": self.stack["CredentialsArn"]}],
            **settings,
        }
        return str(self.functions.create_event_source_mapping(**mapping)["UUID"])

    @property
    def functions(self) -> Any:
        return self.cloud.client("lambda")

    def result(self, mapping: str) -> str:
        return str(self.functions.get_event_source_mapping(UUID=mapping)["LastProcessingResult"])

    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("event-*.json"))]

    def heard(self, count: int, patience: float = 30.0) -> list[dict[str, Any]]:
        """The first `count` events, as soon as they are there."""
        until(lambda: len(self.kept()) >= count, patience)
        return [one["event"] for one in self.kept()][:count]

    def records(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        [(source, records)] = event["rmqMessagesByQueue"].items()
        assert source == f"{self.name}::/"
        return list(records)

    def bodies(self, event: dict[str, Any]) -> list[bytes]:
        return [b64decode(record["data"]) for record in self.records(event)]


def until(question: Any, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not question():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def ear(cloud: LocalCloud, stack: dict[str, str], broker: TestBroker, tmp_path: Path) -> Iterator[Ear]:
    made = Ear(cloud, stack, broker, tmp_path, f"ear-{new_id()}")
    made.order()
    made.functions.create_function(
        FunctionName=made.name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="app.handler",
        Role=stack["RoleArn"],
        Timeout=30,
        Code={"ZipFile": zipped(TOY / "mq/functions/hears/app.py")},
        Environment={"Variables": {"TOY_FOLDER": str(tmp_path)}},
    )
    yield made
    for mapping in made.functions.list_event_source_mappings(FunctionName=made.name)["EventSourceMappings"]:
        made.functions.delete_event_source_mapping(UUID=mapping["UUID"])
    made.functions.delete_function(FunctionName=made.name)


def zipped(file: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(file, file.name)
    return content.getvalue()


class TestEvent:
    def test_it_has_every_property_as_amazon_writes_it(self, ear: Ear, stack: dict[str, str]) -> None:
        properties = BasicProperties(
            content_type="text/plain",
            content_encoding="identity",
            headers={
                "header1": "value1",
                "umlaut": "ü",
                "number": 10,
                "yes": True,
                "none": None,
                "part": {"a": ["b", 2]},
            },
            delivery_mode=1,
            priority=34,
            correlation_id="order-17",
            reply_to="answers",
            expiration="60000",
            message_id="m-1",
            timestamp=2021,
            type="train",
            user_id=ear.broker.address.user,
            app_id="backend",
        )
        ear.declare()
        ear.publish(b'{"a": 1}', properties=properties)
        ear.listen()
        [event] = ear.heard(1)
        assert event == {
            "eventSource": "aws:rmq",
            "eventSourceArn": stack["BrokerArn"],
            "rmqMessagesByQueue": {
                f"{ear.name}::/": [
                    {
                        "basicProperties": {
                            "contentType": "text/plain",
                            "contentEncoding": "identity",
                            "headers": {
                                "header1": {"bytes": [118, 97, 108, 117, 101, 49]},
                                "umlaut": {"bytes": [-61, -68]},
                                "number": 10,
                                "yes": True,
                                "none": None,
                                "part": {"a": [{"bytes": [98]}, 2]},
                            },
                            "deliveryMode": 1,
                            "priority": 34,
                            "correlationId": "order-17",
                            "replyTo": "answers",
                            "expiration": "60000",
                            "messageId": "m-1",
                            "timestamp": "Jan 1, 1970, 12:33:41 AM",
                            "type": "train",
                            "userId": ear.broker.address.user,
                            "appId": "backend",
                            "clusterId": None,
                            "bodySize": 8,
                        },
                        "redelivered": False,
                        "data": b64encode(b'{"a": 1}').decode(),
                    }
                ]
            },
        }

    def test_what_the_publisher_left_out_is_null(self, ear: Ear) -> None:
        ear.declare()
        ear.publish(b"\x00\xff", properties=BasicProperties())
        ear.listen()
        [record] = ear.records(ear.heard(1)[0])
        properties = record["basicProperties"]
        assert properties.pop("bodySize") == 2
        assert set(properties.values()) == {None}
        assert len(properties) == 14
        assert b64decode(record["data"]) == b"\x00\xff"


class TestBatches:
    def test_they_are_as_large_as_asked_and_in_order(self, ear: Ear) -> None:
        ear.declare()
        ear.publish(*[b"%d" % number for number in range(12)])
        ear.listen(BatchSize=5, MaximumBatchingWindowInSeconds=1)
        assert [ear.bodies(event) for event in ear.heard(3)] == [
            [b"0", b"1", b"2", b"3", b"4"],
            [b"5", b"6", b"7", b"8", b"9"],
            [b"10", b"11"],
        ]

    def test_a_window_gathers_what_comes_one_by_one(self, ear: Ear) -> None:
        ear.declare()
        ear.listen(BatchSize=100, MaximumBatchingWindowInSeconds=2)
        until(lambda: ear.queue().consumer_count == 1)
        start = time.time()
        for body in (b"a", b"b", b"c"):
            ear.publish(body)
            time.sleep(0.3)
        [event] = ear.heard(1)
        assert ear.bodies(event) == [b"a", b"b", b"c"]
        assert 1.9 < ear.kept()[0]["began"] - start < 5

    def test_a_record_over_six_megabytes_is_dropped(self, ear: Ear) -> None:
        ear.declare()
        ear.publish(b"before", bytes(6 * MB + 1), b"after")
        ear.listen()
        assert ear.bodies(ear.heard(1)[0]) == [b"before", b"after"]
        until(lambda: ear.queue().message_count == 0)
        log = (ear.cloud.folder / "run/logs/localstack.log").read_text()
        assert f"A message of {6 * MB + 1} bytes on {ear.name} is dropped" in log

    def test_a_batch_is_never_over_six_megabytes(self, ear: Ear) -> None:
        ear.declare()
        bodies = [bytes([letter]) * (2 * MB) for letter in b"abc"]
        ear.publish(*bodies)
        ear.listen()
        events = ear.heard(2)
        assert [ear.bodies(event) for event in events] == [bodies[:2], bodies[2:]]

    def test_one_is_worked_on_at_a_time(self, ear: Ear) -> None:
        ear.declare()
        ear.order(seconds=0.5)
        ear.publish(*[b"x"] * 4)
        ear.listen(BatchSize=1)
        ear.heard(4)
        times = [(one["began"], one["ended"]) for one in ear.kept()]
        assert all(before[1] <= after[0] for before, after in pairwise(times))


class TestFailure:
    def test_a_batch_that_failed_comes_again_as_a_whole_until_it_succeeds(self, ear: Ear) -> None:
        ear.declare()
        ear.order(failures=2)
        ear.publish(b"a", b"b", b"c", b"d")
        mapping = ear.listen(BatchSize=3)
        events = ear.heard(4)
        assert [ear.bodies(event) for event in events] == [[b"a", b"b", b"c"]] * 3 + [[b"d"]]
        again = [{record["redelivered"] for record in ear.records(event)} for event in events[:3]]
        assert again == [{False}, {True}, {True}]
        until(lambda: ear.result(mapping) == "OK")
        assert ear.queue().message_count == 0

    def test_the_mapping_says_that_its_function_fails(self, ear: Ear) -> None:
        ear.declare()
        ear.order(failures=1000)
        ear.publish(b"a")
        mapping = ear.listen()
        until(lambda: ear.result(mapping) == "PROBLEM: Function call failed")
        ear.order()
        until(lambda: ear.result(mapping) == "OK")

    def test_a_queue_that_is_not_there_yet_is_waited_for(self, ear: Ear) -> None:
        mapping = ear.listen()
        until(lambda: "NOT_FOUND - no queue" in ear.result(mapping))
        ear.declare()
        ear.publish(b"a")
        assert ear.bodies(ear.heard(1)[0]) == [b"a"]

    def test_credentials_that_are_refused_are_told(self, ear: Ear) -> None:
        wrong = ear.cloud.client("secretsmanager").create_secret(
            Name=new_id(), SecretString='{"username": "guest", "password": "wrong"}'
        )["ARN"]
        mapping = ear.listen(SourceAccessConfigurations=[{"Type": "BASIC_AUTH", "URI": wrong}])
        until(lambda: "ACCESS_REFUSED" in ear.result(mapping))

    def test_nothing_is_lost_when_the_broker_is_killed_and_comes_again(self, ear: Ear) -> None:
        ear.declare()
        ear.order(seconds=2)
        ear.publish(b"a")
        mapping = ear.listen()
        until(lambda: ear.queue().consumer_count == 1 and ear.queue().message_count == 0)
        ear.broker.kill()
        until(lambda: "PROBLEM" in ear.result(mapping))
        ear.order()
        ear.broker.restart()
        ear.publish(b"b")
        until(lambda: b"b" in [body for one in ear.kept() for body in ear.bodies(one["event"])], 60)
        until(lambda: ear.queue().message_count == 0)
        assert {body for one in ear.kept() for body in ear.bodies(one["event"])} == {b"a", b"b"}


WRONG: list[dict[str, Any]] = [{"Queues": ["a", "b"]}, {"SourceAccessConfigurations": []}, {"BatchSize": 10_001}]


class TestMapping:
    def test_one_that_is_deleted_ends_consuming(self, ear: Ear) -> None:
        ear.declare()
        mapping = ear.listen()
        until(lambda: ear.queue().consumer_count == 1)
        ear.functions.delete_event_source_mapping(UUID=mapping)
        until(lambda: ear.queue().consumer_count == 0)
        ear.publish(b"a")
        time.sleep(1)
        assert (ear.queue().message_count, ear.kept()) == (1, [])
        with pytest.raises(ClientError, match="does not exist"):
            ear.functions.get_event_source_mapping(UUID=mapping)

    def test_one_is_changed_disabled_and_enabled(self, ear: Ear) -> None:
        ear.declare()
        mapping = ear.listen(Enabled=False)
        assert ear.functions.get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
        ear.publish(b"a", b"b")
        ear.functions.update_event_source_mapping(UUID=mapping, Enabled=True, BatchSize=1)
        assert [ear.bodies(event) for event in ear.heard(2)] == [[b"a"], [b"b"]]
        ear.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        until(lambda: ear.queue().consumer_count == 0)

    def test_one_that_can_not_work_is_refused(self, ear: Ear) -> None:
        ear.listen()
        with pytest.raises(ClientError, match="already exists"):
            ear.listen()
        for wrong in WRONG:
            with pytest.raises(ClientError, match="InvalidParameterValue"):
                ear.listen(**wrong)

    def test_a_function_may_listen_to_many_queues_of_one_broker(self, ear: Ear) -> None:
        other = ear.listen(Queues=["other_q"], SourceAccessConfigurations=[
            {"Type": "BASIC_AUTH", "URI": ear.stack["CredentialsArn"]}, {"Type": "VIRTUAL_HOST", "URI": "nowhere"},
        ])  # fmt: skip
        mapping = ear.listen()
        found = ear.functions.list_event_source_mappings(FunctionName=ear.name)["EventSourceMappings"]
        assert {one["UUID"] for one in found} == {other, mapping}
        until(lambda: "vhost nowhere not found" in ear.result(other))

    def test_a_template_makes_them_as_it_does_on_aws(self, ear: Ear, stack: dict[str, str]) -> None:
        found = ear.functions.list_event_source_mappings(EventSourceArn=stack["BrokerArn"])["EventSourceMappings"]
        ours = {one["Queues"][0]: one for one in found if one["FunctionArn"].endswith(f"{stack['Hears']}:live")}
        assert set(ours) == {"toy_first_q", "toy_second_q"}
        first, second = ours["toy_first_q"], ours["toy_second_q"]
        assert (first["BatchSize"], first["MaximumBatchingWindowInSeconds"], first["State"]) == (5, 1, "Enabled")
        assert (second["BatchSize"], second["State"]) == (100, "Disabled")
        with_queue = Ear(ear.cloud, stack, ear.broker, ear.folder, "toy_first_q")
        with_queue.declare()
        until(lambda: with_queue.queue().consumer_count == 1)
