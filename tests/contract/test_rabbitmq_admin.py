"""What the management API is asked for stands on a real broker, however often it is asked for."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker
from pydantic import ValidationError

from quintet.adapters.rabbitmq import BrokerAddress, connect
from quintet.adapters.rabbitmq_admin import DEAD, Credentials, Exchange, RabbitMqAdmin, Topology
from quintet.kernel.errors import Misconfigured, Unavailable
from quintet.kernel.ids import new_id
from tests.brokers import TestBroker

pytestmark = pytest.mark.enable_socket

USERS = {"arn:user": Credentials(f"member-{new_id()}", "a password")}


@pytest.fixture
def admin(broker: TestBroker) -> RabbitMqAdmin:
    parts = urlsplit(broker.urls.management)
    return RabbitMqAdmin(
        broker.urls.bare_management, Credentials(unquote(str(parts.username)), unquote(str(parts.password)))
    )


@pytest.fixture
def vhost(admin: RabbitMqAdmin) -> Iterator[str]:
    name = f"a room/{new_id()}"
    yield name
    admin._ask("DELETE", f"vhosts/{quote(name, safe='')}")
    admin._ask("DELETE", f"users/{USERS['arn:user'].user}")


@pytest.fixture
def wanted(admin: RabbitMqAdmin, vhost: str) -> Topology:
    user = {"SecretArn": "arn:user", "Write": r"^amq\.default$", "Read": "^result_q$"}
    return Topology.model_validate(
        {
            "ServiceToken": "arn:function",
            "Management": admin.url,
            "SecretArn": "arn:admin",
            "VirtualHost": vhost,
            "Requests": ["a.request_q"],
            "Queues": ["result_q", "news_q"],
            "Exchanges": [{"Name": "a.news/exchange", "Queues": ["news_q", "result_q"]}],
            "Users": [user],
        }
    )


def opened(address: BrokerAddress) -> Iterator[Any]:
    connection = connect(address)
    yield connection.channel()
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(broker: TestBroker, admin: RabbitMqAdmin, wanted: Topology) -> Iterator[Any]:
    """After all was made, twice."""
    for _ in range(2):
        admin.make(wanted, USERS)
    yield from opened(replace(broker.address, vhost=wanted.vhost))


@pytest.mark.parametrize("queue", ["a.request_q", "a.request_q" + DEAD, "result_q"])
def test_a_client_may_declare_the_queues_again(channel: Any, queue: str) -> None:
    channel.queue_declare(queue, durable=True)


def taken(channel: Any, queue: str) -> tuple[Any, Any, bytes]:
    """The queue's next message, which may still be on its way."""
    deadline = time.monotonic() + 5
    while True:
        method, properties, body = channel.basic_get(queue)
        if method or time.monotonic() > deadline:
            return method, properties, body
        time.sleep(0.05)


def test_what_is_refused_lies_with_the_dead_letters_of_its_queue(channel: Any) -> None:
    channel.basic_publish("", "a.request_q", b"{}", BasicProperties(message_id="m-1"))
    method, _, _ = taken(channel, "a.request_q")
    channel.basic_reject(method.delivery_tag, requeue=False)
    _, properties, body = taken(channel, "a.request_q" + DEAD)
    assert (properties.message_id, body) == ("m-1", b"{}")
    assert properties.headers["x-death"][0]["queue"] == "a.request_q"


def test_a_policy_is_about_its_own_queue_alone(channel: Any, admin: RabbitMqAdmin, wanted: Topology) -> None:
    def refused(queue: str) -> bytes:
        admin.make_queue(wanted.vhost, queue)
        channel.basic_publish("", queue, queue.encode())
        channel.basic_reject(taken(channel, queue)[0].delivery_tag, requeue=False)
        return channel.basic_get("a.request_q" + DEAD)[2] or b"nothing"

    assert [refused(queue) for queue in ("axrequest_q", "a.request_q_2", "result_q")] == [b"nothing"] * 3


def test_a_user_may_do_what_it_may_and_no_more(channel: Any, broker: TestBroker, wanted: Topology) -> None:
    address = replace(broker.address, vhost=wanted.vhost, user=USERS["arn:user"].user, password="a password")
    for member in opened(address):
        member.basic_publish("", "a.request_q", b"{}")
        member.basic_get("result_q")
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            member.basic_get("a.request_q")


def test_a_queue_that_is_there_stays_as_it_is(channel: Any, admin: RabbitMqAdmin, wanted: Topology) -> None:
    channel.queue_declare("limited_q", durable=True, arguments={"x-max-length": 5})
    admin.make_queue(wanted.vhost, "limited_q")
    channel.queue_declare("fleeting_q")
    with pytest.raises(Misconfigured, match="fleeting_q"):
        admin.make_queue(wanted.vhost, "fleeting_q")


def test_what_is_published_on_an_exchange_comes_once_to_each_of_its_queues(channel: Any) -> None:
    channel.exchange_declare("a.news/exchange", "fanout", durable=True)
    channel.queue_bind("news_q", "a.news/exchange")  # as a client of the original does, with a key of its own
    channel.basic_publish("a.news/exchange", "whatever", b"{}")
    assert [taken(channel, queue)[2] for queue in ("news_q", "result_q")] == [b"{}"] * 2
    assert [channel.basic_get(queue)[2] for queue in ("news_q", "result_q", "a.request_q")] == [None] * 3


def test_an_exchange_that_is_there_keeps_its_kind(channel: Any, admin: RabbitMqAdmin, wanted: Topology) -> None:
    channel.exchange_declare("fleeting", "fanout")
    admin.make_exchange(wanted.vhost, Exchange(Name="fleeting", Queues=["news_q"]))
    channel.basic_publish("fleeting", "", b"bound")
    assert taken(channel, "news_q")[2] == b"bound"
    with pytest.raises(Misconfigured, match="'fleeting' is there already as 'fanout'"):
        admin.make_exchange(wanted.vhost, Exchange(Name="fleeting", Type="topic"))


def test_an_exchange_feeds_queues_that_there_are(channel: Any, admin: RabbitMqAdmin, wanted: Topology) -> None:
    with pytest.raises(Misconfigured, match="refuses"):
        admin.make_exchange(wanted.vhost, Exchange(Name="lost", Queues=["nobody_s_q"]))


def test_wrong_credentials_are_somebodys_mistake(admin: RabbitMqAdmin, wanted: Topology) -> None:
    stranger = replace(admin, credentials=Credentials("guest", "wrong"))
    with pytest.raises(Misconfigured, match=r"\(401\) ACCESS_REFUSED"):
        stranger.make(wanted, USERS)
    assert "wrong" not in repr(stranger)


def test_a_broker_that_is_away_is_waited_for() -> None:
    with pytest.raises(Unavailable):
        RabbitMqAdmin("http://127.0.0.1:1", Credentials("a", "b"), timeout=0.5).make_vhost("/")


@pytest.mark.parametrize("text", ["", "[]", '{"username": "a"}', "null"])
def test_a_secret_of_another_form_is_somebodys_mistake(text: str) -> None:
    with pytest.raises(Misconfigured, match="username and password"):
        Credentials.of_secret(text)


def test_a_topology_names_its_management_api() -> None:
    with pytest.raises(ValidationError):
        Topology.model_validate({"Management": "file:///etc/passwd", "SecretArn": "a"})
