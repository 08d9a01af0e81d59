"""What every source of streams promises to who receives them."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread

import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_streams import MemoryStreams
from quintet.adapters.rabbitmq import connect
from quintet.adapters.s3 import S3Objects
from quintet.adapters.s3_streams import S3Streams
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import new_id
from quintet.kernel.streams import Delivery, Streams
from tests.brokers import TestBroker
from tests.contract.streams_world import MemoryWorld, Probe, RabbitMqWorld, S3World, World

Started = Callable[..., Streams]


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def started(world: World, probe: Probe) -> Iterator[Started]:
    """Makes streams that hand over to the probe."""
    made: list[Streams] = []

    def start(prefetch: int = 8) -> Streams:
        made.append(world.streams(prefetch))
        made[-1].start(probe)
        return made[-1]

    yield start
    probe.gate.set()
    for one in made:
        one.stop()


class StreamsContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_messages_are_handed_over_as_they_are_and_in_order(
        self, world: World, started: Started, probe: Probe
    ) -> None:
        streams, bodies = started(), [b"", b"\x00\xff" * 100, "ü".encode(), b"x" * 999]
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", *bodies)
        world.put("ada", "outputs", b"a probability")
        assert probe.wait(lambda: len(probe.got) == 5)
        assert (probe.bodies("ada", "inputs"), probe.bodies("ada", "outputs")) == (bodies, [b"a probability"])
        assert probe.troubles == []
        assert streams.state().connected

    def test_what_was_there_before_is_handed_over(self, world: World, started: Started, probe: Probe) -> None:
        streams = started()
        queues = world.make("ada")
        world.put("ada", "outputs", b"1", b"2")
        streams.open("ada", "ada", queues)
        assert probe.wait(lambda: probe.bodies("ada") == [b"1", b"2"])

    def test_a_session_that_is_open_stays_as_it_is(self, world: World, started: Started, probe: Probe) -> None:
        streams, queues = started(), world.make("ada")
        for _ in range(2):
            streams.open("ada", "ada", queues)
        world.put("ada", "inputs", b"1")
        assert probe.wait(lambda: probe.got)
        streams.open("ada", "ada", queues)
        world.put("ada", "inputs", b"2")
        assert probe.wait(lambda: len(probe.got) == 2)
        assert probe.bodies("ada") == [b"1", b"2"]

    def test_what_is_settled_comes_never_again_and_what_is_not_comes_again(
        self, world: World, started: Started, probe: Probe
    ) -> None:
        streams, queues = started(), world.make("ada")
        streams.open("ada", "ada", queues)
        world.put("ada", "inputs", *(b"%d" % number for number in range(6)))
        assert probe.wait(lambda: len(probe.got) == 6)
        streams.settle([probe.got[number] for number in (0, 1, 4)])
        settled_again_is_nothing(streams, probe.got[:1])
        again(streams, queues, probe, 3)
        assert sorted(probe.bodies("ada")) == [b"2", b"3", b"5"]
        streams.settle(probe.got)
        world.put("ada", "inputs", b"6")
        again(streams, queues, probe, 1)
        assert probe.bodies("ada") == [b"6"]

    def test_the_settlement_of_what_was_given_back_is_passed_over(
        self, world: World, started: Started, probe: Probe
    ) -> None:
        streams, queues = started(), world.make("ada")
        streams.open("ada", "ada", queues)
        world.put("ada", "inputs", b"1", b"2")
        assert probe.wait(lambda: len(probe.got) == 2)
        before = list(probe.got)
        streams.close("ada")
        streams.settle(before)
        again(streams, queues, probe, 2)
        streams.settle(before)
        streams.settle(probe.got[:1])
        again(streams, queues, probe, 1)
        assert probe.bodies("ada") == [before[1].body]

    def test_no_more_than_the_prefetch_of_a_side_is_unsettled(
        self, world: World, started: Started, probe: Probe
    ) -> None:
        streams = started(3)
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", *(b"%d" % number for number in range(20)))
        world.put("ada", "outputs", b"0", b"1")
        assert probe.wait(lambda: len(probe.of("ada")) == 5)
        for rounds in range(1, 6):
            settled = probe.of("ada", "inputs")[3 * (rounds - 1) :]
            streams.settle(settled)
            assert probe.wait(partial(has, probe, 3 + 3 * rounds))
            time.sleep(0.1)
            assert len(probe.of("ada", "inputs")) == 3 + 3 * rounds
        assert probe.bodies("ada", "inputs") == [b"%d" % number for number in range(18)]

    def test_threads_may_settle_in_any_order(self, world: World, started: Started, probe: Probe) -> None:
        streams, queues = started(4), {name: world.make(name) for name in ("ada", "bob", "eve")}
        for name, its in queues.items():
            streams.open(name, name, its)
            world.put(name, "inputs", *(b"%d" % number for number in range(40)))
            world.put(name, "outputs", *(b"%d" % number for number in range(40)))
        threads = [Thread(target=settle_every_third, args=(streams, probe, rest)) for rest in range(3)]
        for thread in threads:
            thread.start()
        assert probe.wait(lambda: len(probe.got) == 240)
        for thread in threads:
            thread.join()
        for name in queues:
            assert probe.bodies(name, "inputs") == probe.bodies(name, "outputs") == [b"%d" % n for n in range(40)]
        for name, its in queues.items():
            again(streams, its, probe, 0, name)

    def test_sessions_do_not_meet(self, world: World, started: Started, probe: Probe) -> None:
        streams, names = started(2), ["ada", "ada/inputs", "a b%2F?", "notifications", "ü"]
        for name in names:
            streams.open(name, name, world.make(name))
            world.put(name, "inputs", name.encode())
            world.put(name, "outputs", name.encode() + b"!")
        assert probe.wait(lambda: len(probe.got) == 2 * len(names))
        for name in names:
            assert sorted(probe.bodies(name)) == [name.encode(), name.encode() + b"!"]
        streams.close("ada")
        world.put("ada", "inputs", b"late")
        world.put("ü", "inputs", b"more")
        assert probe.wait(lambda: b"more" in probe.bodies("ü"))
        time.sleep(0.1)
        assert b"late" not in probe.bodies("ada")

    def test_a_receiver_that_blocks_holds_all_up_and_loses_nothing(
        self, world: World, started: Started, probe: Probe
    ) -> None:
        streams = started(50)
        probe.gate.clear()
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", *(b"%d" % number for number in range(30)))
        assert probe.wait(lambda: probe.got)
        time.sleep(0.3)
        assert len(probe.got) == 1
        streams.settle(probe.got)
        probe.gate.set()
        assert probe.wait(lambda: len(probe.got) == 30)
        assert probe.bodies("ada") == [b"%d" % number for number in range(30)]

    def test_a_receiver_that_takes_nothing_gets_it_later(self, world: World, started: Started, probe: Probe) -> None:
        streams = started()
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", b"0", b"1")
        assert probe.wait(lambda: len(probe.got) == 2)
        probe.away = True
        world.put("ada", "inputs", b"2", b"3")
        assert probe.wait(lambda: probe.refused)
        probe.away = False
        assert probe.wait(lambda: {b"0", b"1", b"2", b"3"} <= {*probe.bodies("ada")[2:]} or s3_kept(streams, probe))
        assert probe.troubles == []
        assert probe.wait(lambda: streams.state().connected)

    def test_after_the_end_nothing_comes(self, world: World, started: Started, probe: Probe) -> None:
        streams = started()
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", b"0")
        assert probe.wait(lambda: probe.got)
        streams.stop()
        streams.stop()
        assert not streams.state().connected
        world.put("ada", "inputs", b"1")
        time.sleep(0.2)
        assert len(probe.got) == 1

    def test_what_is_asked_before_the_start_is_done(self, world: World, probe: Probe) -> None:
        streams = world.streams()
        streams.open("ada", "ada", world.make("ada"))
        streams.open("bob", "bob", world.make("bob"))
        streams.close("bob")
        world.put("ada", "inputs", b"0")
        world.put("bob", "inputs", b"0")
        streams.start(probe)
        try:
            assert probe.wait(lambda: probe.got)
            time.sleep(0.1)
            assert probe.bodies("bob") == []
        finally:
            streams.stop()

    def test_one_that_never_started_is_stopped(self, world: World) -> None:
        world.streams().stop()


def has(probe: Probe, inputs: int) -> bool:
    return len(probe.of("ada", "inputs")) >= inputs


def settled_again_is_nothing(streams: Streams, deliveries: list[Delivery]) -> None:
    streams.settle(deliveries)
    streams.settle([])


def again(streams: Streams, queues: dict[str, str], probe: Probe, count: int, name: str = "ada") -> None:
    """Close the session and open it: `count` messages come again."""
    streams.close(name)
    time.sleep(0.1)
    probe.forget()
    streams.open(name, name, queues)
    assert probe.wait(lambda: len(probe.of(name)) == count), probe.bodies(name)
    time.sleep(0.1)
    assert len(probe.of(name)) == count, probe.bodies(name)


def settle_every_third(streams: Streams, probe: Probe, rest: int) -> None:
    """The threads' settlements overtake one another: each takes its share of all messages, the newest first."""
    done = 0
    while done < 80:
        mine = [one for number, one in enumerate(list(probe.got)) if number % 3 == rest]
        if len(mine) == done:
            time.sleep(0.001)
            continue
        streams.settle(reversed(mine[done:]))
        done = len(mine)


