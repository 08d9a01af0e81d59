"""What the OpenAPI document says of the manners that all routes have: key, headers, jobs, errors."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from quintet.entry.identity import API_KEY
from quintet.entry.jobs import Job
from quintet.entry.manners import HOUSE_MANNERS, Manners
from quintet.entry.uploads import UPLOAD_KEY_HEADER

Part = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"


class Problem(BaseModel):
    """The body of an error."""

    detail: str = Field(description="What was wrong, in a sentence.")


class DescribedApp(FastAPI):
    """A FastAPI app whose OpenAPI document tells of the door, too; `error_model` is the body of its errors."""

    error_model: type[BaseModel] = Problem
    manners: Manners = HOUSE_MANNERS
    _described: Part | None = None

    def openapi(self) -> Part:
        document = super().openapi()
        if document is not self._described:
            describe(document, self.error_model, self.manners)
            self._described = document
        return document


def describe(document: Part, error_model: type[BaseModel], manners: Manners = HOUSE_MANNERS) -> None:
    """Add key, headers and answers to every operation of `document`; what a route says of itself stands."""
    _, models = models_json_schema([(error_model, "serialization"), (Job, "serialization")], ref_template=REFERENCE)
    components = document.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | models["$defs"]
    scheme = manners.credentials.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    schemes = components.setdefault("securitySchemes", {})
    schemes.pop(API_KEY.scheme_name, None)
    schemes[manners.credentials.scheme_name] = scheme
    if manners.describe:
        manners.describe(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe(operation, _Door(path, method, operation, manners), error_model)


def _describe(operation: Part, door: "_Door", error_model: type[BaseModel]) -> None:
    answers = door.answers() | door.own_answers()
    operation["responses"] = {
        status: {"content": _json_of(error_model)} | answer if status >= "400" else answer
        for status, answer in sorted(answers.items())
    }
    if door.protected:
        operation["security"] = [{door.manners.credentials.scheme_name: []}]
    if door.takes_bodies:
        operation.setdefault("security", [{}, {door.manners.credentials.scheme_name: []}])
        operation["parameters"] = [*operation.get("parameters", []), *door.headers()]


class _Door:
    """What the door adds to an operation."""

    def __init__(self, path: str, method: str, operation: Part, manners: Manners) -> None:
        self.path, self.operation, self.manners = path, operation, manners
        self.protected = API_KEY.scheme_name in {name for one in operation.get("security", []) for name in one}
        self.takes_bodies = method == "post"
        self.deferred = self.takes_bodies and (manners.deferred is None or path in manners.deferred)

    def answers(self) -> Part:
        found = OF_ALL | self._admission()
        if self.takes_bodies:
            return found | OF_BODIES | (OF_DEFERRED if self.deferred else {}) | self._refusals()
        return found | self._refusals() if self.protected else found

    def own_answers(self) -> Part:
        """What the route says, with FastAPI's answer to a wrong request under the status that it has here."""
        own = dict(self.operation["responses"])
        invalid = str(self.manners.errors.invalid)
        if invalid != "422" and "HTTPValidationError" in str(own.get("422")):
            del own["422"]
            own.setdefault(invalid, {"description": "The request is not as described; the answer names the field."})
        return own

    def headers(self) -> list[Part]:
        return [PREFER, UPLOAD_KEY] if self.deferred else [UPLOAD_KEY]

    def _admission(self) -> Part:
        admission = self.manners.admission
        return admission.answers if admission and self.path not in admission.free else {}

    def _refusals(self) -> Part:
        when = "" if self.protected else " Only with Prefer or X-Upload-Key."
        if self.manners.credentials is API_KEY:
            missing, wrong = "API key required.", "Invalid API key, or something of another caller."
        else:
            missing, wrong = "No token, or an invalid one.", "Something of another caller."
        return {"401": {"description": f"{missing}{when}"}, "403": {"description": f"{wrong}{when}"}}


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
    "303": {
        "description": "The answer is too large for this API and waits elsewhere for an hour.",
        "headers": {"Location": _header("Where to GET it.")},
    },
    "400": {"description": "The body can't be parsed."},
    "404": {"description": f"{UPLOAD_KEY_HEADER} names nothing that was uploaded."},
    "413": {"description": "The body is too large: upload it first, or it is too large for that, too."},
    "504": {"description": "It took too long: repeat it with `Prefer: respond-async`."},
}
OF_DEFERRED: Part = {
    "202": {
        "description": "The request is a job now, as `Prefer: respond-async` asked.",
        "headers": {
            "Location": _header("The job's address, relative to the request's."),
            "Preference-Applied": _header("`respond-async`"),
            "Retry-After": _header("Seconds until it is worth asking."),
        },
        "content": _json_of(Job),
    },
}
