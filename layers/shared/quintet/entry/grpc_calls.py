"""What the gRPC door does for every call, around the servicer's own method.

Who calls is known before the message is received, and a stranger's never is. Errors of the house become statuses, any
other exception INTERNAL with nothing said; an abort made further in stands. A client that goes away, or whose deadline
passes, raises the call's cancellation at once. One line is logged a call, without any of its message.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import grpc
from aws_lambda_powertools import Logger
from google.protobuf.message import DecodeError

from quintet.entry.caller import Caller, Gate
from quintet.entry.grpc_patience import Patience
from quintet.entry.grpc_threads import OnThreads, Threads
from quintet.entry.tracebacks import where
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import InvalidInput, Overloaded, QuintetError
from quintet.kernel.ids import correlation_id

API_KEY = "x-api-key"
CORRELATION = "x-correlation-id"
RETRY_AFTER = ("retry-after", "30")

UNASKED = Caller("unasked")
"""Who calls a public method: it was not asked who that is."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # a text: only its stub knows that it is generic
Found: TypeAlias = "Handler | None"
Messages = Iterator[bytes]
OnAnswer = Callable[[int, float], None]
"""Told of each answer: its status, as HTTP has it, and the milliseconds it took."""


@dataclass(frozen=True)
class Service:
    """A room's service: its name with the package, and what adds its servicer to a server.

    `public` methods ask for no caller. `quick` ones never wait for anything: threads are reserved for them, so that
    they are answered while all others are busy.
    """

    name: str
    add: Callable[[grpc.Server], None]
    public: frozenset[str] = frozenset()
    quick: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Call:
    """What a servicer may know of the call that it answers, beside the message."""

    caller: Caller
    correlation_id: str
    cancellation: Cancellation
    metadata: Mapping[str, str]


_CALL: ContextVar[Call] = ContextVar("quintet_grpc_call")


def this_call() -> Call:
    """The call that is being answered here."""
    return _CALL.get()


class Ending(NamedTuple):
    """How a call ended; `status` is what HTTP would say."""

    code: grpc.StatusCode
    status: int
    said: str = ""
    retry: bool = False


WELL = Ending(grpc.StatusCode.OK, 200)
CLIENT_GONE = Ending(grpc.StatusCode.CANCELLED, 499)
OUT_OF_TIME = Ending(grpc.StatusCode.DEADLINE_EXCEEDED, 504)
BROKEN = Ending(grpc.StatusCode.INTERNAL, 500, "Internal server error")


