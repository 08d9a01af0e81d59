"""A service for the gRPC door's tests: it greets, waits, counts and fails, as the name that it is sent says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue as Text
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from quintet.entry.caller import ApiKeyGate, Gate
from quintet.entry.grpc import Call, GrpcServer, Service, this_call
from quintet.kernel.errors import Misconfigured, NotFound, Overloaded
from quintet.kernel.settings import GrpcSettings

NAME = "greeter.Greeter"
KEY = "a-key-of-the-greeter"
WITH_KEY = (("x-api-key", KEY),)

Context = grpc.ServicerContext


@dataclass
class Greeter:
    calls: list[Call] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    began: Event = field(default_factory=Event)
    gone: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)
    ready: bool = True

    def greet(self, who: Text, context: Context) -> Text:
        self.calls.append(this_call())
        trouble: dict[str, Callable[[], None]] = {
            "nobody": lambda: _raise(NotFound("Nobody is not here.", secret="104 mg/dL")),
            "everybody": lambda: _raise(Overloaded("Too many to greet.")),
            "unset": lambda: _raise(Misconfigured("GREETING is not set")),
            "bug": lambda: _raise(ValueError(" ".join(["a text", "that quotes"]))),
            "aborted": lambda: context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Not before noon."),
            "swallowed": lambda: _in_a_try(context),
            "coded": lambda: context.set_code(grpc.StatusCode.OUT_OF_RANGE),
            "marked": lambda: context.set_trailing_metadata((("x-mark", "7"),)),
        }
        trouble.get(who.value, lambda: None)()
        return Text(value=f"Hello, {who.value}")

    def wait(self, _: Text, context: Context) -> Text:
        """Until the client is gone, or the test says so."""
        cancellation = this_call().cancellation
        cancellation.on_cancel(self.gone.set)
        cancellation.on_cancel(self.go_on.set)
        self.began.set()
        assert self.go_on.wait(30)
        cancellation.check()
        return Text(value="waited")

    def count(self, to: Text, context: Context) -> Iterator[Text]:
        for number in range(int(to.value)):
            yield Text(value=str(number))

    def join(self, texts: Iterator[Text], context: Context) -> Text:
        return Text(value=" ".join(text.value for text in texts))

    def ping(self, _: Text, context: Context) -> Text:
        return Text(value="pong")

    def told(self, status: int, milliseconds: float) -> None:
        assert milliseconds >= 0
        self.answers.append(status)

    def decode(self, message: bytes) -> Text:
        self.received.append(len(message))
        return Text.FromString(message)

    def add_to(self, server: grpc.Server) -> None:
        ways: Any = {"request_deserializer": self.decode, "response_serializer": Text.SerializeToString}
        methods = {
            "Greet": grpc.unary_unary_rpc_method_handler(self.greet, **ways),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait, **ways),
            "Count": grpc.unary_stream_rpc_method_handler(self.count, **ways),
            "Join": grpc.stream_unary_rpc_method_handler(self.join, **ways),
            "Ping": grpc.unary_unary_rpc_method_handler(self.ping, **ways),
            "PingAsMe": grpc.unary_unary_rpc_method_handler(self.ping, **ways),
            "Open": grpc.unary_unary_rpc_method_handler(self.greet, **ways),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, methods),))


def _raise(error: Exception) -> None:
    raise error


def _in_a_try(context: Context) -> None:
    try:
        context.abort(grpc.StatusCode.NOT_FOUND, "Not here.")
    except Exception as error:
        raise RuntimeError("something went wrong") from error


def required_key() -> Gate:
    return ApiKeyGate(keys_text=lambda: f"{KEY}\nadmin {KEY}-of-the-boss\n", required=True)


@contextmanager
def open_door(greeter: Greeter, *, gate: Callable[[], Gate] = required_key, **settings: Any) -> Iterator[GrpcServer]:
    service = Service(NAME, greeter.add_to, public=frozenset({"Open", "Ping"}), quick=frozenset({"Ping"}))
    server = GrpcServer(
        [service],
        gate=gate,
        ready=lambda: greeter.ready,
        port=0,
        settings=GrpcSettings(host="127.0.0.1", **settings),
        on_answer=greeter.told,
    )
    server.start()
    try:
        yield server
    finally:
        greeter.go_on.set()
        server.stop(5)


@dataclass(frozen=True)
class Client:
    """Calls by the method's name; `metadata` goes with every one."""

    channel: grpc.Channel

    def call(self, method: str, text: str = "Ada", **given: Any) -> Any:
        """The answer and the call."""
        return self._method(method).with_call(Text(value=text), metadata=given.pop("metadata", WITH_KEY), **given)

    def begin(self, method: str, text: str = "Ada", **given: Any) -> Any:
        return self._method(method).future(Text(value=text), metadata=given.pop("metadata", WITH_KEY), **given)

    def refused(self, method: str, text: str = "Ada", **given: Any) -> Any:
        """The error that answers."""
        try:
            self.call(method, text, **given)
        except grpc.RpcError as error:
            return error
        raise AssertionError("the call was answered well")

    def raw(self, method: str, *messages: bytes) -> Any:
        """A call of exactly these bytes."""
        method_of_bytes: Any = self.channel.stream_unary
        return method_of_bytes(f"/{NAME}/{method}")(iter(messages), metadata=WITH_KEY)

    @property
    def health(self) -> Any:
        return health_pb2_grpc.HealthStub(self.channel)

    @property
    def reflection(self) -> Any:
        return reflection_pb2_grpc.ServerReflectionStub(self.channel)

    def _method(self, name: str) -> Any:
        return self.channel.unary_unary(
            f"/{NAME}/{name}", request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )


@contextmanager
def client_of(server: GrpcServer) -> Iterator[Client]:
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", unlimited) as channel:
        yield Client(channel)
