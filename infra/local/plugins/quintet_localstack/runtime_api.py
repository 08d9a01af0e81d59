"""The Lambda Runtime API (2018-06-01) for one execution environment, on a loopback port of its own."""

import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Literal

HOST = "127.0.0.1"

Kind = Literal["ready", "response", "error", "exit", "timeout"]


@dataclass(frozen=True)
class Event:
    """One invocation on its way to the function; `timeout` in seconds."""

    request_id: str
    function_arn: str
    trace_id: str
    payload: bytes
    timeout: float

    def headers(self) -> dict[str, str]:
        return {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
        }


@dataclass(frozen=True)
class Message:
    """What the function's process said, or what happened to it (`exit`, `timeout`)."""

    kind: Kind
    request_id: str = ""
    body: bytes = b""


class RuntimeApi(ThreadingHTTPServer):
    """Events go in by `send`, the function's messages come out of `messages`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), Door)
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.messages: queue.Queue[Message] = queue.Queue()
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server_address[1]}"

    def send(self, event: Event) -> None:
        self.events.put(event)

    def receive(self, timeout: float | None) -> Message:
        """The function's next message; kind `timeout` where none came within so many seconds."""
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            return Message("timeout")

    def close(self) -> None:
        self.events.put(None)
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed function drops its connection: nothing to report."""


class Door(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    # One packet for headers and body: with two, Nagle's algorithm costs 40 ms a request.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server.messages.put(Message("ready"))
        event = self.server.events.get()
        if event is None:
            self.answer(410, b"{}", {})
        else:
            self.answer(200, event.payload, event.headers())

    def do_POST(self) -> None:
        body = self.body()
        *_, request_id, kind = self.path.split("/")
        said: Kind = "response" if kind == "response" else "error"
        self.server.messages.put(Message(said, request_id, body))
        self.answer(202, b'{"status":"OK"}', {})

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return chunked(self.rfile)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
        """Quiet: LocalStack logs the invocations."""


def chunked(stream: BufferedIOBase) -> bytes:
    parts: list[bytes] = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(parts)
