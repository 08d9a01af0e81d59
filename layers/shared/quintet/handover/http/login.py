"""Who comes in, and that the service is there."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quintet.entry.identity import CallerFirst
from quintet.handover.http.room import UNUSABLE, Responses, TheAddress, TheRoom, described, sent, told
from quintet.handover.messages import LoginRequest
from quintet.handover.tokens import Pair

router = APIRouter(prefix="/api", tags=["access"], route_class=CallerFirst)

REFUSED: Responses = {
    401: {"description": "Wrong credentials, or a refresh token that is wrong, over or spent."},
    429: {
        "description": "Wrong credentials too often: this address is locked out for a while.",
        "headers": {"Retry-After": {"description": "Seconds until it is listened to.", "schema": {"type": "string"}}},
    },
}


class Health(BaseModel):
    status: str = "ok"
    service: str = "ml-service"


class RefreshRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class TokenPair(BaseModel):
    access_token: str = Field(description="For `Authorization: Bearer …`.")
    refresh_token: str = Field(description="For one `POST /api/refresh`.")


@router.get("/health")
async def tell_health() -> Health:
    """That the service is there. Never needs a token."""
    return Health()


@router.post("/login", response_model=TokenPair, responses=UNUSABLE | REFUSED, openapi_extra=described(LoginRequest))
def log_in(
    asked: Annotated[LoginRequest, Depends(sent(LoginRequest, megabytes=1))], address: TheAddress, room: TheRoom
) -> Response:
    """Tokens for a username and password."""
    return tokens(room.login.log_in(asked.username, asked.password, address))


@router.post(
    "/refresh", response_model=TokenPair, responses=UNUSABLE | REFUSED, openapi_extra=described(RefreshRequest)
)
def refresh(asked: Annotated[RefreshRequest, Depends(sent(RefreshRequest, megabytes=1))], room: TheRoom) -> Response:
    """New tokens for a refresh token, which is spent with that. Asks for no other token."""
    return tokens(room.login.renew(asked.refresh_token))


def tokens(pair: Pair) -> Response:
    answer = told(TokenPair(access_token=pair.access, refresh_token=pair.refresh))
    answer.headers["Cache-Control"] = "no-store"
    return answer
