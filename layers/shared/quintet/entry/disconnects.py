"""Clients that go away, seen at once: ASGI middleware for a server that has connections. Lambda has none.

    server = uvicorn.Server(uvicorn.Config(Disconnects(app)))

    @app.post("/slow")
    def slow(gone: Annotated[Cancellation, Depends(cancellation)]) -> Answer: ...

A client that closes its side, or half of it, is gone. While it has sent the next request already (pipelining), or more
of a body than the app reads, its leaving waits behind that and is seen later.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quintet.kernel.cancellation import NEVER, Cancellation

CANCELLATION = "quintet.cancellation"
"""Where a request's scope carries what is cancelled when its client goes away."""

GONE: Message = {"type": "http.disconnect"}


async def cancellation(request: Request) -> Cancellation:
    """A FastAPI dependency; NEVER where nobody could tell."""
    found = request.scope.get(CANCELLATION, NEVER)
    assert isinstance(found, Cancellation)
    return found


class Disconnects:
    """To be the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = _Client(receive, send)
        if "expect" not in Headers(scope=scope):  # else the first reading tells the client to send its body
            client.listen()
        try:
            scope[CANCELLATION] = client.cancellation
            await self._app(scope, client.receive, client.send)
        finally:
            await client.leave()


class _Client:
    """Reads on while the app works, one message ahead of it, so that the last, that the client is gone, is seen."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.cancellation = Cancellation()
        self._receive, self._send = receive, send
        self._ahead: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._listening: asyncio.Task[None] | None = None
        self._answered = self._gone = False

    def listen(self) -> None:
        self._listening = self._listening or asyncio.create_task(self._listen())

    async def receive(self) -> Message:
        self.listen()
        if self._gone and self._ahead.empty():
            return GONE
        return await self._ahead.get()

    async def send(self, message: Message) -> None:
        """After the answer a server says that the client is gone though it is not."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered = True
        await self._send(message)

    async def leave(self) -> None:
        """Raises what reading from the server did."""
        if self._listening is None:
            return
        self._listening.cancel()
        await asyncio.wait([self._listening])
        if not self._listening.cancelled():
            self._listening.result()

    async def _listen(self) -> None:
        try:
            while not self._gone:
                await self._ahead.put(await self._next())
        except Exception:
            self._tell_gone()
            await self._ahead.put(GONE)
            raise

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == GONE["type"]:
            self._tell_gone()
        return message

    def _tell_gone(self) -> None:
        self._gone = True
        if not self._answered:
            self.cancellation.cancel()
