"""What routes of the aggregation room ask for: the room, who calls, and ids that may hold anything printable."""

from typing import Annotated, Any, Protocol, cast

from fastapi import Depends, Path, Query, Request
from starlette.convertors import Convertor, register_url_convertor

from quintet.aggregation.coordinator import Coordinator
from quintet.aggregation.messages import ClientId, JobId
from quintet.aggregation.owners import Owners
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.sessions import Sessions
from quintet.entry.caller import Caller
from quintet.entry.http import known_caller
from quintet.kernel.errors import PermissionDenied


class RoundsRoom(Protocol):
    @property
    def sessions(self) -> Sessions: ...
    @property
    def owners(self) -> Owners: ...
    @property
    def coordinator(self) -> Coordinator: ...


def the_room(request: Request) -> RoundsRoom:
    return cast("RoundsRoom", request.app.state.room())


async def body_sent(request: Request) -> bytes:
    return await request.body()


class RoundConvertor(Convertor[str]):
    """In a path with a job before it, whose id may hold slashes, nothing but a round is taken for one."""

    regex = "|".join(ROUNDS)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("round", RoundConvertor())

TheRoom = Annotated[RoundsRoom, Depends(the_room)]
TheCaller = Annotated[Caller, Depends(known_caller)]
TheBody = Annotated[bytes, Depends(body_sent)]
NamedJob = Annotated[JobId, Path(description="The job's id.")]
NamedRound = Annotated[Round, Path(description="A round of secure aggregation.")]
NamedClient = Annotated[ClientId, Path(description="The client's id.")]
AsClient = Annotated[ClientId, Query(description="The client who asks.")]

Responses = dict[int | str, dict[str, Any]]
UNUSABLE: Responses = {400: {"description": "Something in the request can't be used; the answer says what."}}
NOT_YOURS: Responses = {403: {"description": "Not for this caller, or not signed by this client."}}
NO_JOB: Responses = {404: {"description": "There is no such job, or it is none of this client's."}}
IN_THE_WAY: Responses = {409: {"description": "The job's state stands against it; the answer says how."}}


def administrator(caller: TheCaller) -> Caller:
    """Raises PermissionDenied."""
    if not caller.administrator:
        raise PermissionDenied("this is for the orchestrator alone: it takes an administrator's key", caller=caller.id)
    return caller


Administrator = Annotated[Caller, Depends(administrator)]


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """What a route's `openapi_extra` says of a body that it reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
