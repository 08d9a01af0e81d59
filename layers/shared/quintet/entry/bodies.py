"""Bodies that may be JSON or a form with files: read, checked and described by hand, as FastAPI knows but one of them.

Their routes ask for them by dependency, and so after the caller.
"""

from typing import Any, TypeVar, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile

Model = TypeVar("Model", bound=BaseModel)

MOST_TEXTS = 20

WRONG_BODY: dict[int | str, dict[str, Any]] = {
    422: {
        "description": "The body is not what is asked for.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
    }
}


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def json_sent(request: Request) -> Any:
    """Raises RequestValidationError for what is not JSON, NaN and infinity among it."""
    try:
        return from_json(await request.body(), allow_inf_nan=False)
    except ValueError as error:
        wrong = {"type": "json_invalid", "loc": ("body",), "msg": f"JSON decode error: {error}"}
        raise RequestValidationError([wrong]) from None


async def form_sent(request: Request, *, files: int, field: str) -> dict[str, Any]:
    """The texts by their names, and under `field` the contents of the files that are called so, `file` or `files`.

    Raises HTTPException (400) for what is no form, or one with more than one file beyond `files`.
    """
    async with request.form(max_files=files + 1, max_fields=MOST_TEXTS) as form:
        sent = [one for name in dict.fromkeys((field, "file", "files")) for one in form.getlist(name)]
        contents = [await one.read() for one in sent if isinstance(one, UploadFile)]
        texts = {name: value for name, value in form.items() if isinstance(value, str) and value}
    return {**texts, field: contents}


def checked(model: type[Model], given: Any) -> Model:
    """Raises RequestValidationError."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in problems]) from None


def json_or_form(json: type[BaseModel], form: type[BaseModel]) -> dict[str, Any]:
    """What a route's `openapi_extra` says of its body."""
    one_piece = {
        "application/json": in_one_piece(json.model_json_schema()),
        "multipart/form-data": in_one_piece(form.model_json_schema()),
    }
    return {"requestBody": {"required": True, "content": {kind: {"schema": one} for kind, one in one_piece.items()}}}


def in_one_piece(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema without references, as it stands in an OpenAPI document."""
    schema = dict(schema)
    return cast("dict[str, Any]", _inlined(schema, schema.pop("$defs", {})))


def _inlined(part: Any, known: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(item, known) for item in part]
    if not isinstance(part, dict):
        return part
    if name := part.get("$ref"):
        return _inlined(known[name.rpartition("/")[2]], known)
    return {key: _inlined(item, known) for key, item in part.items()}
