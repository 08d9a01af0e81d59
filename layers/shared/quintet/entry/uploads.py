"""Bodies too large for API Gateway: uploaded first, then named.

`POST /uploads` gives a URL for one PUT. A later request of the same caller that carries `X-Upload-Key` instead of a
body is answered as if the uploaded bytes had been its body: JSON as it is, anything else as the form field `file`.
The other way round, an answer too large for Lambda is stored, and the caller is sent there (303).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quintet.entry.caller import Caller
from quintet.entry.identity import REMEMBERED, CallerFirst, caller_of, known_caller
from quintet.entry.ports import Objects
from quintet.kernel.clock import Clock
from quintet.kernel.errors import NotFound, PermissionDenied, TooLarge
from quintet.kernel.ids import new_id

UPLOAD_KEY_HEADER = "X-Upload-Key"
EXPIRES = timedelta(days=1)
ANSWER_LIMIT = 5 * 1024 * 1024
"""Bytes of an answer, as JSON text, that surely fit into the 6 MB of a Lambda response."""


@dataclass(frozen=True)
class Uploads:
    """Where large bodies wait. `limit` is the largest upload, in bytes."""

    objects: Objects
    limit: int
    clock: Clock


class UploadsRoom(Protocol):
    @property
    def uploads(self) -> Uploads | None: ...


class UploadRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1, description="Bytes that will be sent, exactly.")
    content_type: str = Field("text/csv", pattern=r"^[\w.+-]+/[\w.+-]+$", description="Their Content-Type, exactly.")


class Upload(BaseModel):
    model_config = ConfigDict(frozen=True)

    upload_key: str = Field(description=f"Send it as {UPLOAD_KEY_HEADER} with the request that is to use the bytes.")
    method: str = "PUT"
    url: str = Field(description="Takes one PUT of the announced size and type. It lasts until `expires_at`, and "
                                 "no longer than the credentials of the function that signed it.")  # fmt: skip
    headers: dict[str, str] = Field(description="Headers to send with the PUT.")
    expires_at: datetime


def upload_routes() -> APIRouter:
    router = APIRouter(tags=["large bodies"], route_class=CallerFirst)

    @router.post("/uploads", status_code=201)
    def announce_upload(
        wanted: UploadRequest, request: Request, caller: Annotated[Caller, Depends(known_caller)]
    ) -> Upload:
        """A place for a body that is too large for this API: PUT it there, then send its key instead of a body."""
        uploads: Uploads | None = request.app.state.room().uploads
        if uploads is None:
            raise NotFound("this deployment takes no uploads: it has no bucket")
        return announce(wanted, uploads, caller)

    return router


def announce(wanted: UploadRequest, uploads: Uploads, caller: Caller) -> Upload:
    """A new place of `caller`'s own. Raises TooLarge."""
    if wanted.size > uploads.limit:
        raise TooLarge(f"an upload may have at most {uploads.limit} bytes, this one would have {wanted.size}")
    key = f"{_prefix(caller)}{new_id()}"
    url = uploads.objects.upload_url(
        key, size=wanted.size, content_type=wanted.content_type, seconds=int(EXPIRES.total_seconds())
    )
    return Upload(
        upload_key=key,
        url=url,
        headers={"Content-Type": wanted.content_type},
        expires_at=uploads.clock.now() + EXPIRES,
    )


def fetch(key: str, uploads: Uploads, caller: Caller) -> tuple[bytes, str]:
    """The uploaded bytes and their content type. Raises PermissionDenied, NotFound, TooLarge."""
    if not key.startswith(_prefix(caller)):
        raise PermissionDenied(f"{UPLOAD_KEY_HEADER} names no upload of this caller")
    if uploads.objects.size(key) > uploads.limit:
        uploads.objects.delete(key)
        raise TooLarge(f"an upload may have at most {uploads.limit} bytes; it was deleted")
    return uploads.objects.get(key)


def _prefix(caller: Caller) -> str:
    return f"uploads/{caller.id}/"


class UploadedBodies:
    """ASGI middleware that puts uploaded bytes where the body of the request would be."""

    def __init__(self, app: ASGIApp, room: Callable[[], UploadsRoom]) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Request(scope).headers.get(UPLOAD_KEY_HEADER) if scope["type"] == "http" else None
        uploads = self._room().uploads if key else None
        if key and uploads:
            body, content_type = await run_in_threadpool(_uploaded, key, uploads, Request(scope))
            scope = {**scope, "headers": _with_body_headers(scope["headers"], len(body), content_type)}
            receive = _one_body(body)
        await self._app(scope, receive, send)


def _uploaded(key: str, uploads: Uploads, request: Request) -> tuple[bytes, str]:
    return _as_body(*fetch(key, uploads, caller_of(request)))


def _as_body(content: bytes, content_type: str) -> tuple[bytes, str]:
    if content_type == "application/json":
        return content, content_type
    boundary = new_id()
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _with_body_headers(headers: list[tuple[bytes, bytes]], size: int, content_type: str) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() not in {b"content-type", b"content-length"}]
    return [*kept, (b"content-type", content_type.encode()), (b"content-length", str(size).encode())]


def _one_body(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


class LargeAnswers:
    """ASGI middleware for Lambda: an answer over the limit is stored and the caller sent there with 303."""

    def __init__(self, app: ASGIApp, room: Callable[[], UploadsRoom], limit: int = ANSWER_LIMIT) -> None:
        self._app = app
        self._room = room
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or REMEMBERED in scope:
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        uploads = self._room().uploads if len(body) > self._limit // 2 else None
        if uploads and len(json.dumps(body.decode(errors="replace"))) > self._limit:
            url = _store_answer(body, messages[0], uploads)
            await RedirectResponse(url, 303)(scope, receive, send)
            return
        for message in messages:
            await send(message)


def _store_answer(body: bytes, start: Message, uploads: Uploads) -> str:
    content_type = next((value.decode() for name, value in start["headers"] if name == b"content-type"), "")
    key = f"results/{new_id()}"
    uploads.objects.put(key, body, content_type=content_type or "application/octet-stream")
    return uploads.objects.download_url(key, seconds=3600)
