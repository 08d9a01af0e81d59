"""What a server with connections bears: so many requests at one time, so large, sent in so long.

API Gateway sees to that on Lambda; in a container this middleware does.
"""

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quintet.entry.answers import ErrorForm, answer_to
from quintet.kernel.errors import Overloaded
from quintet.kernel.ids import new_id

MIB = 1024 * 1024


@dataclass
class Limits:
    """ASGI middleware. `requests` counts all but GET, which never waits for anything, so that health is told in a
    crowd, too; `seconds` is for a whole body.
    """

    app: ASGIApp
    requests: int
    megabytes: int
    seconds: float
    errors: ErrorForm
    present: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
        elif self.present >= self.requests:
            busy = Overloaded("Too many requests at one time: try again later.")
            await answer_to(busy, self.errors, new_id())(scope, receive, send)
        else:
            self.present += 1
            try:
                await self.app(scope, _Body(self, scope, receive).receive, send)
            finally:
                self.present -= 1


class _Body:
    """A request's body, as far as it is let in."""

    def __init__(self, limits: Limits, scope: Scope, receive: Receive) -> None:
        self._limits, self._receive = limits, receive
        announced = Headers(scope=scope).get("content-length", "")
        self._bytes = int(announced) if announced.isdecimal() else 0
        self._announced = bool(self._bytes)
        self._deadline = asyncio.get_running_loop().time() + limits.seconds
        self._whole = False

    async def receive(self) -> Message:
        """Raises HTTPException, which the app answers."""
        self._check_size()
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"The body took longer than {self._limits.seconds:g} seconds.") from None
        self._whole = not message.get("more_body", False)
        if not self._announced:
            self._bytes += len(message.get("body", b""))
            self._check_size()
        return message

    def _check_size(self) -> None:
        if self._bytes > self._limits.megabytes * MIB:
            raise HTTPException(413, f"The body is larger than {self._limits.megabytes} MiB.")
