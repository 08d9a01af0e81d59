"""The rounds of secure aggregation: where owners ask what is next, leave their messages, and fetch what is for them.

Who calls must be who the client belongs to; what a message says is known by the client's signature besides.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from quintet.aggregation.http.room import (
    IN_THE_WAY,
    NO_JOB,
    NOT_YOURS,
    UNUSABLE,
    AsClient,
    NamedClient,
    NamedJob,
    NamedRound,
    Responses,
    RoundsRoom,
    TheBody,
    TheCaller,
    TheRoom,
    json_body,
)
from quintet.aggregation.secagg.messages import MESSAGES, parsed
from quintet.aggregation.sessions import Standing
from quintet.entry.caller import ANYONE, Caller
from quintet.entry.identity import CallerFirst

router = APIRouter(prefix="/api/secagg", tags=["secure aggregation"], route_class=CallerFirst)

NO_ROUND: Responses = {405: {"description": "There is no such round."}}
MESSAGE = {"anyOf": [message.model_json_schema() for message in MESSAGES.values()]}


class Waiting(BaseModel):
    """The sessions that a client may take part in."""

    sessions: list[Standing]


class Given(BaseModel):
    """What a client takes from a closed round: of advertise, share, mask and confirm, in this order."""

    advertisements: list[dict[str, Any]] | None = None
    boxes: dict[str, str] | None = Field(default=None, description="For this client, by sender; base64.")
    survivors: list[str] | None = Field(default=None, description="Whose masked vectors will be summed.")
    confirmations: list[dict[str, Any]] | None = None


@router.get("/clients/{client:path}/sessions", responses=NOT_YOURS)
def sessions_of(client: NamedClient, room: TheRoom, caller: TheCaller) -> Waiting:
    """The sessions that go on and this client takes part in."""
    insist(room, client, caller)
    return Waiting(sessions=room.sessions.waiting_for(client))


@router.post(
    "/jobs/{job:path}/{round:round}",
    responses=UNUSABLE | NOT_YOURS | NO_JOB | IN_THE_WAY | NO_ROUND,
    openapi_extra=json_body(MESSAGE),
)
def leave_message(job: NamedJob, round: NamedRound, body: TheBody, room: TheRoom, caller: TheCaller) -> Standing:  # noqa: A002
    """Leave a client's message of a round; the same one may be left again. How the client stands after it."""
    message = parsed(round, body)
    insist(room, message.client, caller)
    return room.sessions.take(job, round, message)


@router.get(
    "/jobs/{job:path}/{round:round}",
    responses=UNUSABLE | NOT_YOURS | NO_JOB | IN_THE_WAY,
    response_model_exclude_none=True,
)
def fetch_given(job: NamedJob, round: NamedRound, client: AsClient, room: TheRoom, caller: TheCaller) -> Given:  # noqa: A002
    """What a closed round has for this client: 409 until it is closed."""
    insist(room, client, caller)
    return Given.model_validate(room.sessions.given(job, round, client))


@router.get("/jobs/{job:path}", responses=NOT_YOURS | NO_JOB)
def tell_standing(job: NamedJob, client: AsClient, room: TheRoom, caller: TheCaller) -> Standing:
    """Which round a job is in, until when, and whether this client is still part of it."""
    if not caller.administrator:
        insist(room, client, caller)
    return room.sessions.standing(job, client)


def insist(room: RoundsRoom, client: str, caller: Caller) -> None:
    """That the client is the caller's, also where the caller is an administrator, who takes no name by asking.

    Raises PermissionDenied.
    """
    room.owners.check(client, caller.id, claiming=not caller.administrator or caller == ANYONE)
