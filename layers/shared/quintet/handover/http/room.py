"""What the room's routes ask for: the room, who calls and from where, and bodies within their limits."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, cast

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from quintet.entry.bodies import in_one_piece
from quintet.entry.caller import Caller
from quintet.entry.identity import known_caller
from quintet.entry.jobs import Deferrals
from quintet.entry.uploads import UPLOAD_KEY_HEADER
from quintet.handover.limits import Pace
from quintet.handover.metrics_gate import MetricsGate
from quintet.handover.tokens import Login
from quintet.kernel.errors import TooLarge

if TYPE_CHECKING:  # each function carries only what its own routes need
    from quintet.handover.breakers import Breakers
    from quintet.handover.collection_runs import Collections
    from quintet.handover.feedback import Feedback
    from quintet.handover.messages import Kind
    from quintet.handover.nef import NefClient
    from quintet.handover.pictures import Pictures
    from quintet.handover.prediction import Predictor
    from quintet.handover.serving import Serving
    from quintet.handover.settings import Models
    from quintet.handover.trainings import Trainings
    from quintet.kernel.telemetry import Telemetry

JSON = "application/json"
MB = 1_000_000
INLINE = 64 * 1024
"""Bytes of a body that is read at once; larger ones keep nobody waiting meanwhile."""

Responses = dict[int | str, dict[str, Any]]
Model = TypeVar("Model")


class HandoverRoom(Protocol):
    @property
    def deferrals(self) -> Deferrals | None: ...
    @property
    def login(self) -> Login: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def metrics_gate(self) -> MetricsGate: ...
    @property
    def predictor(self) -> "Predictor": ...
    @property
    def telemetry(self) -> "Telemetry": ...
    @property
    def serving(self) -> "Serving": ...
    @property
    def models(self) -> "Models": ...
    def kind(self) -> "Kind": ...
    @property
    def trainings(self) -> "Trainings": ...
    @property
    def collections(self) -> "Collections": ...
    @property
    def feedback(self) -> "Feedback": ...
    @property
    def nef(self) -> "NefClient": ...
    @property
    def breakers(self) -> "Breakers": ...
    @property
    def pictures(self) -> "Pictures": ...
    def scrape(self) -> bytes: ...


def the_room(request: Request) -> HandoverRoom:
    return cast("HandoverRoom", request.app.state.room())


def address_of(request: Request) -> str:
    """Where the request came from, as API Gateway or the connection says it: never what a header says."""
    return (request.client.host if request.client else "") or "unknown"


async def _room(request: Request) -> HandoverRoom:
    return the_room(request)


async def _address(request: Request) -> str:
    return address_of(request)


# coroutines, for FastAPI asks others in threads
TheRoom = Annotated[HandoverRoom, Depends(_room)]
TheCaller = Annotated[Caller, Depends(known_caller)]
TheAddress = Annotated[str, Depends(_address)]

UNUSABLE: Responses = {
    400: {"description": "The request is not as described; the answer names the field."},
    413: {
        "description": "The body is too large for this route, or for the way it came: what is larger than the API "
        f"takes is uploaded first (`POST /uploads`) and named by {UPLOAD_KEY_HEADER}."
    },
    415: {"description": "The body is said to be something else than JSON."},
}


def sent(model: Any, *, megabytes: int, optional: bool = False) -> Callable[[Request], Awaitable[Any]]:
    """A dependency that gives the body as `model`. Where it is `optional`, none is an empty object."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)

    async def read(request: Request) -> Any:
        check_is_json(request)
        body = await body_within(request, megabytes) or (b"{}" if optional else b"")
        return checked(adapter, body) if len(body) <= INLINE else await run_in_threadpool(checked, adapter, body)

    return read


def check_is_json(request: Request) -> None:
    """Raises HTTPException (415). Parameters of a type do no harm, and where none is said it may be JSON."""
    said = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if said != JSON and not (said.startswith("application/") and said.endswith("+json")):
        raise HTTPException(415, f"Content-Type must be {JSON}; an upload is announced with it as its content_type")


async def body_within(request: Request, megabytes: int) -> bytes:
    """Raises TooLarge."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > megabytes * MB:
        raise too_large(megabytes)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > megabytes * MB:
            raise too_large(megabytes)
    return bytes(body)


def too_large(megabytes: int) -> TooLarge:
    said = f"The body of this route may have at most {megabytes} MB."
    if megabytes >= 10:
        said += (
            " Beyond what the API itself takes (10 MB, and about 4.5 MB on Lambda) send POST /uploads with size and"
            f" content_type {JSON}, PUT the bytes to the url of the answer, and repeat the request with its upload_key"
            f" in the header {UPLOAD_KEY_HEADER} instead of a body."
        )
    return TooLarge(said)


def checked(adapter: TypeAdapter[Model], body: bytes) -> Model:
    """JSON's own types alone: neither "1" nor true is a number. Raises RequestValidationError."""
    try:
        return adapter.validate_json(body, strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in problems]) from None


_BODIES: list[tuple[Any, bool]] = []
_BODY = "x-body"


def described(model: Any, *, optional: bool = False) -> dict[str, Any]:
    """What a route's `openapi_extra` says of a body that `sent` reads: which one. `describe_bodies` says the rest."""
    _BODIES.append((model, optional))
    return {_BODY: len(_BODIES) - 1}


def describe_bodies(document: dict[str, Any]) -> None:
    """Done when the document is asked for, for it takes a while."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if _BODY in operation:
                model, optional = _BODIES[operation.pop(_BODY)]
                schema = in_one_piece(TypeAdapter(model).json_schema())
                operation["requestBody"] = {"required": not optional, "content": {JSON: {"schema": schema}}}


def told(answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """As it is: it was checked when it was made."""
    return Response(answer.model_dump_json(by_alias=True), status, headers, media_type=JSON)