def s3_kept(streams: Streams, probe: Probe) -> bool:
    """What a bucket has handed over and is refused none of may stay handed over."""
    return isinstance(streams, S3Streams) and set(probe.bodies("ada")) == {b"0", b"1", b"2", b"3"}


class QueuesContract(StreamsContract):
    """Sources that have queues which may be missing, and that know what came before."""

    def test_what_comes_again_says_so(self, world: MemoryWorld, started: Started, probe: Probe) -> None:
        streams, queues = started(), world.make("ada")
        streams.open("ada", "ada", queues)
        world.put("ada", "inputs", b"0")
        assert probe.wait(lambda: probe.got)
        assert not probe.got[0].redelivered
        again(streams, queues, probe, 1)
        assert probe.got[0].redelivered

    def test_a_queue_that_is_missing_is_trouble_until_it_is_there(
        self, world: MemoryWorld, started: Started, probe: Probe
    ) -> None:
        streams, queues = started(), world.make("ada")
        world.delete(queues["outputs"])
        streams.open("ada", "ada", queues)
        assert probe.wait(lambda: probe.troubles)
        session, problem, final = probe.troubles[0]
        assert (session, final) == ("ada", False)
        assert problem.startswith(f"Queue '{queues['outputs']}' does not exist")
        world.declare(queues["outputs"])
        world.put("ada", "outputs", b"0")
        assert probe.wait(lambda: b"0" in probe.bodies("ada", "outputs"))
        assert probe.recoveries == ["ada"]
        assert len(probe.troubles) == 1

    def test_a_session_whose_queue_stays_missing_is_given_up_and_no_other(
        self, world: MemoryWorld, started: Started, probe: Probe
    ) -> None:
        streams, queues = started(), world.make("ada")
        streams.open("ada", "ada", queues)
        streams.open("bob", "bob", {"inputs": "no such queue", "outputs": "nor this"})
        assert probe.wait(lambda: [final for _, _, final in probe.troubles] == [False, True])
        assert {session for session, _, _ in probe.troubles} == {"bob"}
        world.put("ada", "inputs", b"0")
        assert probe.wait(lambda: probe.bodies("ada") == [b"0"])
        assert probe.recoveries == []
        streams.open("bob", "bob", world.make("bob"))
        world.put("bob", "inputs", b"1")
        assert probe.wait(lambda: probe.bodies("bob") == [b"1"])

    def test_a_queue_that_is_deleted_while_it_is_read_is_trouble(
        self, world: MemoryWorld, started: Started, probe: Probe
    ) -> None:
        streams, queues = started(), world.make("ada")
        streams.open("ada", "ada", queues)
        streams.open("bob", "bob", world.make("bob"))
        world.put("ada", "inputs", b"0")
        world.put("ada", "outputs", b"1")
        world.put("bob", "inputs", b"2")
        assert probe.wait(lambda: len(probe.got) == 3)
        world.delete(queues["inputs"])
        assert probe.wait(lambda: probe.troubles)
        assert probe.troubles[0][0] == "ada"
        assert queues["inputs"] in probe.troubles[0][1]
        world.declare(queues["inputs"])
        assert probe.wait(lambda: probe.bodies("ada", "outputs") == [b"1", b"1"])
        assert probe.recoveries == ["ada"]
        assert probe.bodies("bob") == [b"2"]


