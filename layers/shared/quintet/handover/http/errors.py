"""Errors in the room's form: `{error, type, correlation_id}`, with the types' original names."""

from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field

from quintet.entry.answers import ErrorForm
from quintet.entry.observation import CORRELATION
from quintet.handover.errors import ModelError

INVALID = 400
MOST_PROBLEMS = 10

NAMES = {
    400: "RequestValidationError",
    401: "Unauthenticated",
    404: "ResourceNotFoundError",
    405: "MethodNotAllowed",
    413: "TooLarge",
    415: "RequestValidationError",
    422: "RequestValidationError",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "NEFConnectionError",
}
"""Where the status alone says it; others are called as their error is."""


class Problem(BaseModel):
    """The body of an error."""

    error: str = Field(description="What was wrong, in a sentence that names the field.")
    type: str = Field(description="Its kind.")
    correlation_id: str = Field(description="The request's, as in X-Correlation-ID.")


def error_body(status: int, name: str, said: Any) -> dict[str, Any]:
    """
    >>> error_body(404, "NotFound", "there is no such version")
    {'error': 'there is no such version', 'type': 'ResourceNotFoundError'}
    """
    sentence = sentence_of(said) if isinstance(said, list) else said
    return {"error": sentence, "type": NAMES.get(status, name)}


def sentence_of(problems: list[dict[str, Any]]) -> str:
    """The first MOST_PROBLEMS: a list of samples may have one each."""
    more = len(problems) - MOST_PROBLEMS
    return "; ".join(map(in_words, problems[:MOST_PROBLEMS])) + (f"; and {more} more" if more > 0 else "")


def in_words(problem: dict[str, Any]) -> str:
    """
    >>> in_words({"loc": ["body", 0, "rf_metrics", "A1", "rsrp"], "msg": "Input should be a valid number"})
    '0.rf_metrics.A1.rsrp: Input should be a valid number'
    """
    place = ".".join(str(part) for part in problem["loc"] if part != "body")
    return f"{place or 'body'}: {problem['msg']}"


ERRORS = ErrorForm(body=error_body, invalid=INVALID, traced=True, challenge="Bearer")


def tell_failed_training(app: FastAPI) -> None:
    """Why a training came to nothing is the caller's to know, though it is a 500; of others nothing is said."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, ModelError)
        return failed_training(error.message, request.scope.get(CORRELATION, ""))

    app.add_exception_handler(ModelError, answer)


def failed_training(reason: str, correlation: str) -> Response:
    problem = Problem(error=reason, type="ModelError", correlation_id=correlation)
    return Response(problem.model_dump_json(), 500, media_type="application/json")
