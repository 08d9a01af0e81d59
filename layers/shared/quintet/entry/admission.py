"""Whether a request is looked at, at all."""

from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from quintet.entry.identity import REMEMBERED
from quintet.entry.manners import Admission


@dataclass
class Admitted:
    """ASGI middleware. The request that a job remembers was admitted when the job was taken."""

    app: ASGIApp
    admission: Admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and REMEMBERED not in scope and scope["path"] not in self.admission.free:
            await run_in_threadpool(self.admission.admit, Request(scope))
        await self.app(scope, receive, send)
