"""A client that goes away is seen at once, and all others have their request and their answer as ever."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quintet.entry.disconnects import CANCELLATION, Disconnects, cancellation
from quintet.kernel.cancellation import NEVER, Cancellation
from tests.loops import alone

PATIENCE = 30.0
BODY = {"type": "http.request", "body": b"all", "more_body": False}
GONE = {"type": "http.disconnect"}


@dataclass
class Connection:
    """A server's side of one request: what it receives is put in, what is sent stays in `sent`."""

    incoming: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    sent: list[Message] = field(default_factory=list)
    read: int = 0

    async def receive(self) -> Message:
        message = await self.incoming.get()
        if "error" in message:
            raise OSError(message["error"])
        self.read += 1
        return message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def request(self, app: ASGIApp, *messages: Message, **scope: Any) -> Scope:
        for message in messages:
            self.incoming.put_nowait(message)
        asked: Scope = {"type": "http", "method": "POST", "path": "/", "headers": [], **scope}
        await asyncio.wait_for(Disconnects(app)(asked, self.receive, self.send), PATIENCE)
        return asked


def gone_of(scope: Scope) -> Cancellation:
    found = scope[CANCELLATION]
    assert isinstance(found, Cancellation)
    return found


async def until_gone(scope: Scope) -> None:
    """Waits as a use case's thread does."""
    woken = threading.Event()
    gone_of(scope).on_cancel(woken.set)
    assert await asyncio.to_thread(woken.wait, PATIENCE)


def test_an_app_that_works_learns_that_its_client_is_gone() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == BODY
        connection.incoming.put_nowait(GONE)
        await until_gone(scope)
        assert await receive() == GONE
        assert await receive() == GONE

    async def play() -> None:
        await connection.request(app, BODY)

    connection = Connection()
    alone(play())


def test_an_app_that_never_reads_does_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await until_gone(scope)

    alone(_play(app, {**BODY, "body": b""}, GONE))


async def _play(app: ASGIApp, *messages: Message, **scope: Any) -> Connection:
    connection = Connection()
    await connection.request(app, *messages, **scope)
    return connection


def test_a_body_comes_in_order_and_whole() -> None:
    parts = [{"type": "http.request", "body": bytes([number]), "more_body": number < 9} for number in range(10)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive() for _ in parts] == parts

    alone(_play(app, *parts))


def test_no_more_than_one_message_is_read_ahead() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for consumed in range(3):
            for _ in range(10):
                await asyncio.sleep(0)
            assert connection.read <= consumed + 2  # one kept, one in hand
            await receive()

    async def play() -> None:
        await connection.request(app, *[{"type": "http.request", "body": b"x", "more_body": True}] * 10)

    connection = Connection()
    alone(play())


def test_who_waits_to_be_told_to_go_on_is_not_before_the_app_reads() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        assert connection.read == 0
        await receive()

    async def play() -> None:
        await connection.request(app, BODY, headers=[(b"expect", b"100-continue")])

    connection = Connection()
    alone(play())


def test_the_end_of_an_answer_is_nobodys_leaving() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await PlainTextResponse("done")(scope, receive, send)
        connection.incoming.put_nowait(GONE)
        assert await receive() == GONE
        assert not gone_of(scope).cancelled

    async def play() -> None:
        scope = await connection.request(app, BODY)
        assert not gone_of(scope).cancelled

    connection = Connection()
    alone(play())
    assert connection.sent[-1]["body"] == b"done"


def test_who_leaves_amid_an_answer_is_gone() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await until_gone(scope)

    alone(_play(app, BODY, GONE))


def test_what_the_app_raises_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("app")

    with pytest.raises(KeyError, match="app"):
        alone(_play(app, BODY))


def test_an_app_does_not_wait_for_a_server_that_fails() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == GONE
        assert gone_of(scope).cancelled

    with pytest.raises(OSError, match="broken"):
        alone(_play(app, {"type": "broken", "error": "broken"}))


def test_no_task_is_left() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def play() -> None:
        await _play(app, BODY)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    alone(play())


