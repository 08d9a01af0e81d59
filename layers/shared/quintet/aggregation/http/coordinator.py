"""The coordinator's routes, as the published one has them, in front of our own secure aggregation."""

from base64 import b64decode
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from quintet.aggregation.coordinator import Order, Registration, Result, ReturnUrl
from quintet.aggregation.http.room import (
    IN_THE_WAY,
    NO_JOB,
    NOT_YOURS,
    UNUSABLE,
    Administrator,
    NamedJob,
    Responses,
    TheBody,
    TheCaller,
    TheRoom,
    json_body,
)
from quintet.aggregation.owners import NOBODY
from quintet.entry.identity import CallerFirst
from quintet.kernel.errors import InvalidInput

router = APIRouter(prefix="/api", tags=["coordinator"], route_class=CallerFirst)

Model = TypeVar("Model", bound=BaseModel)
NO_LENGTH: Responses = {411: {"description": "There is no body, or its length is not said."}}
NOT_CONNECTED: Responses = {404: {"description": "Clients are not connected; the answer names them."}}
NOTHING: Responses = {204: {"description": "Nothing is known of this job."}}


class Client(BaseModel):
    id: str
    ip: str


class ClientCertificate(BaseModel):
    id: str
    crt: str


class Player(BaseModel):
    """A computing node of the published coordinator. Here owners compute among themselves."""

    id: str
    ip: str


class CurrentReturnUrl(BaseModel):
    url: str | None


def measured(body: TheBody) -> bytes:
    """Raises HTTPException (411). API Gateway does not hand on the header, so that only an empty body shows."""
    if not body:
        raise HTTPException(411, "Send a body, and say its length with Content-Length.")
    return body


MeasuredBody = Annotated[bytes, Depends(measured)]


@router.post(
    "/secure-aggregation/job-id/{job:path}",
    responses=UNUSABLE | NOT_YOURS | NOT_CONNECTED | IN_THE_WAY | NO_LENGTH,
    openapi_extra=json_body(Order.model_json_schema()),
)
def start_aggregation(job: NamedJob, caller: Administrator, body: MeasuredBody, room: TheRoom) -> str:
    """Start the sum over these clients: `sum` and `fsum` alike, exact to 9 decimals. Empty."""
    room.coordinator.start(job, read(Order, body))
    return ""


@router.get("/get-result/job-id/{job:path}", responses=NOTHING | NO_JOB, response_model_exclude_none=True)
def tell_result(job: NamedJob, caller: Administrator, room: TheRoom) -> Result:
    """How far it is; once `status` is COMPLETED, the sum as exact decimal texts."""
    result = room.coordinator.result(job)
    return result if result is not None else Response(status_code=204)  # type: ignore[return-value]


@router.post(
    "/register-client",
    responses=UNUSABLE | NOT_YOURS | IN_THE_WAY | NO_LENGTH,
    openapi_extra=json_body(Registration.model_json_schema()),
)
def register_client(request: Request, caller: TheCaller, body: MeasuredBody, room: TheRoom) -> None:
    """Enter a client, or with `force` replace it. The name is the caller's who used it first."""
    given = read(Registration, body)
    room.owners.register(
        given.client_id,
        NOBODY if caller.administrator else caller.id,
        port=given.port,
        crt=given.crt,
        signing_key=b64decode(given.signing_key) if given.signing_key else None,
        force=given.force,
        address=request.client.host if request.client else "",
    )


@router.get("/get-all-clients")
def list_clients(caller: Administrator, room: TheRoom) -> list[Client]:
    """Who is registered."""
    return [Client.model_validate(one) for one in room.coordinator.clients()]


@router.get("/get-all-client-certs")
def list_certificates(caller: Administrator, room: TheRoom) -> list[ClientCertificate]:
    """The certificates that clients registered with."""
    return [ClientCertificate.model_validate(one) for one in room.coordinator.certificates()]


@router.get("/get-all-players")
def list_players(caller: Administrator) -> list[Player]:
    """There are none: no node computes anything for the owners."""
    return []


@router.get("/ping")
def ping() -> int:
    """Never needs a key."""
    return 200


@router.get("/set-return-url/job-id/{job:path}", responses=NO_JOB)
def tell_return_url(job: NamedJob, caller: Administrator, room: TheRoom) -> CurrentReturnUrl:
    """Where the result will be posted."""
    return CurrentReturnUrl(url=room.coordinator.returns.read(job))


@router.post(
    "/set-return-url/job-id/{job:path}",
    responses=UNUSABLE | NOT_YOURS | IN_THE_WAY | NO_LENGTH,
    openapi_extra=json_body(ReturnUrl.model_json_schema()),
)
def set_return_url(job: NamedJob, caller: Administrator, body: MeasuredBody, room: TheRoom) -> str:
    """Have the result posted there, too: to a host on the operator's list alone. Empty."""
    room.coordinator.set_return_url(job, read(ReturnUrl, body).url)
    return ""


def read(model: type[Model], body: bytes) -> Model:
    """From JSON, whatever Content-Type says. Raises InvalidInput, which names the field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"{place}: {problem['msg']}" if place else problem["msg"]) from None
