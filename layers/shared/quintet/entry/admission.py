"""Whether a request is looked at, at all."""

from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from quintet.entry.identity import REMEMBERED
from quintet.entry.manners import Admission
from quintet.entry.threads import Aside


@dataclass
class Admitted:
    """ASGI middleware. The request that a job remembers was admitted when the job was taken."""

    app: ASGIApp
    admission: Admission
    aside: Aside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and REMEMBERED not in scope and scope["path"] not in self.admission.free:
            await self.aside(self.admission.admit, Request(scope))
        await self.app(scope, receive, send)
