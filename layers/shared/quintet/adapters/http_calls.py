"""Calls to other services over HTTP. Redirections are not followed: whom we tell is a setting's word alone.

No proxy of the environment's stands between: a call goes to the address that was checked, or to where its URL says.
"""

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Timer
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from quintet.kernel.calls import ANSWER_BYTES, Answer
from quintet.kernel.errors import Unavailable

SECONDS = 5.0
"""How long a call may take, connection and answer together, where its caller does not say."""

_PIECE = 64 * 1024
_HEADERS = {"Accept": "application/json", "User-Agent": "quintet"}


class Request(NamedTuple):
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]


class HttpCalls:
    def put(self, url: str, content: Mapping[str, str]) -> int:
        """The answer's status. Raises Unavailable where there is none."""
        body = json.dumps(dict(content), ensure_ascii=False).encode()
        with _answering(Request("PUT", url, body, {"Content-Type": "application/json"}), SECONDS, None) as answer:
            return answer.status

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, seconds: float) -> Answer:
        with _answering(Request("GET", url, None, headers or {}), seconds, None) as answer:
            return Answer(answer.status, _body(answer))

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float,
        addresses: Sequence[str] | None = None,
    ) -> Answer:
        with _answering(Request("POST", url, body, headers or {}), seconds, addresses) as answer:
            return Answer(answer.status, _body(answer))


def addresses_of(host: str, port: int) -> list[str]:
    """What `host` resolves to now, each address once. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} can't be resolved", reason=str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Connection(HTTPConnection):
    """To one of `addresses`, with the name of `host` in its certificate and its header."""

    def __init__(self, host: str, port: int, *, secure: bool, seconds: float, addresses: Sequence[str] | None) -> None:
        super().__init__(host, port, timeout=seconds)
        self.default_port = 443 if secure else 80
        self._secure = secure
        self._addresses = addresses
        self.over = False

    def connect(self) -> None:
        self.sock = self._connected()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._secure:
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
        if self.over:
            raise TimeoutError("the time was over before there was a connection")

    def break_off(self) -> None:
        """From any thread: whoever waits for the other side waits no more."""
        self.over = True
        if self.sock is not None:
            with _ignored():
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def _connected(self) -> socket.socket:
        failure: OSError | None = None
        for address in [self.host] if self._addresses is None else self._addresses:
            try:
                return socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failure = error
        raise failure or OSError("there is no address to connect to")


@contextmanager
def _answering(request: Request, seconds: float, addresses: Sequence[str] | None) -> Iterator[HTTPResponse]:
    """The answer as far as its headers. Raises Unavailable where it does not come within `seconds`."""
    try:
        connection = _connection(urlsplit(request.url), seconds, addresses)
    except (ValueError, HTTPException) as error:
        raise Unavailable("the service's address is none", reason=str(error)) from error
    limit = Timer(seconds, connection.break_off)
    limit.daemon = True
    limit.start()
    try:
        yield _sent(connection, request)
    finally:
        limit.cancel()
        connection.close()


def _connection(url: SplitResult, seconds: float, addresses: Sequence[str] | None) -> _Connection:
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("an address begins with http:// or https:// and a host")
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    return _Connection(url.hostname, port, secure=secure, seconds=seconds, addresses=addresses)


def _sent(connection: _Connection, request: Request) -> HTTPResponse:
    url = urlsplit(request.url)
    target = url._replace(scheme="", netloc="", path=url.path or "/", fragment="").geturl()
    try:
        connection.request(request.method, target, request.body, {**_HEADERS, **_login(url), **request.headers})
        answer = connection.getresponse()
        if connection.over:  # what was cut off by us looks like an answer without headers
            raise TimeoutError("the time was over before the answer began")
        return answer
    except (OSError, HTTPException, ValueError) as error:
        said = {"host": connection.host, "reason": f"{type(error).__name__}: {error}"}
        raise Unavailable("the service does not answer", **said) from error


def _login(url: SplitResult) -> dict[str, str]:
    """A name and a password in the address are sent as such."""
    if not url.username:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _body(answer: HTTPResponse) -> bytes:
    """What comes of it until it ends, breaks off, or is too long."""
    pieces: list[bytes] = []
    size = 0
    with _ignored():
        while size < ANSWER_BYTES and (piece := answer.read1(_PIECE)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)[:ANSWER_BYTES]


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException):
        return


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
