"""Calls to other services over HTTP. Redirections are not followed: whom we tell is a setting's word alone.

No proxy of the environment's stands between: a call goes to the address that was checked, or to where its URL says.
"""

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from quintet.kernel.calls import ANSWER_BYTES, Answer
from quintet.kernel.clock import stopwatch
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
            return Answer(answer.status, _body(answer), _headers_of(answer))

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
            return Answer(answer.status, _body(answer), _headers_of(answer))


def addresses_of(host: str, port: int) -> list[str]:
    """What `host` resolves to now, each address once. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} can't be resolved", reason=str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Limit:
    """A moment after which there is no more waiting, however busily the other side goes on."""

    def __init__(self, seconds: float) -> None:
        self._end = stopwatch() + seconds

    def left(self) -> float:
        """Seconds. Raises TimeoutError where there are none."""
        left = self._end - stopwatch()
        if left <= 0:
            raise TimeoutError("it takes too long")
        return left


class _Timed(socket.socket):
    """Each time it waits it waits for as long as is left."""

    limit: _Limit

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self.settimeout(self.limit.left())
        return super().recv_into(*arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        self.settimeout(self.limit.left())
        return super().send(*arguments, **named)


class _TimedTls(_Timed, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    """To one of `addresses`, with the name of `host` in its certificate and its header."""

    def __init__(self, host: str, port: int, *, secure: bool, seconds: float, addresses: Sequence[str] | None) -> None:
        super().__init__(host, port)
        self.default_port = 443 if secure else 80
        self._secure = secure
        self._addresses = addresses
        self._limit = _Limit(seconds)

    def connect(self) -> None:
        sock = _Timed(fileno=self._connected().detach())
        sock.limit = self._limit
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(self._limit.left())
        self.sock = self._with_tls(sock) if self._secure else sock

    def _with_tls(self, sock: _Timed) -> _TimedTls:
        context = _tls()
        context.sslsocket_class = _TimedTls
        secure = context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        assert isinstance(secure, _TimedTls)
        secure.limit = self._limit
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            raise
        return secure

    def _connected(self) -> socket.socket:
        failure: OSError | None = None
        for address in [self.host] if self._addresses is None else self._addresses:
            try:
                return socket.create_connection((address, self.port), self._limit.left())
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
    with closing(connection), _sent(connection, request) as answer:
        yield answer


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
        return connection.getresponse()
    except (OSError, HTTPException, ValueError) as error:
        said = {"host": connection.host, "reason": f"{type(error).__name__}: {error}"}
        raise Unavailable("the service does not answer", **said) from error


def _login(url: SplitResult) -> dict[str, str]:
    """A name and a password in the address are sent as such."""
    if not url.username:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _headers_of(answer: HTTPResponse) -> Mapping[str, str]:
    names = {name.lower() for name in answer.headers}
    return {name: ", ".join(answer.headers.get_all(name) or ()) for name in names}


def _body(answer: HTTPResponse) -> bytes:
    """What comes of it until it ends, breaks off, or is too long."""
    pieces: list[bytes] = []
    size = 0
    with suppress(OSError, HTTPException):
        while size < ANSWER_BYTES and (piece := answer.read1(_PIECE)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)[:ANSWER_BYTES]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