def test_what_is_no_request_passes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert CANCELLATION not in scope

    alone(_play(app, type="lifespan"))


def test_nobody_leaves_where_nobody_can_tell() -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    assert alone(cancellation(Request(scope))) is NEVER
    one = Cancellation()
    assert alone(cancellation(Request({**scope, CANCELLATION: one}))) is one


# With real sockets


@contextmanager
def serving(answer: Callable[[Request], Awaitable[ASGIApp]]) -> Iterator[tuple[str, int]]:
    """The address of a server that answers so."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Disconnects(app), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def request(body: bytes = b"", *headers: str) -> bytes:
    head = ["POST / HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def answers(connection: socket.socket, count: int = 1) -> list[bytes]:
    """The bodies of so many answers, each with a length."""
    reader, bodies = connection.makefile("rb"), []
    for _ in range(count):
        length = 0
        while (line := reader.readline().lower()) not in (b"\r\n", b""):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        bodies.append(reader.read(length))
    return bodies


async def echo(asked: Request) -> ASGIApp:
    return PlainTextResponse(await asked.body())


@pytest.mark.enable_socket
@pytest.mark.parametrize("halfway", [False, True], ids=["closes", "closes its half"])
def test_a_real_client_leaves(halfway: bool) -> None:
    at_work, gone = threading.Event(), threading.Event()

    async def answer(asked: Request) -> ASGIApp:
        await asked.body()
        gone_of(asked.scope).on_cancel(gone.set)
        at_work.set()
        await until_gone(asked.scope)
        return PlainTextResponse("nobody reads this")

    with serving(answer) as address, closing(socket.create_connection(address)) as connection:
        connection.sendall(request(b"body"))
        assert at_work.wait(PATIENCE)
        if halfway:
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.close()
        assert gone.wait(1)


@pytest.mark.enable_socket
def test_one_connection_serves_many_requests() -> None:
    with serving(echo) as address, closing(socket.create_connection(address)) as connection:
        for number in range(20):
            connection.sendall(request(b"%d" % number))
            assert answers(connection) == [b"%d" % number]


@pytest.mark.enable_socket
def test_pipelined_requests_are_answered_in_order() -> None:
    bodies = [b"%d" % number for number in range(20)]
    with serving(echo) as address, closing(socket.create_connection(address)) as connection:
        connection.sendall(b"".join(map(request, bodies)))
        assert answers(connection, 20) == bodies


@pytest.mark.enable_socket
def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000

    async def measure(asked: Request) -> ASGIApp:
        sizes = [len(part) async for part in asked.stream()]
        return PlainTextResponse(f"{sum(sizes)} {len(sizes) > 1}")

    with serving(measure) as address, closing(socket.create_connection(address)) as connection:
        connection.sendall(request(body))
        assert answers(connection) == [b"10240000 True"]


@pytest.mark.enable_socket
def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    with serving(echo) as address, closing(socket.create_connection(address)) as connection:
        connection.sendall(request(b"body", "Expect: 100-continue")[:-4])
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"body")
        assert answers(connection) == [b"body"]


@pytest.mark.enable_socket
def test_streamed_answers_arrive_whole_and_stop_when_nobody_reads() -> None:
    stopped = threading.Event()

    async def numbers(endless: bool) -> AsyncIterator[bytes]:
        try:
            for _ in range(10_000_000 if endless else 100):
                yield b"0123456789" * 1000
                await asyncio.sleep(0)
        finally:
            stopped.set()

    async def stream(asked: Request) -> ASGIApp:
        endless = await asked.body() == b"endless"
        return StreamingResponse(numbers(endless), headers={} if endless else {"Content-Length": "1000000"})

    with serving(stream) as address:
        with closing(socket.create_connection(address)) as connection:
            connection.sendall(request(b"short"))
            assert len(answers(connection)[0]) == 1_000_000
        stopped.clear()
        with closing(socket.create_connection(address)) as connection:
            connection.sendall(request(b"endless"))
            connection.recv(1000)
        assert stopped.wait(PATIENCE)
