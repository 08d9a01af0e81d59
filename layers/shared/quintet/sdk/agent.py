"""The owner's agent: what the original's client node answered, on the owner's own machine.

A vectorisation service leaves its vector here (`SMPC_URL`), and reports to the orchestrator, which may be asked through
the agent, too (`ORCHESTRATOR_URL`): the agent adds the API key. What is left here is given to sums only, masked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quintet.kernel.errors import Conflict, InvalidInput, PermissionDenied, QuintetError, TooLarge
from quintet.sdk.datasets import Datasets, as_json, parsed, vector_sent
from quintet.sdk.owner import Owner

LOOPBACK = ("127.0.0.1", "localhost")
LARGEST = 64 * 1024 * 1024
"""Bytes of a body."""

EMPTY = b'""\n'
"""What the original's framework made of an empty text."""

Answering = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Agent:
    owner: Owner
    datasets: Datasets

    async def keep(self, request: Request) -> Response:
        job, body = request.path_params["job"], await _body(request)
        await run_in_threadpool(self._keep, job, body)
        return Response(EMPTY, media_type="application/json")

    async def show(self, request: Request) -> Response:
        """204 where there is none, as in the original."""
        vector = await run_in_threadpool(self.datasets.read, request.path_params["job"])
        return Response(as_json(vector), media_type="application/json") if vector else Response(status_code=204)

    async def size(self, request: Request) -> Response:
        """400 where there is none, as in the original."""
        job = request.path_params["job"]
        vector = await run_in_threadpool(self.datasets.read, job)
        if vector is None:
            raise InvalidInput(f"there is no dataset for job {job}")
        return Response(f"{len(vector)}\n", media_type="application/json")

    async def ping(self, request: Request) -> Response:
        return Response(EMPTY, media_type="application/json")

    async def update(self, request: Request) -> Response:
        return await run_in_threadpool(self._forward, "POST", "/api/update", await _body(request))

    async def status(self, request: Request) -> Response:
        path = f"/api/job-status/{quote(request.path_params['job'], safe='')}"
        return await run_in_threadpool(self._forward, "GET", path)

    def _keep(self, job: str, body: bytes) -> None:
        vector = vector_sent(parsed(body))
        if self.owner.has_begun(job) and self.datasets.read(job) != vector:
            raise Conflict(f"job {job} is under way with other values, or is over: use a job of another name")
        self.datasets.write(job, vector)

    def _forward(self, method: str, path: str, body: bytes = b"") -> Response:
        """Once: whoever asks tries again itself."""
        server = self.owner.server
        headers = {"Content-Type": "application/json", **({"X-API-Key": server.api_key} if server.api_key else {})}
        with server.connect() as http:
            try:
                answer = http.request(method, server.url.rstrip("/") + path, content=body, headers=headers)
            except httpx.TransportError:
                return JSONResponse({"error": f"{server.url} does not answer"}, 502)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("Content-Type"))


def agent_app(owner: Owner, datasets: Datasets, hosts: tuple[str, ...] = LOOPBACK) -> Starlette:
    """`hosts`: by which names the agent may be asked; any other is a web page's trick."""
    agent = Agent(owner, datasets)
    return Starlette(
        routes=[
            _route("/api/update-dataset/{job:path}", agent.keep, "POST"),
            _route("/api/update-dataset/{job:path}", agent.show, "GET"),
            _route("/api/get-dataset-size/job-id/{job:path}", agent.size, "GET"),
            _route("/api/ping", agent.ping, "GET"),
            _route("/api/update", agent.update, "POST"),
            _route("/api/job-status/{job:path}", agent.status, "GET"),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)],
        exception_handlers={QuintetError: _answer},
    )


def _route(path: str, answering: Answering, method: str) -> Route:
    return Route(path, partial(_not_from_a_page, answering), methods=[method])


async def _not_from_a_page(answering: Answering, request: Request) -> Response:
    """Pages that a browser on this machine shows have no business here: browsers tell where such a request is from.

    They give no Origin with what a page merely embeds, but say then that it is no address that somebody typed in.
    """
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
        raise PermissionDenied("the agent answers programs, not web pages")
    return await answering(request)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, QuintetError)
    return JSONResponse({"error": error.message}, error.status)


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > LARGEST:
            raise TooLarge(f"a body may have at most {LARGEST} bytes")
    return bytes(received)
