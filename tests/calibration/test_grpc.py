"""The room's gRPC door: the original's two methods under both of its names, for every shape its clients ever sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from quintet.adapters.memory_rows import MemoryRows
from quintet.calibration.access import Access
from quintet.calibration.grpc import calibration_server
from quintet.calibration.health import Condition
from quintet.calibration.ledger import Ledger
from quintet.calibration.messages import Registration, Session
from quintet.calibration.pb import new_client_pb2 as pb
from quintet.entry.caller import ApiKeyGate, Gate
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, Overloaded, QuintetError, Unavailable
from quintet.kernel.ids import fingerprint

pytestmark = pytest.mark.enable_socket

NAMES = ["newClient", "new_client"]
BACKEND, CLIENT, BOSS = "a-key-of-the-backend", "a-key-of-a-client", "a-key-of-the-boss"
OWN = f"key-{fingerprint(CLIENT)}"

# Requests as clients of each generation serialised them.
BY_QUEUE_NAMES = (
    "0a0a636c69656e745f313233121d646174615f646973706174636865725f746f5f636c69656e745f313233"
    "1a1173646b5f746f5f636c69656e745f313233"
)
BY_ROUTING_KEY = "0a0a636c69656e745f313233120e636c69656e745f3132332e6b6579"
BY_BOTH = "0a0a636c69656e745f313233120e636c69656e745f3132332e6b65791a0563616c5f712207696e7465725f71"
BY_FORMATS = "0a0a636c69656e745f313233120928312c32382c3238291a052831302c29"


@dataclass
class SmallRoom:
    """Takes clients in, and does nothing for them."""

    gate: Gate
    access: Access = field(default_factory=lambda: Access(f"key-{fingerprint(BACKEND)}"))
    state: Condition = field(default_factory=lambda: Condition(serving=True, clients=0))
    trouble: QuintetError | None = None
    registered: list[Registration] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = SteppedClock()
        self.ledger = Ledger(MemoryRows(clock), clock)

    def register(self, registration: Registration) -> Session:
        if self.trouble:
            raise self.trouble
        session = self.ledger.enter(registration, worker="w1", first=0)
        self.registered.append(registration)
        return session

    def condition(self) -> Condition:
        return self.state


@dataclass(frozen=True)
class Client:
    channel: grpc.Channel
    package: str = "newClient"
    key: str = ""

    def raw(self, method: str, message: bytes) -> bytes:
        call: Any = self.channel.unary_unary(f"/{self.package}.ClientNotificationService/{method}")
        answer: bytes = call(message, metadata=(("x-api-key", self.key),) if self.key else None)
        return answer

    def notify(self, message: str | pb.NewClientRequest) -> tuple[str, str]:
        request = bytes.fromhex(message) if isinstance(message, str) else message.SerializeToString()
        answer = pb.NewClientResponse.FromString(self.raw("NotifyNewClient", request))
        return answer.status, answer.message

    def health(self) -> tuple[str, str]:
        answer = pb.HealthCheckResponse.FromString(self.raw("HealthCheck", b""))
        return answer.status, answer.message


@pytest.fixture(autouse=True)
def one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_LOCAL", "true")


@contextmanager
def serving(room: SmallRoom) -> Iterator[grpc.Channel]:
    server = calibration_server(room, port=0)
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
    finally:
        server.stop(5)


@pytest.fixture
def room() -> SmallRoom:
    """Its door is open."""
    return SmallRoom(ApiKeyGate(keys_text=lambda: "", required=False))


@pytest.fixture
def channel(room: SmallRoom) -> Iterator[grpc.Channel]:
    with serving(room) as channel:
        yield channel


@pytest.fixture
def closed() -> SmallRoom:
    """It asks for keys."""
    return SmallRoom(ApiKeyGate(keys_text=lambda: f"{BACKEND}\n{CLIENT}\nadmin {BOSS}\n", required=True))


@pytest.fixture
def closed_channel(closed: SmallRoom) -> Iterator[grpc.Channel]:
    with serving(closed) as channel:
        yield channel


def grpcs_own_health(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


class TestRegistration:
    @pytest.mark.parametrize("package", NAMES)
    @pytest.mark.parametrize(
        ("sent", "inputs", "outputs", "formats"),
        [
            (BY_QUEUE_NAMES, "data_dispatcher_to_client_123", "sdk_to_client_123", ("", "")),
            (BY_ROUTING_KEY, "client_123.key", "client_123.key", ("", "")),
            (BY_BOTH, "inter_q", "cal_q", ("", "")),
            (BY_FORMATS, "client_123_inputs_cal_queue", "client_123_outputs_cal_queue", ("(1,28,28)", "(10,)")),
        ],
        ids=["queue names", "routing key", "both", "formats"],
    )
    def test_every_generations_bytes_are_understood(
        self,
        room: SmallRoom,
        channel: grpc.Channel,
        package: str,
        sent: str,
        inputs: str,
        outputs: str,
        formats: tuple[str, str],
    ) -> None:
        assert Client(channel, package).notify(sent) == ("OK", "Successfully registered client client_123")
        (known,) = room.registered
        assert (known.client_id, known.inputs_queue, known.outputs_queue) == ("client_123", inputs, outputs)
        assert (known.inputs_format, known.outputs_format) == formats

    def test_the_answers_bytes_are_the_originals(self, channel: grpc.Channel) -> None:
        said = b"Successfully registered client client_123"
        answer = Client(channel).raw("NotifyNewClient", bytes.fromhex(BY_QUEUE_NAMES))
        assert answer == b"\x0a\x02OK\x12" + bytes([len(said)]) + said
        said = b"Service is healthy. Active clients: 0"
        assert Client(channel).raw("HealthCheck", b"") == b"\x0a\x07SERVING\x12" + bytes([len(said)]) + said

    def test_what_is_missing_is_told_in_band(self, room: SmallRoom, channel: grpc.Channel) -> None:
        status, said = Client(channel).notify(pb.NewClientRequest(client_id="ana"))
        assert (status, said) == ("ERROR", "Missing required parameters: inter_queue_name, client_queue_name")
        assert Client(channel).notify("")[0] == "ERROR"
        assert room.registered == []

    def test_a_client_that_is_registered_already_is_told_so_in_band(self, channel: grpc.Channel) -> None:
        Client(channel, "newClient").notify(BY_QUEUE_NAMES)
        again = Client(channel, "new_client").notify(BY_FORMATS)
        assert again == ("ERROR", "Client client_123 is already registered")

    @pytest.mark.parametrize(
        ("trouble", "said"),
        [
            (Overloaded("this worker serves 100 clients already: try again later"), "100 clients"),
            (Unavailable("the state table is away"), "the state table is away"),
            (Misconfigured("set QUINTET_TABLE"), "Unexpected error in NotifyNewClient"),
        ],
    )
    def test_what_stands_in_the_way_is_told_in_band(
        self, room: SmallRoom, channel: grpc.Channel, trouble: QuintetError, said: str
    ) -> None:
        room.trouble = trouble
        status, told = Client(channel).notify(BY_QUEUE_NAMES)
        assert status == "ERROR"
        assert said in told
        assert "QUINTET" not in told


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "code"), [("", grpc.StatusCode.UNAUTHENTICATED), ("wrong", grpc.StatusCode.PERMISSION_DENIED)]
    )
    def test_strangers_are_the_doors_own_business(
        self, closed: SmallRoom, closed_channel: grpc.Channel, key: str, code: grpc.StatusCode
    ) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            Client(closed_channel, key=key).notify(BY_QUEUE_NAMES)
        assert refused.value.code() is code
        assert closed.registered == []

    @pytest.mark.parametrize("key", [BACKEND, BOSS])
    def test_the_backend_and_administrators_register_everybody(self, closed_channel: grpc.Channel, key: str) -> None:
        assert Client(closed_channel, key=key).notify(BY_QUEUE_NAMES)[0] == "OK"

    def test_a_client_registers_itself_alone(self, closed: SmallRoom, closed_channel: grpc.Channel) -> None:
        client = Client(closed_channel, key=CLIENT)
        assert client.notify(BY_QUEUE_NAMES) == (
            "ERROR",
            f"This API key registers the client '{OWN}' alone: give that as client_id",
        )
        stolen = pb.NewClientRequest(client_id=OWN, second="bea_inputs_cal_queue", third=f"{OWN}_outputs_cal_queue")
        assert client.notify(stolen)[0] == "ERROR"
        assert closed.registered == []
        assert client.notify(pb.NewClientRequest(client_id=OWN, second="(1,28,28)", third="(10,)"))[0] == "OK"

    def test_health_is_everybodys_but_names_are_not(self, closed: SmallRoom, closed_channel: grpc.Channel) -> None:
        closed.state = Condition(serving=True, clients=2, troubles=("ana waits for a queue: ana_q",))
        told = {key: Client(closed_channel, key=key).health() for key in ("", "wrong", CLIENT, BACKEND, BOSS)}
        plain = ("SERVING", "Service is up. Active clients: 2. Troubles: 1")
        in_full = ("SERVING", "Service is up. Active clients: 2. Troubles: 1: ana waits for a queue: ana_q")
        assert told == {"": plain, "wrong": plain, CLIENT: plain, BACKEND: in_full, BOSS: in_full}


class TestHealth:
    @pytest.mark.parametrize("package", NAMES)
    def test_it_counts_clients_in_the_originals_words(
        self, room: SmallRoom, channel: grpc.Channel, package: str
    ) -> None:
        room.state = Condition(serving=True, clients=3)
        assert Client(channel, package).health() == ("SERVING", "Service is healthy. Active clients: 3")

    def test_troubles_are_told_where_the_door_is_open(self, room: SmallRoom, channel: grpc.Channel) -> None:
        room.state = Condition(serving=True, clients=9, troubles=tuple(f"client {n} waits" for n in range(7)))
        said = "; ".join(f"client {n} waits" for n in range(5))
        told = f"Service is up. Active clients: 9. Troubles: 7: {said}; and 2 more"
        assert Client(channel).health() == ("SERVING", told)

    def test_what_does_not_serve_says_so(self, room: SmallRoom) -> None:
        room.state = Condition(serving=False, clients=1, troubles=("the lease is lost",))
        with serving(room) as channel:
            said = "Health check failed. Active clients: 1. Troubles: 1: the lease is lost"
            assert Client(channel).health() == ("NOT_SERVING", said)
            answer = grpcs_own_health(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING

    @pytest.mark.parametrize("service", ["", *(f"{name}.ClientNotificationService" for name in NAMES)])
    def test_grpcs_own_health_checking_knows_both_names(self, channel: grpc.Channel, service: str) -> None:
        answer = grpcs_own_health(channel).Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_shows_both_names(channel: grpc.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    asked += [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{name}.ClientNotificationService")
        for name in NAMES
    ]
    listed, *files = stub.ServerReflectionInfo(iter(asked))
    known = {service.name for service in listed.list_services_response.service}
    assert {f"{name}.ClientNotificationService" for name in NAMES} <= known
    for name, answer in zip(NAMES, files, strict=True):
        described = descriptor_pb2.FileDescriptorProto.FromString(
            answer.file_descriptor_response.file_descriptor_proto[0]
        )
        assert described.package == name
        assert [method.name for method in described.service[0].method] == ["NotifyNewClient", "HealthCheck"]
