"""The network's emulator: whether it is there, and samples of its UEs."""

from threading import Event
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from quintet.entry.identity import CallerFirst
from quintet.entry.jobs import Job, prefers_async
from quintet.handover.collecting import CollectionAnswer
from quintet.handover.collection_runs import CollectionRun
from quintet.handover.errors import NEFConnectionError
from quintet.handover.http.room import UNUSABLE, Responses, TheCaller, TheRoom, described, sent, told
from quintet.handover.http.waiting import FOLLOWED, LONGEST_WAIT, follow, job_for
from quintet.handover.messages import CollectDataRequest
from quintet.handover.nef import NefStatus

router = APIRouter(prefix="/api", tags=["network"], route_class=CallerFirst)

AWAY: Responses = {502: {"description": "The emulator does not answer, or refuses."}}
SLACK = 5.0
"""Seconds that a collection takes besides its duration."""

Asked = Annotated[CollectDataRequest, Depends(sent(CollectDataRequest, megabytes=1, optional=True))]


@router.get("/nef-status", response_model=NefStatus, responses=AWAY)
def tell_nef_status(caller: TheCaller, room: TheRoom) -> Response:
    """Whether the emulator answers, and which version it says it has."""
    return told(room.nef.status())


@router.post(
    "/collect-data",
    response_model=CollectionAnswer,
    responses=UNUSABLE | AWAY | FOLLOWED,
    openapi_extra=described(CollectDataRequest, optional=True),
)
def collect_data(request: Request, caller: TheCaller, asked: Asked, room: TheRoom) -> Response:
    """Look at the emulator's UEs for a while, and keep what is seen. What takes longer than a request may is a job."""
    seconds = asked.duration + SLACK
    waits = seconds <= LONGEST_WAIT and not prefers_async(request)
    job = job_for(caller, room, seconds=asked.duration)
    run = room.collections.begin(asked, caller=caller.id, job=job.job_id if job else "")
    known = room.collections.waiting(run.id, seconds, Event().wait) if waits else run
    return outcome(known, job, request)


def outcome(run: CollectionRun, job: Job | None, request: Request) -> Response:
    if run.state == "failed":
        raise NEFConnectionError(run.error)
    if run.answer is not None:
        return told(run.answer)
    return follow(job, request, "the collection")
