"""Errors as HTTP answers, in the room's own form."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from quintet.kernel.errors import QuintetError

RETRY_AFTER_SECONDS = 30

ErrorBody = Callable[[int, str, Any], Mapping[str, Any]]
"""(status, name of the error, what is said) -> the body of an error answer."""


def detail_body(status: int, name: str, said: Any) -> Mapping[str, Any]:
    """FastAPI's own form of an error."""
    return {"detail": said}


def answer_to(error: Exception, form: ErrorBody) -> JSONResponse:
    """What the caller is told. Only the house's own errors and FastAPI's speak; of any other nothing is said."""
    status, said, headers = _public_face(error)
    return JSONResponse(jsonable_encoder(form(status, type(error).__name__, said)), status, headers)


def _public_face(error: Exception) -> tuple[int, Any, Mapping[str, str] | None]:
    if isinstance(error, RequestValidationError):
        return 422, [_without_input(problem) for problem in error.errors()], None
    if isinstance(error, HTTPException):
        return error.status_code, error.detail, error.headers
    if isinstance(error, QuintetError) and error.status != 500:
        return error.status, error.message, {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.retry else None
    return 500, "Internal server error", None


def _without_input(problem: Mapping[str, Any]) -> dict[str, Any]:
    """What was wrong and where, without the input itself: it may be health data, and large."""
    return {"type": problem["type"], "loc": list(problem["loc"]), "msg": problem["msg"]}
