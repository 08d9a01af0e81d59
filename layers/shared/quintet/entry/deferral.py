"""Work that may outlast API Gateway's 29 seconds: any request with `Prefer: respond-async` (RFC 7240) becomes a job.

The caller gets 202 and the job's address at once; the room's queue function later makes the same request of the same
app on the caller's behalf and keeps the answer for a day. The request's body waits in bulk storage: what is on the
queue, and perhaps among the dead letters one day, says nothing of it.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from mangum.protocols import HTTPCycle
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from quintet.entry.caller import Caller
from quintet.entry.identity import REMEMBERED, CallerFirst, caller_of, known_caller
from quintet.entry.ports import Objects, Queue, Record, Records
from quintet.entry.uploads import ANSWER_LIMIT
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound, QuintetError, Unavailable
from quintet.kernel.ids import new_id

SCHEMA = 1
KEPT = timedelta(days=1)
GIVEN_UP_AFTER = timedelta(hours=1)
"""A job without an answer by then has failed for good: its message is among the dead letters."""

PASSING = frozenset({502, 503, 504})
"""Answers that another try may change. A 500 is none of them: what crashed once would crash for an hour."""

_CARRIED_HEADERS = ("accept", "content-type", "x-upload-key")


@dataclass(frozen=True)
class Deferrals:
    """Where a room's jobs live: `records` say how far each is, `objects` keep the answers."""

    room: str
    records: Records
    objects: Objects
    queue: Queue
    clock: Clock


class DeferralsRoom(Protocol):
    @property
    def deferrals(self) -> Deferrals | None: ...


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


class Job(BaseModel):
    model_config = ConfigDict(frozen=True)

    job_id: str
    status: Literal["pending", "running", "completed", "failed"]
    created_at: datetime
    url: str = Field(description="Ask here how far it is: to be appended to the API's address.")
    result_url: str | None = Field(None, description="The answer, once completed: to be appended likewise.")
    response_status: int | None = Field(None, description="The HTTP status of that answer.")
    error: str | None = None


class Deferral:
    """ASGI middleware that turns a request with `Prefer: respond-async` into a job."""

    def __init__(self, app: ASGIApp, room: Callable[[], DeferralsRoom]) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deferrals = self._room().deferrals if _wants_deferral(scope) else None
        if deferrals is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        job = take(request, await request.body(), deferrals)
        headers = {
            "Location": _seen_from(scope["path"], job.url),
            "Preference-Applied": "respond-async",
            "Retry-After": "1",
        }
        await JSONResponse(job.model_dump(mode="json"), 202, headers)(scope, receive, send)


def _wants_deferral(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or REMEMBERED in scope:
        return False
    preferences = Request(scope).headers.get("prefer", "")
    return "respond-async" in [part.strip().lower() for part in preferences.replace(";", ",").split(",")]


def _seen_from(path: str, url: str) -> str:
    """`url` relative to `path`, so that it leads there behind a stage's name, too, which the app never sees.

    >>> _seen_from("/quick_plot", "/jobs/1"), _seen_from("/a/b", "/jobs/1")
    ('jobs/1', '../jobs/1')
    """
    return "../" * (path.count("/") - 1) + url.removeprefix("/")


def take(request: Request, body: bytes, deferrals: Deferrals) -> Job:
    """Keep the request as a job. Raises Unauthenticated, PermissionDenied, and Unavailable if it can't be kept."""
    caller = caller_of(request)
    job_id, now = new_id(), deferrals.clock.now()
    correlation = str(request.scope.get("quintet.correlation_id", job_id))
    record = {"schema": SCHEMA, "job_id": job_id, "status": "pending", "created_at": now.isoformat()}
    deferrals.records.create(_key(deferrals, caller.id, job_id), record, seconds=int(KEPT.total_seconds()))
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
    return _job(record, now)


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
    key = _key(deferrals, request.caller, request.job_id)
    try:
        deferrals.records.update(key, {"status": "running"}, expect={"response_status": None})
    except Conflict:
        deferrals.objects.delete(_body_key(request))
        return  # answered before: this is a second delivery
    body = _body(request, deferrals)
    answer = _make_request(request, body, app)
    if answer["status"] in PASSING:
        raise Unavailable("the deferred request failed", status=answer["status"], job_id=request.job_id)
    result_key = f"results/{request.caller}/{request.job_id}"
    deferrals.objects.put(result_key, answer["body"], content_type=_content_type(answer))
    deferrals.records.update(
        key,
        {"status": "completed", "response_status": answer["status"], "result_key": result_key},
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


_NO_JOB = {"description": "No such job of this caller, or none any more."}
_RESULT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The request's own answer. It may have any other status, too: the answer's own."},
    303: {"description": "The answer is large and waits at `Location`, for an hour."},
    404: _NO_JOB,
    409: {"description": "Not completed yet."},
}


def job_routes() -> APIRouter:
    router = APIRouter(tags=["long work"], route_class=CallerFirst)

    @router.get("/jobs/{job_id}", responses={404: _NO_JOB})
    def job_status(job_id: str, request: Request, caller: Annotated[Caller, Depends(known_caller)]) -> Job:
        """How far the job is that a request with `Prefer: respond-async` became."""
        deferrals, record = _find(request, caller, job_id)
        return _job(record, deferrals.clock.now())

    @router.get("/jobs/{job_id}/result", responses=_RESULT_ANSWERS)
    def job_result(job_id: str, request: Request, caller: Annotated[Caller, Depends(known_caller)]) -> Response:
        """The answer that the request would have had at once: its status, its body."""
        deferrals, record = _find(request, caller, job_id)
        if record.get("response_status") is None:
            raise Conflict("the job is not completed yet: ask its status again later")
        if deferrals.objects.size(record["result_key"]) > ANSWER_LIMIT // 2:
            return RedirectResponse(deferrals.objects.download_url(record["result_key"], seconds=3600), 303)
        body, content_type = deferrals.objects.get(record["result_key"])
        return Response(body, record["response_status"], media_type=content_type)

    return router


def _find(request: Request, caller: Caller, job_id: str) -> tuple[Deferrals, Record]:
    deferrals: Deferrals | None = request.app.state.room().deferrals
    if deferrals is None:
        raise NotFound("this deployment takes no jobs: it has no queue")
    try:
        return deferrals, deferrals.records.read(_key(deferrals, caller.id, job_id))
    except NotFound:
        raise NotFound("no such job of this caller; jobs are kept for a day") from None


def _key(deferrals: Deferrals, caller: str, job_id: str) -> str:
    return f"{deferrals.room}#job#{caller}#{job_id}"


def _job(record: Record, now: datetime) -> Job:
    created_at = datetime.fromisoformat(record["created_at"])
    url = f"/jobs/{record['job_id']}"
    job = Job(job_id=record["job_id"], status=record["status"], created_at=created_at, url=url)
    if record["status"] == "completed":
        return job.model_copy(update={"result_url": f"{url}/result", "response_status": record["response_status"]})
    if now - created_at > GIVEN_UP_AFTER:
        return job.model_copy(update={"status": "failed", "error": "not answered in time; send the request again"})
    return job