@dataclass(frozen=True)
class Calls(grpc.ServerInterceptor):
    """Stands between grpc and the rooms' `services`, by name. Where the `threads` have as much to do as they may, calls
    are refused by the `reserve`. The door's `own` services, each with its threads, are for everybody and not logged.
    """

    services: Mapping[str, Service]
    own: Mapping[str, Threads]
    gate: Callable[[], Gate]
    threads: Threads
    reserve: Threads
    patience: Patience
    log: Logger
    on_answer: OnAnswer

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Found], details: grpc.HandlerCallDetails
    ) -> Found:
        handler = continuation(details)
        if handler is None or getattr(handler.unary_stream, "experimental_non_blocking", False):
            return handler
        _, service_name, name = details.method.split("/")
        threads = self._threads_of(service_name, name)
        if threads.full:
            return _on_threads(self.reserve, self._refusal(details.method))
        service = self.services.get(service_name)
        if service is None:
            return _on_threads(threads, self._plain(handler, patient=True), handler)
        return _on_threads(threads, self._answer(details.method, handler, public=name in service.public), handler)

    def _threads_of(self, service_name: str, name: str) -> Threads:
        if service_name in self.own:
            return self.own[service_name]
        return self.reserve if name in self.services[service_name].quick else self.threads

    def _answer(self, method: str, handler: Handler, *, public: bool) -> Callable[..., Any]:
        answer = self._plain(handler, patient=not handler.request_streaming)

        def one(messages: Messages, context: grpc.ServicerContext) -> Any:
            with self._call(method, context, public=public):
                return answer(messages, context)

        def many(messages: Messages, context: grpc.ServicerContext) -> Iterator[bytes]:
            with self._call(method, context, public=public):
                yield from answer(messages, context)

        return many if handler.response_streaming else one

    def _plain(self, handler: Handler, *, patient: bool) -> Callable[..., Any]:
        """To grpc each method takes a stream of bytes and gives bytes: it then receives a message when it is asked for,
        not before the caller is known, and the decoding of a large one keeps no other call waiting.
        """
        serve = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        encode = handler.response_serializer
        assert serve
        assert encode

        def answer(messages: Messages, context: grpc.ServicerContext) -> Any:
            requests = _decoded(handler, self.patience.for_each(messages, context) if patient else messages)
            response = serve(requests if handler.request_streaming else _only(requests), context)
            return map(encode, response) if handler.response_streaming else encode(response)

        return answer

    def _refusal(self, method: str) -> Callable[..., None]:
        def refuse(_: Messages, context: grpc.ServicerContext) -> None:
            with self._call(method, context, public=True):
                raise Overloaded("Too many calls at one time: try again later.")

        return refuse

    @contextmanager
    def _call(self, method: str, context: grpc.ServicerContext, *, public: bool) -> Iterator[None]:
        started, ending = stopwatch(), CLIENT_GONE
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        correlation = correlation_id(metadata.get(CORRELATION))
        cancellation, stay = _until_gone(context)
        try:
            caller = UNASKED if public else self.gate().identify(metadata.get(API_KEY))
            _CALL.set(Call(caller, correlation, cancellation, metadata))
            yield
            ending = _told_by_servicer(context) or (WELL if context.is_active() else _gone(context))
        except Exception as error:
            ending = self._explained(error, context, correlation)
        finally:
            stay()
            self._tell(method, ending, 1000 * (stopwatch() - started), correlation)
        added = ((CORRELATION, correlation), *([RETRY_AFTER] if ending.retry else []))
        context.set_trailing_metadata((*(context.trailing_metadata() or ()), *added))
        if ending.code is not grpc.StatusCode.OK:
            context.abort(ending.code, ending.said)

    def _explained(self, error: Exception, context: grpc.ServicerContext, correlation: str) -> Ending:
        """For the caller; the reason and the details, which the caller is never told, for the log."""
        if told := _told_by_servicer(context):
            return told
        if isinstance(error, QuintetError):
            ending = _face(error)
            said = {"error": type(error).__name__, "reason": error.message, "details": error.details}
        elif isinstance(error, grpc.RpcError) and not context.is_active():
            return _gone(context)
        else:
            ending, said = BROKEN, {"error": type(error).__name__}
        said["correlation_id"] = correlation
        if ending.status < 500 or isinstance(error, Overloaded):
            self.log.info("request refused", extra=said)
        else:
            self.log.error("request failed", extra={**said, "traceback": where(error)})
        return ending if context.is_active() or ending is BROKEN else _gone(context)

    def _tell(self, method: str, ending: Ending, milliseconds: float, correlation: str) -> None:
        self.on_answer(ending.status, milliseconds)
        facts = {"method": method, "status": ending.code.name, "duration_ms": round(milliseconds, 1)}
        self.log.info("request", extra={**facts, "correlation_id": correlation})


def _on_threads(threads: Threads, answer: Callable[..., Any], handler: Found = None) -> Handler:
    if handler is not None and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(OnThreads(answer, threads))
    return grpc.stream_unary_rpc_method_handler(OnThreads(answer, threads))


def _only(requests: Iterator[Any]) -> Any:
    for request in requests:
        return request
    raise InvalidInput("The call carries no message.")


def _decoded(handler: Handler, messages: Messages) -> Iterator[Any]:
    assert handler.request_deserializer
    try:
        yield from map(handler.request_deserializer, messages)
    except DecodeError:
        raise InvalidInput("The message is not what this method takes: compile the client with our .proto.") from None


def _until_gone(context: grpc.ServicerContext) -> tuple[Cancellation, Callable[[], None]]:
    """What is raised when the client goes away, and a way to say that the call has ended: grpc tells both alike."""
    cancellation, ended = Cancellation(), False

    def end() -> None:
        nonlocal ended
        ended = True

    def gone() -> None:
        if not ended:
            cancellation.cancel()

    if not context.add_callback(gone):
        gone()
    return cancellation, end


def _gone(context: grpc.ServicerContext) -> Ending:
    return CLIENT_GONE if context.time_remaining() else OUT_OF_TIME


def _told_by_servicer(context: Any) -> Ending | None:
    """The status that the servicer set or aborted with, where it did."""
    code = context.code()
    if code in (None, grpc.StatusCode.OK):
        return None
    return Ending(code, 500, (context.details() or b"").decode())


def _face(error: QuintetError) -> Ending:
    if error.status == BROKEN.status:
        return BROKEN
    return Ending(grpc.StatusCode[error.grpc], error.status, error.message, error.retry)
