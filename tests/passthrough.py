"""A proxy that forwards any gRPC call byte for byte: what SingularityNET's daemon is to us once a call is paid for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

OWN = ("grpc-", "user-agent")
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Passthrough(grpc.GenericRpcHandler):
    """Every method is a stream of bytes to it, and one message is a short one."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self.forward(method, requests, context))

    def forward(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Metadata, deadline and cancellation go in; messages, metadata and status come out."""
        given = [(key, value) for key, value in context.invocation_metadata() if not key.startswith(OWN)]
        call = self.channel.stream_stream(method)(requests, metadata=given, timeout=context.time_remaining())
        context.add_callback(call.cancel)
        try:
            yield from call
        except grpc.RpcError:
            context.set_code(call.code())
            context.set_details(call.details())
        context.set_trailing_metadata(call.trailing_metadata())


@contextmanager
def passthrough(address: str) -> Iterator[str]:
    """The address of a proxy before the one at `address`."""
    with grpc.insecure_channel(address, options=LARGE) as channel, ThreadPoolExecutor(16) as threads:
        server = grpc.server(threads, handlers=[Passthrough(channel)], options=LARGE)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()
