"""Calls to other services over real connections, and those in memory: what they promise."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, NamedTuple

import pytest
import trustme

from quintet.adapters import http_calls
from quintet.adapters.http_calls import HttpCalls, addresses_of
from quintet.adapters.memory_calls import Call, MemoryCalls
from quintet.kernel.calls import Answer, Calls
from quintet.kernel.errors import Unavailable

pytestmark = pytest.mark.enable_socket

NOBODY = "127.0.0.99"


class Heard(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Service(NamedTuple):
    url: str
    heard: list[Heard]
    port: int


@contextmanager
def serving(certificate: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Answers with the status that is the last part of the path and its own method; 302 leads to /elsewhere/200."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append(Heard(self.command, self.path, dict(self.headers.items()), body))
            said = self.command.encode()
            self.send_response(int(self.path.split("?")[0].split("/")[-1]))
            self.send_header("Location", "/elsewhere/200")
            for one in ("first", "second"):
                self.send_header("X-Said", one)
            self.send_header("Content-Length", str(len(said) if "whole" in self.path else 10**9))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 -- the library's names

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Service(f"http://127.0.0.1:{server.server_port}", heard, server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as one:
        yield one


class CallsContract:
    @pytest.fixture
    def calls(self) -> Calls:
        raise NotImplementedError

    @pytest.mark.parametrize("status", [200, 202, 302, 404, 503])
    def test_the_status_is_the_answer(self, calls: Calls, service: Service, status: int) -> None:
        """Wherever it leads."""
        assert calls.get(f"{service.url}/whole/{status}", seconds=30) == Answer(status, b"GET")
        assert calls.post(f"{service.url}/whole/{status}", b"{}", seconds=30) == Answer(status, b"POST")

    def test_headers_are_told_by_their_names_in_lower_case(self, calls: Calls, service: Service) -> None:
        for answer in (
            calls.get(f"{service.url}/whole/307", seconds=30),
            calls.post(f"{service.url}/whole/307", b"{}", seconds=30),
        ):
            assert answer.headers["location"] == "/elsewhere/200"
            assert answer.headers["x-said"] == "first, second"
            assert "x-unsaid" not in answer.headers

    def test_who_is_not_there_is_unavailable(self, calls: Calls) -> None:
        with pytest.raises(Unavailable):
            calls.get("http://127.0.0.1:9/x", seconds=30)
        with pytest.raises(Unavailable):
            calls.post("http://127.0.0.1:9/x", b"", seconds=30)


class TestMemory(CallsContract):
    @pytest.fixture
    def calls(self) -> Calls:
        def answer(call: Call) -> Answer:
            if ":9/" in call.url:
                raise Unavailable("the service does not answer")
            said = {"location": "/elsewhere/200", "x-said": "first, second"}
            return Answer(int(call.url.split("/")[-1]), call.method.encode(), said)

        return MemoryCalls(answer)


class TestHttp(CallsContract):
    @pytest.fixture
    def calls(self) -> Calls:
        return HttpCalls()


def test_body_and_headers_arrive_as_they_were_given(service: Service) -> None:
    url = f"http://hooks.example.org:{service.port}/a%2Fb/whole/200?x=1#here"
    HttpCalls().post(url, "{ü}".encode(), headers={"Idempotency-Key": "k"}, seconds=30, addresses=[NOBODY, "127.0.0.1"])
    (heard,) = service.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/a%2Fb/whole/200?x=1", "{ü}".encode())
    assert heard.headers["Host"] == f"hooks.example.org:{service.port}"
    assert heard.headers["Idempotency-Key"] == "k"
    assert "Authorization" not in heard.headers


def test_a_login_in_the_address_is_sent(service: Service) -> None:
    HttpCalls().get(f"http://ada:p%40ss@127.0.0.1:{service.port}/whole/200", seconds=30)
    assert service.heard[0].headers["Authorization"] == "Basic YWRhOnBAc3M="
    assert service.heard[0].headers["Host"] == f"127.0.0.1:{service.port}"


def test_no_proxy_of_the_environment_is_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert HttpCalls().get(f"{service.url}/whole/200", seconds=30).status == 200


def test_only_the_given_addresses_are_connected_to(service: Service) -> None:
    """Although the URL's own host would answer."""
    with pytest.raises(Unavailable):
        HttpCalls().post(f"{service.url}/whole/200", b"", seconds=30, addresses=[NOBODY])
    with pytest.raises(Unavailable):
        HttpCalls().post(f"{service.url}/whole/200", b"", seconds=30, addresses=[])
    assert service.heard == []


