"""Work that may take longer than a request: its answer where it is soon done, else the job to follow."""

from datetime import timedelta
from typing import Any, NoReturn

from fastapi import Request, Response

from quintet.entry.caller import Caller
from quintet.entry.jobs import GIVEN_UP_AFTER, Job, accepted
from quintet.entry.observation import BEGAN
from quintet.entry.promises import KeptPromises
from quintet.handover.http.room import HandoverRoom, Responses
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import DeadlineExceeded

LONGEST_WAIT, LONGEST_ANSWER = 22.0, 25.0
"""Seconds: API Gateway gives up after 29."""


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


FOLLOWED: Responses = {
    202: {
        "model": Job,
        "description": "It takes longer, or `Prefer: respond-async` asked not to wait: a job to follow.",
        "headers": {
            "Location": _header("The job's address, relative to the request's."),
            "Preference-Applied": _header("`respond-async`, where that was asked."),
            "Retry-After": _header("Seconds until it is worth asking."),
        },
    },
    504: {"description": "It takes longer, and this deployment has no jobs to follow: ask for it again later."},
}


def job_for(caller: Caller, room: HandoverRoom, *, seconds: float = 0.0) -> Job | None:
    """The job of work that takes `seconds`, once it has begun; None where there are no jobs."""
    if room.deferrals is None:
        return None
    return KeptPromises(room.deferrals).promise(caller, patience=GIVEN_UP_AFTER + timedelta(seconds=seconds))


def patience(request: Request, most: float) -> float:
    """Seconds: of `most` what is left until API Gateway would give up, reading and checking the body counted."""
    gone: float = stopwatch() - request.scope.get(BEGAN, stopwatch())
    return max(0.0, min(most, LONGEST_ANSWER - gone))


def follow(job: Job | None, request: Request, work: str) -> Response:
    """202, or DeadlineExceeded."""
    return accepted(job, request) if job else _not_yet(work)


def _not_yet(work: str) -> NoReturn:
    raise DeadlineExceeded(f"{work} goes on, and this deployment keeps no jobs: ask again later")
