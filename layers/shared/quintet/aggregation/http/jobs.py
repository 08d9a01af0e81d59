"""Jobs: clients report, and ask how it goes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from quintet.aggregation.messages import JobId, Status, Update
from quintet.aggregation.wiring import aggregation
from quintet.entry.bodies import WRONG_BODY, checked, json_sent
from quintet.entry.caller import Caller
from quintet.entry.http import known_caller
from quintet.entry.identity import CallerFirst
from quintet.kernel.errors import NotFound
from quintet.kernel.text import printable

router = APIRouter(route_class=CallerFirst)

Responses = dict[int | str, dict[str, Any]]
REFUSED: Responses = {
    400: {"description": "The schema can't be used; the answer names item and field."},
    403: {"description": "Invalid API key, or a clientId that is another caller's."},
    409: {"description": "Another totalClients or schema than the job's, one client too many, or too late."},
}
UNKNOWN: Responses = {404: {"description": "There is no such job, or the caller takes no part in it."}}


class Told(BaseModel):
    message: str


class Health(BaseModel):
    service: str = "computations-orchestrator"
    status: str = "ok"


class Progress(BaseModel):
    done: int = Field(alias="doneCount")
    total: int = Field(alias="totalClients")
    percentage: float


class JobInfo(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)

    total: int = Field(alias="totalClients")
    done: int = Field(alias="doneCount")
    layout: list[dict[str, Any]] | None = Field(alias="schema")
    final_result: dict[str, Any] | None = Field(alias="finalResult")
    clients: list[str] = Field(alias="updatedClients")


class JobStatus(BaseModel):
    """`aggregatedResults` and `metadata` are there once the job is completed, `reason` when it has failed, and
    `aggregation` while its rounds go on.
    """

    job: str = Field(alias="jobId")
    status: Status
    message: str
    progress: Progress
    info: JobInfo = Field(alias="jobInfo")
    results: list[dict[str, Any]] | None = Field(default=None, alias="aggregatedResults")
    metadata: dict[str, Any] | None = None
    reason: str | None = None
    aggregation: dict[str, Any] | None = None


async def sent_update(request: Request) -> Update:
    return checked(Update, await json_sent(request))


ID: TypeAdapter[str] = TypeAdapter(JobId)
TheCaller = Annotated[Caller, Depends(known_caller)]


@router.get("/")
def tell_health() -> Health:
    """That the service is there. Never needs a key."""
    return Health()


@router.post(
    "/api/update",
    responses=REFUSED | WRONG_BODY,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": Update.model_json_schema()}}}
    },
)
async def update_job(caller: TheCaller, update: Annotated[Update, Depends(sent_update)]) -> Told:
    """A client has its data ready. Said again it changes nothing."""
    answer = await run_in_threadpool(aggregation().orchestrator.update, update, caller)
    return Told(message=answer.message)


@router.get("/api/job-status/{job_id:path}", responses=UNKNOWN | {200: {"model": JobStatus}})
def tell_job(job_id: Annotated[str, Path(description="The job's id.")], caller: TheCaller) -> Response:
    """How a job is, in the fields of both generations, with its result when it is completed."""
    try:
        name = ID.validate_python(job_id)
    except ValidationError:
        raise NotFound(f"Unknown jobId {printable(job_id)}") from None
    return JSONResponse(aggregation().orchestrator.status(name, caller))
