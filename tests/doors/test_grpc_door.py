"""The gRPC door: a real server on a loopback port, with a service that does what its tests ask."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue as Text
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from quintet.entry.caller import ANYONE, ApiKeyGate
from quintet.entry.grpc import GrpcServer
from quintet.kernel.errors import Misconfigured
from quintet.kernel.settings import GrpcSettings
from tests.doors.greeter import KEY, NAME, WITH_KEY, Client, Greeter, client_of, open_door

pytestmark = pytest.mark.enable_socket

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Code = grpc.StatusCode

SOON = 2.0  # seconds: the bench of the load measures what it takes


@pytest.fixture(autouse=True)
def on_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_ROOM", "greeter")


@pytest.fixture
def greeter() -> Greeter:
    return Greeter()


@pytest.fixture
def server(greeter: Greeter) -> Iterator[GrpcServer]:
    with open_door(greeter) as server:
        yield server


@pytest.fixture
def client(server: GrpcServer) -> Iterator[Client]:
    with client_of(server) as client:
        yield client


def trailers(answered: Any) -> dict[str, str]:
    return dict(answered.trailing_metadata())


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the door has logged so far; a call's line is written before its answer goes out."""
    assert {record.name for record in caplog.records} <= {"greeter-grpc", "asyncio"}
    return [{**vars(record), "message": record.getMessage()} for record in caplog.records]


def eventually(what: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def test_a_caller_is_known_and_answered(client: Client, greeter: Greeter) -> None:
    answer, _ = client.call("Greet")
    assert answer.value == "Hello, Ada"
    assert greeter.answers == [200]
    [call] = greeter.calls
    assert (call.caller.id[:4], call.caller.administrator) == ("key-", False)
    assert call.metadata["x-api-key"] == KEY


def test_an_administrator_is_known_as_one(client: Client, greeter: Greeter) -> None:
    client.call("Greet", metadata=(("x-api-key", f"{KEY}-of-the-boss"),))
    assert greeter.calls[0].caller.administrator


@pytest.mark.parametrize(
    ("metadata", "code", "said", "status"),
    [
        ((), Code.UNAUTHENTICATED, "API key required", 401),
        ((("x-api-key", "guessed"),), Code.PERMISSION_DENIED, "Invalid API key", 403),
    ],
)
def test_a_stranger_is_refused_and_the_message_never_read(
    client: Client, greeter: Greeter, metadata: Any, code: Code, said: str, status: int
) -> None:
    error = client.refused("Greet", "x" * 10_000_000, metadata=metadata)
    assert (error.code(), error.details()) == (code, said)
    assert (greeter.received, greeter.answers) == ([], [status])


def test_public_methods_ask_for_nobody(client: Client, greeter: Greeter) -> None:
    assert client.call("Open", metadata=())[0].value == "Hello, Ada"
    assert not greeter.calls[0].caller.administrator


def test_an_open_gate_lets_anybody_in_but_no_wrong_key(greeter: Greeter) -> None:
    gate = ApiKeyGate(keys_text=lambda: f"{KEY}\n", required=False)
    with open_door(greeter, gate=lambda: gate) as server, client_of(server) as client:
        client.call("Greet", metadata=())
        assert greeter.calls[0].caller == ANYONE
        assert client.refused("Greet", metadata=(("x-api-key", "guessed"),)).code() is Code.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("name", "code", "said", "status"),
    [
        ("nobody", Code.NOT_FOUND, "Nobody is not here.", 404),
        ("everybody", Code.RESOURCE_EXHAUSTED, "Too many to greet.", 503),
        ("unset", Code.INTERNAL, "Internal server error", 500),
        ("bug", Code.INTERNAL, "Internal server error", 500),
        ("aborted", Code.FAILED_PRECONDITION, "Not before noon.", 500),
        ("swallowed", Code.NOT_FOUND, "Not here.", 500),
        ("coded", Code.OUT_OF_RANGE, "", 500),
    ],
)
def test_errors_become_statuses(
    client: Client, greeter: Greeter, name: str, code: Code, said: str, status: int
) -> None:
    error = client.refused("Greet", name)
    assert (error.code(), error.details(), greeter.answers) == (code, said, [status])


def test_overload_says_when_to_come_back(client: Client) -> None:
    assert trailers(client.refused("Greet", "everybody"))["retry-after"] == "30"
    assert "retry-after" not in trailers(client.refused("Greet", "nobody"))


def test_the_correlation_id_is_taken_and_returned(client: Client, greeter: Greeter) -> None:
    _, call = client.call("Greet", metadata=(*WITH_KEY, ("x-correlation-id", "order-17")))
    assert trailers(call)["x-correlation-id"] == greeter.calls[0].correlation_id == "order-17"
    error = client.refused("Greet", "nobody", metadata=(*WITH_KEY, ("x-correlation-id", "order-18")))
    assert trailers(error)["x-correlation-id"] == "order-18"


