"""Work that may outlast API Gateway's 29 seconds: a request with `Prefer: respond-async` (RFC 7240) becomes a job.

The caller gets 202 and the job's address at once; the room's queue function later makes the same request of the same
app on the caller's behalf and keeps the answer for a day. The request's body waits in bulk storage: what is on the
queue, and perhaps among the dead letters one day, says nothing of it.
"""

import base64
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from mangum.protocols import HTTPCycle
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Receive, Scope, Send

from quintet.entry.caller import Caller
from quintet.entry.identity import REMEMBERED, caller_of
from quintet.entry.jobs import (
    KEPT,
    Deferrals,
    DeferralsRoom,
    Job,
    accepted,
    job_of,
    key_of,
    new_record,
    prefers_async,
    result_key,
)
from quintet.entry.observation import CORRELATION
from quintet.kernel.errors import Conflict, QuintetError, Unavailable
from quintet.kernel.ids import new_id

__all__ = ["Deferral", "Deferrals", "DeferredRequest", "Job", "perform", "take"]

PASSING = frozenset({502, 503, 504})
"""Answers that another try may change. A 500 is none of them: what crashed once would crash for an hour."""

_CARRIED_HEADERS = ("accept", "content-type", "x-upload-key")


class DeferredRequest(BaseModel):
    """The message on the queue: a request without the caller's secret and without its body.

    `body_base64` is how earlier versions sent the body.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    caller: str
    administrator: bool = False
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body_kept: bool = False
    body_base64: str = ""


class Deferral:
    """ASGI middleware that turns a request with `Prefer: respond-async` into a job; `paths` are those that it may have,
    None: any.
    """

    def __init__(self, app: ASGIApp, room: Callable[[], DeferralsRoom], paths: frozenset[str] | None = None) -> None:
        self._app = app
        self._room = room
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deferrals = self._room().deferrals if self._wants_deferral(scope) else None
        if deferrals is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        job = take(request, await request.body(), deferrals)
        await accepted(job, request)(scope, receive, send)

    def _wants_deferral(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or REMEMBERED in scope:
            return False
        return (self._paths is None or scope["path"] in self._paths) and prefers_async(Request(scope))


def take(request: Request, body: bytes, deferrals: Deferrals) -> Job:
    """Keep the request as a job. Raises Unauthenticated, PermissionDenied, and Unavailable if it can't be kept."""
    caller = caller_of(request)
    job_id, now = new_id(), deferrals.clock.now()
    correlation = str(request.scope.get(CORRELATION, job_id))
    record = new_record(job_id, now)
    deferrals.records.create(key_of(deferrals, caller.id, job_id), record, seconds=int(KEPT.total_seconds()))
    message = DeferredRequest(
        job_id=job_id,
        caller=caller.id,
        administrator=caller.administrator,
        method=request.method,
        path=request.scope["path"],  # request.url quotes the path anew and parses the Host header
        query=request.scope["query_string"].decode("latin-1"),
        headers={name: request.headers[name] for name in _CARRIED_HEADERS if name in request.headers}
        | {"x-correlation-id": correlation},
        body_kept=bool(body),
    )
    _send(message, body, deferrals)
    return job_of(record, now)


def _send(message: DeferredRequest, body: bytes, deferrals: Deferrals) -> None:
    """The body is there before its message, and not without it."""
    if body:
        deferrals.objects.put(_body_key(message), body)
    attributes = {"message_id": message.job_id, "correlation_id": message.headers["x-correlation-id"]}
    try:
        deferrals.queue.send(message.model_dump_json(exclude={"body_base64"}), attributes)
    except QuintetError:
        deferrals.objects.delete(_body_key(message))
        raise


def perform(request: DeferredRequest, deferrals: Deferrals, app: FastAPI) -> None:
    """Make the request of `app` and keep its answer. A PASSING answer raises Unavailable: the queue tries again."""
    key = key_of(deferrals, request.caller, request.job_id)
    try:
        deferrals.records.update(key, {"status": "running"}, expect={"response_status": None})
    except Conflict:
        deferrals.objects.delete(_body_key(request))
        return  # answered before: this is a second delivery
    body = _body(request, deferrals)
    answer = _make_request(request, body, app)
    if answer["status"] in PASSING:
        raise Unavailable("the deferred request failed", status=answer["status"], job_id=request.job_id)
    kept = result_key(request.caller, request.job_id)
    deferrals.objects.put(kept, answer["body"], content_type=_content_type(answer))
    deferrals.records.update(
        key,
        {"status": "completed", "response_status": answer["status"], "result_key": kept},
        expect={"status": "running"},
    )
    deferrals.objects.delete(_body_key(request))


def _body(request: DeferredRequest, deferrals: Deferrals) -> bytes:
    """Raises NotFound where it has expired."""
    if not request.body_kept:
        return base64.b64decode(request.body_base64)
    return deferrals.objects.get(_body_key(request))[0]


def _body_key(request: DeferredRequest) -> str:
    return f"claims/{request.caller}/{request.job_id}"


def _make_request(request: DeferredRequest, body: bytes, app: ASGIApp) -> dict[str, Any]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "http_version": "1.1",
        "scheme": "https",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()],
        "server": ("queue", 443),
        "client": ("queue", 0),
        REMEMBERED: Caller(request.caller, request.administrator),
    }
    return dict(HTTPCycle(scope, body)(app))


def _content_type(answer: dict[str, Any]) -> str:
    return next((value.decode() for name, value in answer["headers"] if name == b"content-type"), "text/plain")
