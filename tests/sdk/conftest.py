"""What the tests of the owners' side share."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.sdk.hall import Hall, Household


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def household(tmp_path: Path) -> Household:
    """Three owners."""
    return Household(tmp_path, 3)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whoever runs the tests."""
    for name in ("ID", "ORCHESTRATOR_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def url(hall: Hall) -> Iterator[str]:
    """Of the hall behind a real socket."""

    async def answer(request: Request) -> Response:
        asked = httpx.Request(
            request.method, str(request.url), headers=dict(request.headers), content=await request.body()
        )
        told = await run_in_threadpool(hall.answer, asked)
        return Response(told.content, told.status_code, media_type="application/json")

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off", ws="none"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