class TestMemoryStreams(QueuesContract):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()

    def test_a_pump_hands_over_on_its_callers_thread(self, probe: Probe) -> None:
        streams = MemoryStreams({"q": [b"0", b"1", b"2"]}, prefetch=2)
        streams.start(probe)
        streams.open("ada", "ada", {"inputs": "q"})
        assert (streams.pump(), streams.pump(), streams.bodies("q")) == (2, 0, [b"2"])
        streams.settle(probe.got)
        assert streams.pump() == 1
        streams.drop()
        streams.away = True
        assert (streams.pump(), streams.bodies("q"), streams.state().connected) == (0, [b"2"], False)


class S3StreamsContract(StreamsContract):
    def test_notifications_lie_beside_the_clients(self, world: S3World, started: Started, probe: Probe) -> None:
        streams = started()
        streams.open("", "", {"notifications": "calibration_service_connections_queue"})
        world.objects.put("calibration/streams/notifications/inputs/1", b"a client of this name")
        world.objects.put("calibration/streams/notifications/1.json", b"{}")
        assert probe.wait(lambda: probe.got)
        time.sleep(0.1)
        assert [(one.session, one.side, one.body) for one in probe.got] == [("", "notifications", b"{}")]

    def test_a_message_that_is_settled_is_deleted(self, world: S3World, started: Started, probe: Probe) -> None:
        streams = started(1)
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", b"0", b"1")
        assert probe.wait(lambda: probe.got)
        streams.settle(probe.got)
        assert probe.wait(lambda: len(probe.got) == 2)
        assert stored(world) == [b"1"]
        streams.settle(probe.got)
        streams.stop()
        assert stored(world) == []

    def test_a_message_that_is_too_large_ends_its_session(self, world: S3World, started: Started, probe: Probe) -> None:
        streams = started()
        for name in ("ada", "bob"):
            streams.open(name, name, world.make(name))
        world.put("ada", "inputs", b"0", b"x" * 1001, b"2")
        world.put("bob", "inputs", b"x" * 1000)
        assert probe.wait(lambda: probe.troubles and probe.bodies("bob"))
        assert probe.troubles == [("ada", "A message of 1001 bytes is larger than this service takes", True)]
        assert probe.bodies("ada") == [b"0"]
        assert len(stored(world)) == 4