class TestTls:
    @pytest.fixture
    def secure(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
        """With the certificate of hooks.example.org, by an authority that we trust."""
        authority = trustme.CA()
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("hooks.example.org").configure_cert(server)
        authority.configure_trust(client)
        monkeypatch.setattr(http_calls, "_tls", lambda: client)
        with serving(server) as one:
            yield one

    def test_the_certificate_is_that_of_the_urls_host(self, secure: Service) -> None:
        url = f"https://hooks.example.org:{secure.port}/whole/201"
        assert HttpCalls().post(url, b"{}", seconds=30, addresses=["127.0.0.1"]).status == 201

    @pytest.mark.parametrize("host", ["other.example.org", "127.0.0.1"])
    def test_another_name_is_refused(self, secure: Service, host: str) -> None:
        with pytest.raises(Unavailable) as refusal:
            HttpCalls().post(f"https://{host}:{secure.port}/whole/200", b"", seconds=30, addresses=["127.0.0.1"])
        assert "certificate" in str(refusal.value.details["reason"]).lower()
        assert secure.heard == []

    def test_an_authority_that_we_do_not_know_is_refused(
        self, secure: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        url = f"https://hooks.example.org:{secure.port}/whole/200"
        with pytest.raises(Unavailable):
            HttpCalls().post(url, b"", seconds=30, addresses=["127.0.0.1"])
        assert secure.heard == []


@contextmanager
def saying(*pieces: bytes, endless: bytes = b"") -> Iterator[int]:
    """Somebody who says this to whoever calls, and then `endless` again and again, and never hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def talk() -> None:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            held.append(caller)
            try:
                caller.sendall(b"".join(pieces))
                while endless:
                    caller.sendall(endless)
            except OSError:
                return

        thread = Thread(target=talk)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            for caller in held:
                caller.close()
            server.close()
            with_nobody_left(thread)


def with_nobody_left(thread: Thread) -> None:
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "talk",
    [
        saying,
        lambda: saying(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        lambda: saying(b"HTTP/1.1 200 OK\r\nX-Slow: ", endless=b"x"),
        lambda: saying(b"HTTP/1.1 100 Continue\r\n\r\n", endless=b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "headers that stop", "headers without end", "always about to answer"],
)
def test_an_answer_that_does_not_come_in_time_is_none(talk: Callable[[], Any]) -> None:
    with talk() as port, pytest.raises(Unavailable):
        HttpCalls().get(f"http://127.0.0.1:{port}/", seconds=0.3)


def test_an_answer_that_breaks_off_is_one() -> None:
    """Who was told and said so need not be told again."""
    with saying(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\nas far as") as port:
        answer = HttpCalls().post(f"http://127.0.0.1:{port}/", b"", seconds=0.5)
    assert answer == Answer(202, b"as far as")


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_calls, "ANSWER_BYTES", 300_000)
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"x" * 10_000) as port:
        assert HttpCalls().get(f"http://127.0.0.1:{port}/", seconds=30) == Answer(200, b"x" * 300_000)


@pytest.mark.parametrize(
    "url",
    ["http://[::", "http:///x", "http://a b/", "ftp://127.0.0.1/x", "file:///etc/passwd", "//127.0.0.1/", "",
     "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX: y", "http://\ud800/"],
)  # fmt: skip
def test_what_is_no_address_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        HttpCalls().get(url, seconds=30)


def test_a_hosts_addresses() -> None:
    assert addresses_of("127.0.0.1", 80) == ["127.0.0.1"]
    for nobody in ("nobody.invalid", "a" * 70, "\ud800"):
        with pytest.raises(Unavailable):
            addresses_of(nobody, 80)


class TestPut:
    """What the calibrator tells the connections service with."""

    @pytest.mark.parametrize("status", [200, 302, 404, 409, 503])
    def test_the_status_is_the_answer(self, service: Service, status: int) -> None:
        """However long the rest of the answer is, and wherever it leads."""
        assert HttpCalls().put(f"{service.url}/sessions/a%2Fb/status/{status}", {"user_id": "ü"}) == status
        (heard,) = service.heard
        assert (heard.method, heard.path) == ("PUT", f"/sessions/a%2Fb/status/{status}")
        assert heard.headers["Content-Type"] == "application/json"
        assert json.loads(heard.body) == {"user_id": "ü"}

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://[::", "http:///x", "http://a b/"])
    def test_a_service_that_is_not_there_is_unavailable(self, url: str) -> None:
        with pytest.raises(Unavailable):
            HttpCalls().put(url, {})

    def test_a_service_that_never_answers_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("quintet.adapters.http_calls.SECONDS", 0.3)
        with saying() as port, pytest.raises(Unavailable):
            HttpCalls().put(f"http://127.0.0.1:{port}/x", {})