def test_a_correlation_id_is_made_where_none_or_a_harmful_one_is_sent(client: Client) -> None:
    made = {trailers(client.call("Greet")[1])["x-correlation-id"] for _ in range(2)}
    _, call = client.call("Greet", metadata=(*WITH_KEY, ("x-correlation-id", "a b")))
    assert len(made | {trailers(call)["x-correlation-id"]} - {"a b"}) == 3


def test_a_servicers_own_trailing_metadata_stays(client: Client) -> None:
    assert trailers(client.call("Greet", "marked")[1])["x-mark"] == "7"


def test_one_line_a_call_and_nothing_of_the_message(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.call("Greet", "a name to hide", metadata=(*WITH_KEY, ("x-correlation-id", "order-17")))
    [line] = logged(caplog)
    assert line["message"] == "request"
    assert (line["method"], line["status"]) == (f"/{NAME}/Greet", "OK")
    assert line["correlation_id"] == "order-17"
    assert line["duration_ms"] >= 0
    assert "hide" not in repr(line)


def test_a_refusal_is_logged_with_its_reason(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.refused("Greet", "nobody")
    refused, line = logged(caplog)
    assert (refused["message"], refused["reason"]) == ("request refused", "Nobody is not here.")
    assert refused["correlation_id"] == line["correlation_id"]
    assert line["status"] == "NOT_FOUND"


def test_a_bug_is_logged_with_its_place_and_none_of_its_text(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.refused("Greet", "bug")
    failed, line = logged(caplog)
    assert (failed["message"], failed["error"], line["status"]) == ("request failed", "ValueError", "INTERNAL")
    assert "in greet" in failed["traceback"]
    assert "a text that quotes" not in repr(failed)


def test_the_clients_leaving_is_known_at_once(client: Client, greeter: Greeter) -> None:
    waiting = client.begin("Wait")
    assert greeter.began.wait(5)
    started = time.monotonic()
    waiting.cancel()
    assert greeter.gone.wait(5)
    assert time.monotonic() - started < SOON
    eventually(lambda: greeter.answers == [499])


def test_a_client_whose_connection_breaks_is_gone(server: GrpcServer, greeter: Greeter) -> None:
    with client_of(server) as client:
        waiting = client.begin("Wait")
        assert greeter.began.wait(5)
        started = time.monotonic()
    assert greeter.gone.wait(5)
    assert time.monotonic() - started < SOON
    assert waiting.code() is Code.CANCELLED


def test_a_deadline_that_passes_is_known_at_once(
    client: Client, greeter: Greeter, caplog: pytest.LogCaptureFixture
) -> None:
    started = time.monotonic()
    assert client.refused("Wait", timeout=0.3).code() is Code.DEADLINE_EXCEEDED
    assert greeter.gone.wait(5)
    assert time.monotonic() - started < SOON
    eventually(lambda: greeter.answers == [504])
    assert logged(caplog)[-1]["status"] == "DEADLINE_EXCEEDED"


def test_a_call_that_ended_well_was_never_cancelled(client: Client, greeter: Greeter) -> None:
    for _ in range(20):
        client.call("Greet")
    assert not any(call.cancellation.cancelled for call in greeter.calls)


def test_streams_are_answered_the_same(client: Client, greeter: Greeter) -> None:
    ways: Any = {"request_serializer": Text.SerializeToString, "response_deserializer": Text.FromString}
    counted = client.channel.unary_stream(f"/{NAME}/Count", **ways)(Text(value="3"), metadata=WITH_KEY)
    assert [text.value for text in counted] == ["0", "1", "2"]
    texts = iter([Text(value="a"), Text(value="b")])
    joined, call = client.channel.stream_unary(f"/{NAME}/Join", **ways).with_call(texts, metadata=WITH_KEY)
    assert joined.value == "a b"
    assert "x-correlation-id" in trailers(call)
    assert greeter.answers == [200, 200]
    with pytest.raises(grpc.RpcError) as refused:
        list(client.channel.unary_stream(f"/{NAME}/Count", **ways)(Text(value="3")))
    assert refused.value.code() is Code.UNAUTHENTICATED


def test_a_message_of_another_kind_is_an_invalid_argument(client: Client, greeter: Greeter) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.raw("Greet", b"\xff\xff\xff")
    assert refused.value.code() is Code.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as refused:
        client.raw("Greet")
    assert (refused.value.code(), refused.value.details()) == (Code.INVALID_ARGUMENT, "The call carries no message.")
    assert greeter.answers == [400, 400]


def test_an_unknown_method_is_unimplemented(client: Client) -> None:
    assert client.refused("Dance").code() is Code.UNIMPLEMENTED


def test_a_message_over_the_limit_is_refused(greeter: Greeter) -> None:
    with open_door(greeter, message_limit_mb=1) as server, client_of(server) as client:
        assert client.refused("Greet", "x" * 1_100_000).code() is Code.RESOURCE_EXHAUSTED
        assert len(client.call("Greet", "x" * 900_000)[0].value) == 900_007
        assert greeter.received == [900_000 + 4]


def test_too_many_calls_are_refused_and_quick_ones_answered(greeter: Greeter) -> None:
    with open_door(greeter, threads=2, calls=3) as server, client_of(server) as client:
        waiting = [client.begin("Wait") for _ in range(3)]
        assert greeter.began.wait(5)
        eventually(lambda: client.refused("Greet", timeout=0.2).code() is Code.RESOURCE_EXHAUSTED)
        assert trailers(client.refused("Greet"))["retry-after"] == "30"
        assert client.call("Ping", timeout=5)[0].value == "pong"
        assert health_of(client) == SERVING
        greeter.go_on.set()
        assert [call.result().value for call in waiting] == ["waited"] * 3
        eventually(lambda: client.call("Greet"))


def test_a_client_that_sends_no_message_is_not_waited_for(greeter: Greeter) -> None:
    never = threading.Event()

    def messages() -> Iterator[bytes]:
        never.wait(30)
        yield b""

    with open_door(greeter, threads=1, message_seconds=0.2) as server, client_of(server) as client:
        open_call: Any = client.channel.stream_unary
        idle = open_call(f"/{NAME}/Open").future(messages())
        while not idle.done():
            server._patience.look()
            time.sleep(0.01)
        assert client.call("Greet", timeout=5)[0].value == "Hello, Ada"
        never.set()
        assert idle.code() is Code.CANCELLED


def test_health_is_the_rooms_readiness(client: Client, greeter: Greeter, server: GrpcServer) -> None:
    assert health_of(client) == health_of(client, NAME) == SERVING
    watched = client.health.Watch(health_pb2.HealthCheckRequest(service=NAME))
    assert next(watched).status == SERVING
    greeter.ready = False
    server._health.look()
    assert next(watched).status == health_of(client) == NOT_SERVING
    watched.cancel()
    with pytest.raises(grpc.RpcError) as unknown:
        health_of(client, "greeter.Nobody")
    assert unknown.value.code() is Code.NOT_FOUND


def test_a_room_that_can_not_even_say_is_not_ready(
    client: Client, greeter: Greeter, server: GrpcServer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise ValueError("104 mg/dL")

    server._health._ready = broken
    server._health.look()
    assert health_of(client) == NOT_SERVING
    assert [line["message"] for line in logged(caplog)] == ["not ready"]


def health_of(client: Client, service: str = "") -> int:
    return int(client.health.Check(health_pb2.HealthCheckRequest(service=service)).status)


def test_reflection_lists_what_is_served(client: Client) -> None:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [answer] = client.reflection.ServerReflectionInfo(asked)
    names = [service.name for service in answer.list_services_response.service]
    assert names == ["greeter.Greeter", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]


def test_a_connection_grows_old_and_what_is_being_answered_ends_first(
    greeter: Greeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quintet.entry.grpc.CONNECTION_SECONDS", 1)
    states: list[grpc.ChannelConnectivity] = []
    with open_door(greeter) as server, client_of(server) as client:
        client.channel.subscribe(states.append)
        waiting = client.begin("Wait")
        assert greeter.began.wait(5)
        eventually(lambda: states and states[-1] is grpc.ChannelConnectivity.IDLE and len(states) > 1)
        assert client.call("Greet")[0].value == "Hello, Ada"
        eventually(lambda: states.count(grpc.ChannelConnectivity.READY) == 2)
        greeter.go_on.set()
        assert waiting.result(5).value == "waited"


def test_stopping_lets_calls_end_and_refuses_new_ones(greeter: Greeter) -> None:
    with open_door(greeter) as server, client_of(server) as client:
        waiting = client.begin("Wait")
        watched = client.health.Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == SERVING
        assert greeter.began.wait(5)
        stopping = threading.Thread(target=server.stop, args=(30,))
        stopping.start()
        assert next(watched).status == NOT_SERVING
        eventually(lambda: client.begin("Greet", timeout=5).code() is Code.UNAVAILABLE)
        assert not waiting.done()
        greeter.go_on.set()
        assert waiting.result(5).value == "waited"
        stopping.join(5)  # though somebody watches
        assert not stopping.is_alive()


def test_stopping_cancels_what_takes_too_long(greeter: Greeter) -> None:
    with open_door(greeter) as server, client_of(server) as client:
        waiting = client.begin("Wait")
        assert greeter.began.wait(5)
        server.stop(0.2)
        assert greeter.gone.wait(5)
        assert waiting.code() is Code.UNAVAILABLE


def test_two_doors_can_not_have_one_port(server: GrpcServer) -> None:
    with pytest.raises(Misconfigured, match=f"can't listen on 127.0.0.1:{server.port}"):
        GrpcServer(
            [],
            gate=lambda: ApiKeyGate(str, required=True),
            ready=lambda: True,
            port=server.port,
            settings=GrpcSettings(host="127.0.0.1"),
        )