def stored(world: S3World) -> list[bytes]:
    return [world.objects.get(key)[0] for key, _, _ in world.objects.list("calibration/streams/", 100)]


class TestS3StreamsInMemory(S3StreamsContract):
    @pytest.fixture
    def world(self) -> S3World:
        return S3World(MemoryObjects())

    def test_a_bucket_that_is_away_is_told_and_loses_nothing(
        self, world: S3World, started: Started, probe: Probe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        streams = started()
        streams.open("ada", "ada", world.make("ada"))
        world.put("ada", "inputs", b"0", b"1")
        assert probe.wait(lambda: len(probe.got) == 2)
        with monkeypatch.context() as patched:
            for name in ("list", "get", "delete"):
                patched.setattr(world.objects, name, away)
            streams.settle(probe.got)
            assert probe.wait(lambda: not streams.state().connected)
            assert streams.state().problem == "object storage is not available now"
            world.put("ada", "inputs", b"2")
        assert probe.wait(lambda: streams.state().connected and not streams.state().problem)
        assert probe.wait(lambda: stored(world) == [b"2"])
        assert probe.bodies("ada") == [b"0", b"1", b"2"]


def away(*_: object) -> None:
    raise Unavailable("object storage is not available now")


class TestS3StreamsOnMoto(S3StreamsContract):
    @pytest.fixture
    def world(self, moto_bucket: str) -> S3World:
        return S3World(S3Objects(moto_bucket))


@pytest.mark.enable_socket
class TestRabbitMqStreams(QueuesContract):
    @pytest.fixture
    def world(self, broker: TestBroker) -> Iterator[RabbitMqWorld]:
        connection = connect(broker.address)
        made = RabbitMqWorld(broker, connection.channel(), new_id())
        yield made
        for queue in made.declared:
            made.delete(queue)
        connection.close()
