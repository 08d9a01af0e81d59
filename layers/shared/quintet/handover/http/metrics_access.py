"""Who may read the metrics, and tokens for that."""

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPBasic, HTTPBearer
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from quintet.handover.http.room import Responses, address_of, the_room
from quintet.kernel.errors import Unauthenticated

router = APIRouter(prefix="/metrics/auth", tags=["metrics"])

CHALLENGE = 'Basic realm="Metrics", Bearer'
REFUSED: Responses = {
    401: {
        "description": "No credentials, or wrong ones.",
        "headers": {"WWW-Authenticate": {"description": f"`{CHALLENGE}`", "schema": {"type": "string"}}},
    }
}
BASIC = HTTPBasic(scheme_name="MetricsBasic", realm="Metrics", auto_error=False)
TOKEN = HTTPBearer(scheme_name="MetricsBearer", auto_error=False, description="The API key, or a token for metrics.")


class MetricsToken(BaseModel):
    token: str
    expires_in: int


class MetricsAccessStats(BaseModel):
    total_failed_attempts: int
    unique_failed_ips: int
    currently_locked_ips: int
    max_attempts_before_lockout: int
    lockout_duration_seconds: int


async def reader(request: Request) -> None:
    """A dependency that lets through who may read the metrics. Raises HTTPException (401) and TooManyRequests."""
    gate = the_room(request).metrics_gate
    try:
        await run_in_threadpool(gate.admit, request.headers.get("authorization"), address_of(request))
    except Unauthenticated as error:
        raise HTTPException(401, error.message, {"WWW-Authenticate": CHALLENGE}) from None


KNOWN_READER = [Depends(reader), Depends(BASIC), Depends(TOKEN)]
"""Dependencies of a route for readers; the latter two say in the document how they are known."""


@router.post("/token", responses=REFUSED, dependencies=KNOWN_READER)
def make_token(request: Request) -> MetricsToken:
    """A token for the metrics alone."""
    gate = the_room(request).metrics_gate
    return MetricsToken(token=gate.token(), expires_in=gate.expiry_seconds)


@router.get("/stats", responses=REFUSED, dependencies=KNOWN_READER)
def tell_stats(request: Request) -> MetricsAccessStats:
    """Failed attempts that are remembered, and who is locked out."""
    return MetricsAccessStats(**the_room(request).metrics_gate.lockouts.stats()._asdict())
