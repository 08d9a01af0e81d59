"""The doors over real sockets, before an upstream that tells what it got."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore
import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.doors import Doors
from infra.local.gateway import MB, Answer, Api
from infra.local.ports import HOST, free

TOO_LARGE = Answer(413, {"content-type": "application/json", "x-from": "gateway"}, '{"error":"use POST /uploads"}')


@contextmanager
def served(app: ASGIApp, port: int) -> Iterator[None]:
    config = uvicorn.Config(app, HOST, port, log_level="error", lifespan="off", ws="none", date_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join(5)


async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells the request as it came, with two headers of one name."""
    request = Request(scope, receive)
    if scope["path"].endswith("/slow"):
        await asyncio.sleep(5)
    seen = {
        "method": request.method,
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": (await request.body())[:100].hex(),
        "length": len(await request.body()),
    }
    response = Response(json.dumps(seen), 418, media_type="application/json")
    response.raw_headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await response(scope, receive, send)


@pytest.fixture(scope="module")
def doors() -> Iterator[dict[str, str]]:
    """Two rooms, one of them with its upstream gone."""
    behind, open_door, orphan = free(), free(), free()
    apis = [
        Api("glucose", open_door, f"http://{HOST}:{behind}/_aws/execute-api/abc/local", ("image/png",), TOO_LARGE),
        Api("handover", orphan, f"http://{HOST}:{free()}/x"),
    ]
    both = Doors(apis, httpcore.AsyncConnectionPool(), timeout=1.0)
    with served(upstream, behind), served(both, open_door), served(both, orphan):
        yield {"glucose": f"http://{HOST}:{open_door}", "handover": f"http://{HOST}:{orphan}"}


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False) as made:
        yield made


def post(client: httpx.Client, url: str, **given: Any) -> httpx.Response:
    return client.post(url, **given)


def test_everything_arrives_as_it_was_sent(doors: dict[str, str], client: httpx.Client) -> None:
    sent = [("X-Many", "one"), ("X-Many", "two"), ("Content-Type", "image/png"), ("X-API-Key", "k")]
    answer = client.put(f"{doors['glucose']}/a%2Fb/c?x=1&x=2&y=%C3%A9", content=b"\x00\xff", headers=sent)
    seen = answer.json()
    assert (seen["method"], seen["body"]) == ("PUT", "00ff")
    assert seen["path"] == "/_aws/execute-api/abc/local/a%2Fb/c"
    assert seen["query"] == "x=1&x=2&y=%C3%A9"
    headers = [(name, value) for name, value in seen["headers"]]
    assert [value for name, value in headers if name == "x-many"] == ["one", "two"]
    assert ("x-api-key", "k") in headers
    assert ("host", doors["glucose"].removeprefix("http://")) in headers


def test_the_answer_comes_back_as_it_was_given(doors: dict[str, str], client: httpx.Client) -> None:
    answer = client.get(doors["glucose"])
    assert answer.status_code == 418
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_in_chunks_arrives_whole(doors: dict[str, str], client: httpx.Client) -> None:
    answer = post(client, doors["glucose"], content=(b"x" * 1000 for _ in range(1000)))
    assert answer.json()["length"] == 1_000_000


def test_an_announced_body_over_ten_megabytes_is_refused_unread(doors: dict[str, str], client: httpx.Client) -> None:
    answer = post(client, doors["glucose"], content=bytes(10 * MB + 1))
    assert (answer.status_code, answer.text) == (413, TOO_LARGE.body)
    assert answer.headers["x-from"] == "gateway"


def test_a_body_in_chunks_is_refused_when_it_passes_the_limit(doors: dict[str, str], client: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * MB:
            sent += MB
            yield bytes(MB)

    with suppress(httpx.TransportError):  # the door may close while the client still writes
        assert post(client, doors["glucose"], content=endless()).status_code == 413
    assert sent < 100 * MB


def test_an_event_over_six_megabytes_is_refused(doors: dict[str, str], client: httpx.Client) -> None:
    kind = {"content-type": "image/png"}
    assert post(client, doors["glucose"], content=bytes(5 * MB), headers=kind).status_code == 413
    assert post(client, doors["glucose"], content=bytes(4 * MB), headers=kind).status_code == 418
    assert post(client, doors["glucose"], content=bytes(1000)).status_code == 418


def test_what_takes_too_long_is_answered_as_the_gateway_does(doors: dict[str, str], client: httpx.Client) -> None:
    answer = client.get(f"{doors['glucose']}/slow")
    assert (answer.status_code, answer.json()) == (504, {"message": "Endpoint request timed out"})


def test_a_cloud_that_is_gone_is_told_with_what_to_do(doors: dict[str, str], client: httpx.Client) -> None:
    answer = client.get(doors["handover"])
    assert answer.status_code == 502
    assert "make up" in answer.json()["message"]
