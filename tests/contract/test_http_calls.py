"""Calls to other services over real connections."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from quintet.adapters.http_calls import HttpCalls
from quintet.kernel.errors import Unavailable

pytestmark = pytest.mark.enable_socket

Heard = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def service() -> Iterator[tuple[str, Heard]]:
    """Answers with the status that is the last part of the path; 302 leads to /elsewhere/200."""
    heard: Heard = []

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/json"
            heard.append((self.path, body))
            self.send_response(int(self.path.split("/")[-1]))
            self.send_header("Location", "/elsewhere/200")
            self.send_header("Content-Length", str(10**9))
            self.end_headers()

        do_GET = do_PUT  # noqa: N815 -- the library's name

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 302, 404, 409, 503])
def test_the_status_is_the_answer(service: tuple[str, Heard], status: int) -> None:
    """However long the rest of the answer is, and wherever it leads."""
    url, heard = service
    assert HttpCalls().put(f"{url}/sessions/a%2Fb/status/{status}", {"user_id": "ü"}) == status
    assert heard == [(f"/sessions/a%2Fb/status/{status}", {"user_id": "ü"})]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://[::", "http:///x", "http://a b/"])
def test_a_service_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        HttpCalls().put(url, {})


def test_a_service_that_never_answers_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quintet.adapters.http_calls.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        HttpCalls().put(f"http://127.0.0.1:{silent.getsockname()[1]}/x", {})
