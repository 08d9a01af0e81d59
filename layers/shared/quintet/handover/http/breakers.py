"""The circuit breakers, for their administrators."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from quintet.entry.identity import CallerFirst
from quintet.handover.breakers import BreakerAnswer, BreakersHealth, BreakersReset, BreakersStatus
from quintet.handover.http.errors import Problem
from quintet.handover.http.room import JSON, Responses, TheCaller, TheRoom, told

router = APIRouter(prefix="/api/v1/circuit-breakers", tags=["circuit breakers"], route_class=CallerFirst)

UNKNOWN: Responses = {404: {"description": "There is no circuit breaker of this name."}}
EITHER = {"anyOf": [{"$ref": f"#/components/schemas/{one.__name__}"} for one in (BreakersHealth, Problem)]}
UNHEALTHY: Responses = {
    503: {"description": "Half of them or more are open; or busy.", "content": {JSON: {"schema": EITHER}}}
}

NamedBreaker = Annotated[str, Path(max_length=100, description="Its name, as `status` tells it.")]


@router.get("/status", response_model=BreakersStatus)
def tell_status(caller: TheCaller, room: TheRoom) -> Response:
    """All circuit breakers, and which of them are open."""
    return told(room.breakers.status())


@router.get("/health", response_model=BreakersHealth, responses=UNHEALTHY)
def tell_health(caller: TheCaller, room: TheRoom) -> Response:
    """Whether calls go through."""
    health = room.breakers.health()
    return told(health, 503 if health.status == "unhealthy" else 200)


@router.post("/reset", response_model=BreakersReset)
def reset_all(caller: TheCaller, room: TheRoom) -> Response:
    """Close all of them."""
    return told(room.breakers.reset())


@router.post("/reset/{name}", response_model=BreakersReset, responses=UNKNOWN)
def reset_one(name: NamedBreaker, caller: TheCaller, room: TheRoom) -> Response:
    """Close this one."""
    return told(room.breakers.reset_one(name))


@router.get("/{name}/stats", response_model=BreakerAnswer, responses=UNKNOWN)
def tell_stats(name: NamedBreaker, caller: TheCaller, room: TheRoom) -> Response:
    """What is known of this one."""
    return told(room.breakers.stats(name))
