"""What the OpenAPI document says of the manners that all routes have: key, headers, jobs, errors."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from quintet.entry.deferral import Job
from quintet.entry.identity import API_KEY
from quintet.entry.uploads import UPLOAD_KEY_HEADER

Part = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"


class Problem(BaseModel):
    """The body of an error."""

    detail: str = Field(description="What was wrong, in a sentence.")


class DescribedApp(FastAPI):
    """A FastAPI app whose OpenAPI document tells of the door, too; `error_model` is the body of its errors."""

    error_model: type[BaseModel] = Problem
    _described: Part | None = None

    def openapi(self) -> Part:
        document = super().openapi()
        if document is not self._described:
            describe(document, self.error_model)
            self._described = document
        return document


def describe(document: Part, error_model: type[BaseModel]) -> None:
    """Add key, headers and answers to every operation of `document`; what a route says of itself stands."""
    _, models = models_json_schema([(error_model, "serialization"), (Job, "serialization")], ref_template=REFERENCE)
    components = document.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | models["$defs"]
    scheme = API_KEY.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    components.setdefault("securitySchemes", {})[API_KEY.scheme_name] = scheme
    for operations in document["paths"].values():
        for method, operation in operations.items():
            answers = _answers(method, protected="security" in operation) | operation["responses"]
            operation["responses"] = {
                status: {"content": _json_of(error_model)} | answer if status >= "400" else answer
                for status, answer in sorted(answers.items())
            }
            if method == "post":
                operation.setdefault("security", [{}, {API_KEY.scheme_name: []}])
                operation["parameters"] = [*operation.get("parameters", []), PREFER, UPLOAD_KEY]


def _answers(method: str, *, protected: bool) -> Part:
    if method == "post":
        return OF_ALL | OF_BODIES | (_refusals("") if protected else _refusals(" Only with Prefer or X-Upload-Key."))
    return OF_ALL | _refusals("") if protected else OF_ALL


def _refusals(when: str) -> Part:
    return {
        "401": {"description": f"API key required.{when}"},
        "403": {"description": f"Invalid API key, or something of another caller.{when}"},
    }


def _json_of(model: type[BaseModel]) -> Part:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}


def _header(description: str) -> Part:
    return {"description": description, "schema": {"type": "string"}}


def _sent_header(name: str, description: str) -> Part:
    return {"name": name, "in": "header", "required": False} | _header(description)


PREFER = _sent_header("Prefer", "`respond-async` makes the request a job (RFC 7240): 202 now, the answer later.")
UPLOAD_KEY = _sent_header(UPLOAD_KEY_HEADER, "The `upload_key` of bytes uploaded before: they stand for the body.")

OF_ALL: Part = {
    "500": {"description": "Something broke here; the same request would break again."},
    "503": {
        "description": "Busy, or something needed is away.",
        "headers": {"Retry-After": _header("Seconds until the same request may succeed.")},
    },
}
OF_BODIES: Part = {
    "202": {
        "description": "The request is a job now, as `Prefer: respond-async` asked.",
        "headers": {
            "Location": _header("The job's address, relative to the request's."),
            "Preference-Applied": _header("`respond-async`"),
            "Retry-After": _header("Seconds until it is worth asking."),
        },
        "content": _json_of(Job),
    },
    "303": {
        "description": "The answer is too large for this API and waits elsewhere for an hour.",
        "headers": {"Location": _header("Where to GET it.")},
    },
    "400": {"description": "The body can't be parsed."},
    "404": {"description": f"{UPLOAD_KEY_HEADER} names nothing that was uploaded."},
    "413": {"description": "The body is too large: upload it first, or it is too large for that, too."},
    "504": {"description": "It took too long: repeat it with `Prefer: respond-async`."},
}
