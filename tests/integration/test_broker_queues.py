"""The platform's broker, deployed: its administrator, and the queues and users that a room's stack asks for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker

from infra.local.stack import STACK, outputs_of
from quintet.adapters.rabbitmq import BrokerAddress, connect
from quintet.kernel.ids import new_id
from tests.brokers import TestBroker
from tests.clouds import LocalCloud
from tests.conftest import TOY


@pytest.fixture(scope="module")
def cloud(broker: TestBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    cloud = LocalCloud(tmp_path_factory.mktemp("queues"), TOY / "broker/template.yaml")
    cloud.up("--with", "rabbitmq", "--rooms", "glucose", **broker.environment)
    yield cloud
    cloud.run("down")


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> dict[str, str]:
    return outputs_of(cloud.client("cloudformation"), STACK)


@pytest.fixture
def channels(cloud: LocalCloud, stack: dict[str, str]) -> Iterator[Any]:
    """Opens a channel for the user of a secret of the stack."""
    opened = []

    def channel(secret_output: str) -> Any:
        secret = cloud.client("secretsmanager").get_secret_value(SecretId=stack[secret_output])["SecretString"]
        user = json.loads(secret)
        place = BrokerAddress(host=stack["BrokerHost"], port=int(stack["BrokerPort"]))
        opened.append(connect(replace(place, user=user["username"], password=user["password"])))
        return opened[-1].channel()

    yield channel
    for connection in opened:
        connection.close()


def test_the_administrator_finds_the_queues(channels: Any) -> None:
    channel = channels("BrokerSecretArn")
    for queue in ("toy_request_q", "toy_request_q.dead", "toy_result_q"):
        channel.queue_declare(queue, durable=True, passive=True)


def test_a_rooms_user_may_do_what_the_room_asked_for(channels: Any) -> None:
    channel = channels("MemberArn")
    channel.basic_publish("", "toy_result_q", b"{}")
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.basic_get("toy_request_q")


def test_what_can_not_be_made_fails_the_stack_with_its_reason(cloud: LocalCloud, stack: dict[str, str]) -> None:
    client = cloud.client("cloudformation")
    token = next(one["FunctionArn"] for one in cloud.client("lambda").list_functions()["Functions"])
    resource = {
        "Type": "Custom::BrokerQueues",
        "Properties": {
            "ServiceToken": token,
            "Management": "http://127.0.0.1:1",
            "SecretArn": stack["BrokerSecretArn"],
        },
    }
    name = f"queues-{new_id()}"
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Queues": resource}}))
    with pytest.raises(Exception, match="Waiter StackCreateComplete failed"):
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    assert any("management API" in event.get("ResourceStatusReason", "") for event in events)


def test_an_address_without_a_network_is_not_spoken_to_with_tls(stack: dict[str, str]) -> None:
    assert (stack["BrokerTls"], stack["Made"].endswith("/Queues")) == ("false", True)
