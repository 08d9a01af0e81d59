"""Jobs: work whose answer comes later. Each is a record for a day, says how far it is, and at last where its answer is.

A request may become one as it is (entry.deferral), or a room promises one and fulfils it (entry.promises).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, RedirectResponse

from quintet.entry.caller import Caller
from quintet.entry.identity import CallerFirst, known_caller
from quintet.entry.ports import Objects, Queue, Record, Records
from quintet.entry.uploads import ANSWER_LIMIT
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound

SCHEMA = 1
KEPT = timedelta(days=1)
GIVEN_UP_AFTER = timedelta(hours=1)
"""A job without an answer by then has failed for good: its message is among the dead letters."""


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


class Job(BaseModel):
    model_config = ConfigDict(frozen=True)

    job_id: str
    status: Literal["pending", "running", "completed", "failed"]
    created_at: datetime
    url: str = Field(description="Ask here how far it is: to be appended to the API's address.")
    result_url: str | None = Field(None, description="The answer, once completed: to be appended likewise.")
    response_status: int | None = Field(None, description="The HTTP status of that answer.")
    error: str | None = None
    progress: dict[str, Any] | None = Field(
        None, description="What is done so far, where that is told.", exclude_if=lambda told: told is None
    )


def new_record(job_id: str, created_at: datetime, patience: timedelta = GIVEN_UP_AFTER) -> Record:
    record = {"schema": SCHEMA, "job_id": job_id, "status": "pending", "created_at": created_at.isoformat()}
    return record if patience == GIVEN_UP_AFTER else record | {"patience": patience.total_seconds()}


def key_of(deferrals: Deferrals, caller: str, job_id: str) -> str:
    return f"{deferrals.room}#job#{caller}#{job_id}"


def result_key(caller: str, job_id: str) -> str:
    return f"results/{caller}/{job_id}"


def job_of(record: Record, now: datetime) -> Job:
    created_at = datetime.fromisoformat(record["created_at"])
    url = f"/jobs/{record['job_id']}"
    job = Job(
        job_id=record["job_id"],
        status=record["status"],
        created_at=created_at,
        url=url,
        progress=record.get("progress"),
    )
    if record["status"] == "completed":
        return job.model_copy(update={"result_url": f"{url}/result", "response_status": record["response_status"]})
    if now - created_at > timedelta(seconds=record.get("patience", GIVEN_UP_AFTER.total_seconds())):
        return job.model_copy(update={"status": "failed", "error": "not answered in time; send the request again"})
    return job


def prefers_async(request: Request) -> bool:
    """Whether it says `Prefer: respond-async` (RFC 7240)."""
    preferences = request.headers.get("prefer", "")
    return "respond-async" in [part.strip().lower() for part in preferences.replace(";", ",").split(",")]


def accepted(job: Job, request: Request) -> JSONResponse:
    """202: `request` is `job` now."""
    headers = {"Location": seen_from(request.scope["path"], job.url), "Retry-After": "1"}
    if prefers_async(request):
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(job.model_dump(mode="json"), 202, headers)


def seen_from(path: str, url: str) -> str:
    """`url` relative to `path`, so that it leads there behind a stage's name, too, which the app never sees.

    >>> seen_from("/quick_plot", "/jobs/1"), seen_from("/a/b", "/jobs/1")
    ('jobs/1', '../jobs/1')
    """
    return "../" * (path.count("/") - 1) + url.removeprefix("/")


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
        return job_of(record, deferrals.clock.now())

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
        return deferrals, deferrals.records.read(key_of(deferrals, caller.id, job_id))
    except NotFound:
        raise NotFound("no such job of this caller; jobs are kept for a day") from None
