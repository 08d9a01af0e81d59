"""The caller of an HTTP request."""

from fastapi import Request

from quintet.entry.caller import Caller

REMEMBERED = "quintet.caller"
"""Where a request's scope carries a caller who was identified when a job was taken."""


def known_caller(request: Request) -> Caller:
    """The caller that a job remembers, else the one whose `X-API-Key` the request carries.

    A FastAPI dependency, too. Raises Unauthenticated or PermissionDenied.
    """
    remembered = request.scope.get(REMEMBERED)
    if isinstance(remembered, Caller):
        return remembered
    caller = request.app.state.room().gate.identify(request.headers.get("x-api-key"))
    assert isinstance(caller, Caller)
    return caller
