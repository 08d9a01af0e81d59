"""The caller of an HTTP request, who is asked for before the request's body is looked at."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase

from quintet.entry.bearer import BearerGate, bearer_of
from quintet.entry.caller import Caller
from quintet.entry.iam import IamGate, signer_of
from quintet.entry.threads import endpoint_here

REMEMBERED = "quintet.caller"
"""Where a request's scope carries a caller who is identified already, perhaps when a job was taken."""

API_KEY = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,  # the gate answers in its own words
    description="One of the keys of this deployment. One that asks for no keys takes requests without it.",
)

BEARER = HTTPBearer(
    auto_error=False,
    description="A token that logging in gives. A deployment whose doors are open takes requests without it.",
)


def caller_of(request: Request) -> Caller:
    """The caller that a job remembers, else the one whose `X-API-Key` or token the request carries, or who signed it.

    Raises Unauthenticated or PermissionDenied.
    """
    remembered = request.scope.get(REMEMBERED)
    if isinstance(remembered, Caller):
        return remembered
    gate = request.app.state.room().gate
    if isinstance(gate, IamGate):
        return gate.recognise(signer_of(request.scope))
    if isinstance(gate, BearerGate):
        return gate.identify(bearer_of(request.headers.get("authorization")))
    caller = gate.identify(request.headers.get(API_KEY.model.name))
    assert isinstance(caller, Caller)
    return caller


class KnownCaller(SecurityBase):
    """The same as a FastAPI dependency, which looks for the key no more than once a request. OpenAPI tells of it as of
    API_KEY, for a room that wants another to put that in its place.
    """

    model, scheme_name = API_KEY.model, API_KEY.scheme_name

    async def __call__(self, request: Request) -> Caller:
        remembered = request.scope.get(REMEMBERED)
        if isinstance(remembered, Caller):
            return remembered
        caller: Caller = await request.app.state.aside(caller_of, request)
        request.scope[REMEMBERED] = caller
        return caller


known_caller = KnownCaller()


class CallerFirst(APIRoute):
    """A route that refuses strangers before it reads the body: FastAPI alone would first say what is wrong there."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **said: Any) -> None:
        super().__init__(path, endpoint_here(endpoint), **said)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        if not _asks_for_caller(self.dependant):
            return answer

        async def answer_known(request: Request) -> Response:
            await known_caller(request)
            return await answer(request)

        return answer_known


def _asks_for_caller(dependant: Dependant) -> bool:
    return dependant.call is known_caller or any(map(_asks_for_caller, dependant.dependencies))
