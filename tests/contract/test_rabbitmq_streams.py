"""What may happen to streams from RabbitMQ, and what becomes of them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from pika.adapters.select_connection import SelectConnection
from pika.adapters.utils.io_services_utils import _AsyncTransportBase
from pika.frame import decode_frame

from quintet.adapters import rabbitmq_streams
from quintet.adapters.lasting_thread import LastingThread
from quintet.adapters.rabbitmq import BrokerAddress, connect
from quintet.adapters.rabbitmq_streams import CONNECTION_NAME, RabbitMqStreams
from quintet.adapters.rabbitmq_subscription import Subscription
from quintet.kernel.ids import new_id
from quintet.kernel.streams import Streams
from tests.brokers import TestBroker
from tests.contract.streams_world import Probe, RabbitMqWorld

Started = Callable[..., RabbitMqStreams]


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def world(broker: TestBroker) -> Iterator[RabbitMqWorld]:
    connection = connect(broker.address)
    made = RabbitMqWorld(broker, connection.channel(), new_id())
    yield made
    for queue in made.declared:
        made.delete(queue)
    connection.close()


@pytest.fixture
def started(world: RabbitMqWorld, probe: Probe) -> Iterator[Started]:
    made: list[Streams] = []

    def start(address: BrokerAddress | None = None, **options: Any) -> RabbitMqStreams:
        given: dict[str, Any] = {"patience": 3.0, "message_limit": 1000, **options}
        streams = RabbitMqStreams(address or world.broker.address, **given)
        made.append(streams)
        streams.start(probe)
        return streams

    yield start
    probe.gate.set()
    for one in made:
        one.stop()


def opened(streams: Streams, world: RabbitMqWorld, probe: Probe, *names: str) -> None:
    """Sessions that have got one message each."""
    for name in names:
        streams.open(name, name, world.make(name))
        world.put(name, "inputs", b"first")
    assert probe.wait(lambda: len(probe.got) == len(names)), probe.troubles


def manage(broker: TestBroker, verb: str, path: str, content: Any = None) -> Any:
    address, body = broker.address, None if content is None else json.dumps(content)
    headers = urllib3.make_headers(basic_auth=f"{address.user}:{address.password}")
    with urllib3.PoolManager() as http:
        answer = http.request(verb, f"{broker.urls.management}/api/{path}", headers=headers, body=body)
    assert answer.status < 300, answer.data
    return json.loads(answer.data) if answer.data else None


def connections(broker: TestBroker) -> list[str]:
    found = manage(broker, "GET", "connections")
    return [one["name"] for one in found if one.get("user_provided_name") == CONNECTION_NAME]


def sever(streams: RabbitMqStreams) -> None:
    """Cut its connections as a network does: no word is exchanged."""
    links = streams._links
    assert links is not None
    for connection in list(links._since):
        connection._transport._sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def stranger(broker: TestBroker) -> Iterator[BrokerAddress]:
    """A user of its own, who may read nothing but what is called `open…`."""
    name = new_id()
    manage(broker, "PUT", f"users/{name}", {"password": "a secret", "tags": ""})
    rights = {"configure": "", "write": "", "read": "^open.*"}
    manage(broker, "PUT", f"permissions/{quote(broker.address.vhost, safe='')}/{name}", rights)
    yield replace(broker.address, user=name, password="a secret")
    manage(broker, "DELETE", f"users/{name}")


@pytest.mark.enable_socket
class TestConnection:
    def test_one_that_is_cut_is_replaced_and_nothing_lost(
        self, world: RabbitMqWorld, started: Started, probe: Probe
    ) -> None:
        streams = started()
        opened(streams, world, probe, "ada", "bob")
        before = list(probe.got)
        sever(streams)
        assert probe.wait(lambda: len(probe.got) == 4)
        streams.settle(before)
        world.put("ada", "inputs", b"second")
        assert probe.wait(lambda: b"second" in probe.bodies("ada"))
        assert [one.redelivered for one in probe.of("ada")] == [False, True, False]
        streams.settle(probe.of("bob")[1:])
        streams.stop()
        assert [world.left(world.name(name, "inputs")) for name in ("ada", "bob")] == [2, 0]
        assert probe.troubles == []

    def test_one_that_the_broker_closes_is_replaced(self, world: RabbitMqWorld, started: Started, probe: Probe) -> None:
        streams = started()
        opened(streams, world, probe, "ada")
        assert probe.wait(lambda: connections(world.broker))
        for name in connections(world.broker):
            manage(world.broker, "DELETE", f"connections/{quote(name, safe='')}")
        assert probe.wait(lambda: len(probe.got) == 2)
        assert probe.got[1].redelivered
        assert streams.state().connected
        assert probe.troubles == []

    def test_a_wrong_password_is_told_and_tried_again(
        self, world: RabbitMqWorld, started: Started, probe: Probe, stranger: BrokerAddress
    ) -> None:
        streams = started(replace(stranger, password="another"))
        queue = f"open-{new_id()}"
        world.declare(queue)
        streams.open("ada", "ada", {"inputs": queue})
        assert probe.wait(lambda: "ACCESS_REFUSED" in streams.state().problem)
        assert streams.state().problem == "Failed to connect to RabbitMQ: (403) ACCESS_REFUSED"
        assert not streams.state().connected
        manage(world.broker, "PUT", f"users/{stranger.user}", {"password": "another", "tags": ""})
        assert probe.wait(lambda: streams.state().connected)
        assert streams.state().problem == ""
        world._channel.basic_publish("", queue, b"0")
        assert probe.wait(lambda: probe.got)

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"vhost": "nowhere"}, "check RABBITMQ_VHOST"),
            ({"tls": True}, "check RABBITMQ_SSL"),
            ({"port": 1}, r"[Errno 111] Connection refused"),
        ],
    )
    def test_a_wrong_setting_is_told(
        self, world: RabbitMqWorld, started: Started, probe: Probe, wrong: dict[str, Any], words: str
    ) -> None:
        streams = started(replace(world.broker.address, **wrong))
        assert probe.wait(lambda: words in streams.state().problem), streams.state()
        assert not streams.state().connected

    def test_further_ones_are_opened_where_channels_run_out(
        self, world: RabbitMqWorld, started: Started, probe: Probe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rabbitmq_streams, "CHANNEL_MAX", 2)
        streams, names = started(), [f"client-{number}" for number in range(5)]
        opened(streams, world, probe, *names)
        assert probe.wait(lambda: len(connections(world.broker)) == 3)
        streams.close("client-0")
        opened(streams, world, probe_of(probe), "client-5")
        assert len(connections(world.broker)) == 3
        streams.settle(probe.got)
        sever(streams)
        world.put("client-4", "inputs", b"second")
        world.put("client-1", "inputs", b"second")
        assert probe.wait(lambda: probe.bodies("client-4")[-1:] == probe.bodies("client-1")[-1:] == [b"second"])

    def test_many_sessions_are_settled_at_once(self, world: RabbitMqWorld, started: Started, probe: Probe) -> None:
        streams, names = started(), [f"client-{number}" for number in range(50)]
        opened(streams, world, probe, *names)
        streams.settle(probe.got[::2])
        streams.stop()
        left = {one.session: world.left(world.name(one.session, "inputs")) for one in probe.got}
        assert left == {one.session: number % 2 for number, one in enumerate(probe.got)}


def probe_of(probe: Probe) -> Probe:
    """The same, with nothing got."""
    probe.forget()
    return probe


@pytest.mark.enable_socket
class TestSession:
    def test_one_that_may_not_be_read_is_given_up(
        self, world: RabbitMqWorld, started: Started, probe: Probe, stranger: BrokerAddress
    ) -> None:
        streams = started(stranger, patience=1.0)
        opened(started(), world, probe, "ada")
        streams.open("eve", "eve", world.make("eve"))
        assert probe.wait(lambda: [final for _, _, final in probe.troubles] == [False, True])
        assert f"Queue '{world.name('eve', 'inputs')}' may not be read: ACCESS_REFUSED" in probe.troubles[0][1]

    def test_one_whose_queue_is_anothers_alone_is_trouble(
        self, world: RabbitMqWorld, started: Started, probe: Probe
    ) -> None:
        queue = f"alone-{new_id()}"
        world._channel.queue_declare(queue, exclusive=True)
        started().open("ada", "ada", {"inputs": queue})
        assert probe.wait(lambda: probe.troubles)
        assert probe.troubles[0][1].startswith(f"Queue '{queue}' is used by somebody else alone: RESOURCE_LOCKED")

    @pytest.mark.parametrize("queue", ["", "q" * 256, "ü" * 128, "\udcff"], ids=["none", "long", "longer", "no text"])
    def test_a_name_that_no_queue_has_disturbs_nobody(
        self, world: RabbitMqWorld, started: Started, probe: Probe, queue: str
    ) -> None:
        streams = started()
        opened(streams, world, probe, "ada")
        streams.open("eve", "eve", {"inputs": world.name("ada", "outputs"), "outputs": queue})
        assert probe.wait(lambda: probe.troubles)
        assert [(session, final) for session, _, final in probe.troubles] == [("eve", True)]
        assert "No queue can be called" in probe.troubles[0][1]
        world.put("ada", "outputs", b"second")
        assert probe.wait(lambda: len(probe.got) == 2)
        assert not probe.got[1].redelivered

    def test_no_queue_is_ever_declared(self, world: RabbitMqWorld, started: Started, probe: Probe) -> None:
        started().open("ada", "ada", {"inputs": "never-declared"})
        assert probe.wait(lambda: probe.troubles)
        vhost = quote(world.broker.address.vhost, safe="")
        assert "never-declared" not in {one["name"] for one in manage(world.broker, "GET", f"queues/{vhost}")}

    def test_notifications_are_never_given_up(self, world: RabbitMqWorld, started: Started, probe: Probe) -> None:
        streams, queue = started(patience=0.1, notifications_prefetch=3), f"connections-{new_id()}"
        streams.open("", "", {"notifications": queue})
        streams.open("ada", "ada", {"inputs": queue})
        assert probe.wait(lambda: ("ada", True) in {(session, final) for session, _, final in probe.troubles})
        assert {final for session, _, final in probe.troubles if session == ""} == {False}
        world.declare(queue)
        for _ in range(5):
            world._channel.basic_publish("", queue, b"{}")
        assert probe.wait(lambda: len(probe.got) == 3)
        assert {(one.session, one.side) for one in probe.got} == {("", "notifications")}
        assert probe.recoveries == [""]

    def test_one_with_too_large_a_message_is_ended_and_no_other(
        self, world: RabbitMqWorld, started: Started, probe: Probe
    ) -> None:
        streams = started()
        opened(streams, world, probe, "ada", "bob")
        world.put("ada", "inputs", b"x" * 1001, b"after")
        world.put("bob", "inputs", b"x" * 1000)
        assert probe.wait(lambda: probe.troubles and len(probe.bodies("bob")) == 2)
        assert probe.troubles == [("ada", "A message of 1001 bytes is larger than this service takes", True)]
        assert probe.bodies("ada") == [b"first"]
        assert probe.wait(lambda: world.left(world.name("ada", "inputs")) == 3)
        world.put("bob", "inputs", b"third")
        assert probe.wait(lambda: probe.bodies("bob")[2:] == [b"third"])
        assert not probe.got[-1].redelivered

    def test_a_message_of_many_frames_comes_whole(self, world: RabbitMqWorld, started: Started, probe: Probe) -> None:
        streams, body = started(message_limit=10**7), bytes(range(256)) * 20_000
        opened(streams, world, probe, "ada")
        world.put("ada", "outputs", body, body)
        assert probe.wait(lambda: len(probe.got) == 3)
        assert probe.bodies("ada", "outputs") == [body, body]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """What threads have ended with."""
    types: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda end: types.append(end.exc_type))
    return types


@pytest.mark.enable_socket
def test_nothing_is_handed_over_between_a_refusal_and_the_next_connection(
    world: RabbitMqWorld, started: Started, probe: Probe
) -> None:
    """Though many messages are read at once: each would come twice."""
    streams, bodies = started(prefetch=50), [b"%d" % number for number in range(30)]
    probe.gate.clear()
    streams.open("ada", "ada", world.make("ada"))
    world.put("ada", "inputs", *bodies)
    assert probe.wait(lambda: probe.got)
    time.sleep(0.3)
    probe.refusals = 1
    probe.gate.set()
    assert probe.wait(lambda: len(probe.got) == 1 + len(bodies))
    assert probe.bodies("ada") == [b"0", *bodies]
    assert [one.redelivered for one in probe.got[:2]] == [False, True]


@pytest.mark.enable_socket
def test_a_receivers_own_error_is_told_and_the_streams_go_on(
    world: RabbitMqWorld, started: Started, probe: Probe, told: list[type[BaseException]]
) -> None:
    streams = started()
    opened(streams, world, probe, "ada")
    probe.fault = KeyError("a mistake")
    world.put("ada", "inputs", b"second")
    assert probe.wait(lambda: probe.bodies("ada") == [b"first", b"first", b"second"])
    assert streams.state().connected
    assert probe.troubles == []
    assert told == [KeyError]


@pytest.mark.enable_socket
class TestBrokerThatIsKilled:
    def test_its_streams_go_on_when_it_is_back(self, mortal_broker: TestBroker, probe: Probe) -> None:
        connection = connect(mortal_broker.address)
        channel = connection.channel()
        queue = new_id()
        channel.queue_declare(queue, durable=True)
        persistent = SimpleNamespace(first=b"0", second=b"1")
        publish(channel, queue, persistent.first)
        publish(channel, queue, persistent.second)
        connection.close()
        streams = RabbitMqStreams(mortal_broker.address)
        streams.start(probe)
        streams.open("ada", "ada", {"inputs": queue})
        try:
            assert probe.wait(lambda: len(probe.got) == 2)
            streams.settle(probe.got[:1])
            assert probe.wait(lambda: manage(mortal_broker, "GET", f"queues/%2F/{queue}").get("messages") == 1)
            mortal_broker.kill()
            assert probe.wait(lambda: not streams.state().connected)
            assert "RabbitMQ" in streams.state().problem
            mortal_broker.restart()
            assert probe.wait(lambda: len(probe.got) == 3)
            assert (probe.got[2].body, probe.got[2].redelivered) == (b"1", True)
            streams.settle(probe.got)
            assert streams.state().connected
            assert probe.troubles == []
        finally:
            streams.stop()
            connection = connect(mortal_broker.address)
            connection.channel().queue_delete(queue)
            connection.close()


def publish(channel: Any, queue: str, body: bytes) -> None:
    from pika import BasicProperties, DeliveryMode

    channel.confirm_delivery()
    channel.basic_publish("", queue, body, BasicProperties(delivery_mode=DeliveryMode.Persistent.value))


class Silent:
    def delivered(self, *_: object) -> None: ...
    def consuming(self, *_: object) -> None: ...
    def ended(self, *_: object) -> None: ...


@given(st.lists(st.lists(st.integers(1, 30), max_size=12), max_size=8), st.data())
def test_acknowledgements_settle_what_was_settled_and_nothing_else(
    settlements: list[list[int]], data: st.DataObject
) -> None:
    """Against a broker that does as AMQP says; `multiple` stands for all that it still holds up to the tag."""
    subscription = Subscription("ada", {"inputs": "q"}, 8, Silent())
    subscription._channel = SimpleNamespace(channel_number=7)
    held: set[int] = set()
    wanted: set[int] = set()
    delivered = 0
    for tags in settlements:
        for _ in range(data.draw(st.integers(0, 6))):
            delivered += 1
            subscription._delivered("inputs", None, SimpleNamespace(delivery_tag=delivered), None, b"")
            held.add(delivered)
            wanted.add(delivered)
        known = [tag for tag in tags if tag <= delivered]
        wanted -= set(known)
        frames = subscription.acknowledgements(list(dict.fromkeys(known)))
        for frame in frames:
            _, read = decode_frame(frame)
            assert read.channel_number == 7
            ack = read.method
            assert ack.multiple or ack.delivery_tag in held
            held = {tag for tag in held if (tag > ack.delivery_tag if ack.multiple else tag != ack.delivery_tag)}
        assert held == wanted
        assert len(frames) <= len(known)


def test_pika_still_reads_as_many_bytes_as_it_is_told() -> None:
    assert isinstance(_AsyncTransportBase._MAX_RECV_BYTES, int)
    assert hasattr(SelectConnection, "_on_stream_connected")


def test_a_lasting_thread_begins_again_until_it_is_stopped(told: list[type[BaseException]]) -> None:
    begun: list[float] = []

    def work() -> None:
        begun.append(time.monotonic())
        if len(begun) < 3:
            raise ValueError("a mistake")
        thread.stopping.wait()

    thread = LastingThread(work, "test", pause=0.01)
    thread.start()
    deadline = time.monotonic() + 30
    while len(begun) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.stop(10)
    assert (len(begun), told) == (3, [ValueError, ValueError])
