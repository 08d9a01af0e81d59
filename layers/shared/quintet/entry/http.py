"""The HTTP door: a FastAPI app with the house's manners, and the way to Lambda.

    app = http_app("Greeter", room=wiring, version="1")

    @app.get("/hello")
    def hello(caller: Annotated[Caller, Depends(known_caller)]) -> Greeting: ...

    handler = as_lambda(app)

What it adds to FastAPI: who the caller is; errors of the house as answers in the room's own form; a correlation id
that is taken from the caller or made, logged and returned; one log line and metrics a request, without bodies;
CORS; large bodies by upload (entry.uploads), long work as jobs (entry.deferral).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from quintet.entry.admission import Admitted
from quintet.entry.answers import ErrorBody, ErrorForm, answer_to, detail_body
from quintet.entry.caller import Gate
from quintet.entry.deferral import Deferral
from quintet.entry.described import DescribedApp, Problem
from quintet.entry.forms import SVG
from quintet.entry.identity import CallerFirst, known_caller
from quintet.entry.jobs import Deferrals, job_routes
from quintet.entry.manners import HOUSE_MANNERS, Manners
from quintet.entry.observation import ANSWERED_ERRORS, CORRELATION, CORRELATION_HEADER, Observation, OnAnswer
from quintet.entry.threads import aside
from quintet.entry.uploads import LargeAnswers, UploadedBodies, Uploads, upload_routes
from quintet.kernel.errors import QuintetError
from quintet.kernel.settings import HttpSettings, PlaceSettings, read

__all__ = ["HttpRoom", "as_lambda", "http_app", "known_caller"]


class HttpRoom(Protocol):
    """What the door needs of a room. `uploads` and `deferrals` are None where it has no bucket or queue."""

    @property
    def gate(self) -> Gate: ...
    @property
    def uploads(self) -> Uploads | None: ...
    @property
    def deferrals(self) -> Deferrals | None: ...
    def warm(self) -> None: ...


def http_app(  # noqa: PLR0913 - each is said by name
    title: str,
    *,
    room: Callable[[], HttpRoom],
    version: str,
    description: str = "",
    error_body: ErrorBody = detail_body,
    error_model: type[BaseModel] = Problem,
    on_answer: OnAnswer | None = None,
    manners: Manners = HOUSE_MANNERS,
) -> FastAPI:
    """A FastAPI app for one room; `room` is called first when a request needs it, never at import.

    `error_body` gives errors the room's own form and `error_model` describes it; `on_answer` is told the status and
    milliseconds of each answer; `manners` say what else this room's door does in its own way.
    """
    errors = replace(manners.errors, body=error_body) if error_body is not detail_body else manners.errors
    app = DescribedApp(
        title=title,
        version=version,
        description=description,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "."}],
        telemetry={"tracing": False, "metrics": False, "logs": False},  # asked for anew with each request
        redirect_slashes=False,  # a redirect would believe the Host header and lose a stage's name
    )
    app.error_model = error_model
    app.manners = manners
    app.router.route_class = CallerFirst
    app.state.room = room
    app.state.errors = errors
    app.state.aside = aside()
    _answer_errors(app, errors)
    _show_docs(app)
    app.include_router(upload_routes())
    app.include_router(job_routes())
    app.add_middleware(UploadedBodies, room=room)
    app.add_middleware(Deferral, room=room, paths=manners.deferred)
    if read(PlaceSettings).function:
        app.add_middleware(LargeAnswers, room=room)
    if manners.admission:
        app.add_middleware(Admitted, admission=manners.admission, aside=app.state.aside)
    app.add_middleware(Observation, errors=errors, on_answer=on_answer)
    _allow_browsers(app)  # last, hence outermost: errors need its headers too
    return app


def as_lambda(app: FastAPI) -> Callable[[Any, Any], Any]:
    """The Lambda handler of `app` for API Gateway's proxy events; the room is warmed while Lambda initialises."""
    if read(PlaceSettings).function:
        app.state.room().warm()
    handler: Callable[[Any, Any], Any] = Mangum(app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, SVG])
    return handler


def _answer_errors(app: FastAPI, errors: ErrorForm) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, QuintetError):
            request.scope.setdefault(ANSWERED_ERRORS, []).append(error)
        return answer_to(error, errors, request.scope.get(CORRELATION, ""))

    for kind in (QuintetError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _show_docs(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        """The API's page. Its address of the schema is relative: a stage's name may stand before both."""
        return get_swagger_ui_html(openapi_url="openapi.json", title=app.title)


def _allow_browsers(app: FastAPI) -> None:
    origins = [origin.strip() for origin in read(HttpSettings).cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[CORRELATION_HEADER, "Location", "Preference-Applied", "Retry-After"],
        )
