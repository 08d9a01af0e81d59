"""Each room's HTTP door on its original's port: one process that forwards unchanged to the deployed REST APIs.

`python -m infra.local.doors doors.json` serves the list of `gateway.Api` in that file.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from uuid import uuid4

import httpcore
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.local.gateway import BODY_LIMIT, EVENT_LIMIT, MB, TIMEOUT, Answer, Api, event_size
from infra.local.ports import HOST

HOP_BY_HOP = {b"connection", b"expect", b"keep-alive", b"proxy-authorization", b"te", b"trailer",
              b"transfer-encoding", b"upgrade"}  # fmt: skip
DISCARDED = 64 * MB
PATIENCE = 10.0  # seconds
NO_CLOUD = Answer(
    502,
    {"content-type": "application/json"},
    '{"message": "The local cloud does not answer behind this door: run `make up`."}',
)

Headers = list[tuple[bytes, bytes]]


class TooLarge(Exception):
    """The body passes what API Gateway takes."""


class Doors:
    """An ASGI application that knows the room by the port that the request came to."""

    def __init__(self, apis: Iterable[Api], pool: httpcore.AsyncConnectionPool, timeout: float = TIMEOUT) -> None:
        self.apis = {api.port: api for api in apis}
        self.pool = pool
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with contextlib.suppress(ClientDisconnect):
            response = await self.respond(self.apis[scope["server"][1]], Request(scope, receive))
            await response(scope, receive, send)

    async def respond(self, api: Api, request: Request) -> Response:
        try:
            body = await limited(request.stream(), request.headers.get("content-length"))
        except TooLarge:
            await discard(request)
            return shown(api.too_large, request, close=True)
        path = target(request.scope)
        if event_size(api, path.decode("latin-1"), request.headers.raw, body) > EVENT_LIMIT:
            return shown(api.too_large, request)
        try:
            async with asyncio.timeout(self.timeout):
                return await self.forward(api, request, path, body)
        except TimeoutError:
            return shown(api.timed_out, request)
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            return shown(NO_CLOUD, request)

    async def forward(self, api: Api, request: Request, path: bytes, body: bytes) -> Response:
        upstream = httpcore.URL(api.upstream)
        url = httpcore.URL(
            scheme=upstream.scheme,
            host=upstream.host,
            port=upstream.port,
            target=upstream.target.rstrip(b"/") + path,
        )
        headers = passed_on(request.headers.raw, body, request.method)
        answer = await self.pool.request(request.method, url, headers=headers, content=body)
        response = Response(answer.content, answer.status)
        response.raw_headers = [(name.lower(), value) for name, value in without_hops(answer.headers)]
        return response


def target(scope: Scope) -> bytes:
    """Path and query byte for byte as the client wrote them."""
    query = bytes(scope["query_string"])
    return bytes(scope["raw_path"]) + (b"?" + query if query else b"")


async def limited(chunks: AsyncIterator[bytes], announced: str | None) -> bytes:
    """The whole body; raises TooLarge as soon as it is known to pass the limit, having kept no more than that."""
    if announced is not None and int(announced) > BODY_LIMIT:
        raise TooLarge
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > BODY_LIMIT:
            raise TooLarge
    return bytes(body)


async def discard(request: Request) -> None:
    """Read on for a while: a client that is still writing would lose the answer to a closed connection."""
    if "expect" in request.headers:  # it asked first, and has sent nothing
        return
    left = DISCARDED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while left > 0 and (message := await request.receive()).get("more_body"):
                left -= len(message.get("body", b""))


def without_hops(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]


def passed_on(headers: Iterable[tuple[bytes, bytes]], body: bytes, method: str) -> Headers:
    """The client's headers, with the length of a body that came in chunks."""
    kept = [(name, value) for name, value in without_hops(headers) if name.lower() != b"content-length"]
    if body or method in ("POST", "PUT", "PATCH"):
        kept.append((b"content-length", str(len(body)).encode()))
    return kept


def shown(answer: Answer, request: Request, close: bool = False) -> Response:
    """`close` where the rest of a refused body is not read."""
    told = answer.of(str(uuid4()))
    headers = told.headers_for(request.headers)
    return Response(told.body, told.status, {**headers, "connection": "close"} if close else headers)


def listener(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: else 40 ms an answer
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind((HOST, port))
    return door


async def serve(apis: list[Api]) -> None:
    async with httpcore.AsyncConnectionPool(max_connections=64) as pool:
        config = uvicorn.Config(
            Doors(apis, pool), log_level="info", server_header=False, date_header=False, lifespan="off"
        )
        await uvicorn.Server(config).serve(sockets=[listener(api.port) for api in apis])


if __name__ == "__main__":
    asyncio.run(serve([Api.read(value) for value in json.loads(Path(sys.argv[1]).read_text())]))
