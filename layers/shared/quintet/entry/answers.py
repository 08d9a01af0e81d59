"""Errors as HTTP answers, in the room's own form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from quintet.kernel.errors import QuintetError, Unauthenticated

RETRY_AFTER_SECONDS = 30

ErrorBody = Callable[[int, str, Any], Mapping[str, Any]]
"""(status, name of the error, what is said) -> the body of an error answer."""


def detail_body(status: int, name: str, said: Any) -> Mapping[str, Any]:
    """FastAPI's own form of an error."""
    return {"detail": said}


@dataclass(frozen=True)
class ErrorForm:
    """How a room tells its errors. `invalid` is the status of a request that is not as described; `traced` bodies hold
    the `correlation_id`, too; `challenge` is what a 401 says in WWW-Authenticate.
    """

    body: ErrorBody = detail_body
    invalid: int = 422
    traced: bool = False
    challenge: str = ""


HOUSE_FORM = ErrorForm()


def answer_to(error: Exception, form: ErrorForm = HOUSE_FORM, correlation: str = "") -> JSONResponse:
    """What the caller is told. Only the house's own errors and FastAPI's speak; of any other nothing is said."""
    status, said, headers = _public_face(error, form)
    body = dict(form.body(status, type(error).__name__, said))
    if form.traced:
        body["correlation_id"] = correlation
    return JSONResponse(jsonable_encoder(body), status, headers)


def _public_face(error: Exception, form: ErrorForm) -> tuple[int, Any, Mapping[str, str] | None]:
    if isinstance(error, RequestValidationError):
        return form.invalid, [_without_input(problem) for problem in error.errors()], None
    if isinstance(error, HTTPException):
        return error.status_code, error.detail, error.headers
    if isinstance(error, QuintetError) and error.status != 500:
        return error.status, error.message, _headers(error, form)
    return 500, "Internal server error", None


def _headers(error: QuintetError, form: ErrorForm) -> Mapping[str, str] | None:
    if isinstance(error, Unauthenticated) and form.challenge:
        return {"WWW-Authenticate": form.challenge}
    return {"Retry-After": str(getattr(error, "retry_after", RETRY_AFTER_SECONDS))} if error.retry else None


def _without_input(problem: Mapping[str, Any]) -> dict[str, Any]:
    """What was wrong and where, without the input itself: it may be health data, and large."""
    return {"type": problem["type"], "loc": list(problem["loc"]), "msg": problem["msg"]}
