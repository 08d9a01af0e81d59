"""A door before a server that tests may shut: what goes through is forwarded byte for byte."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from urllib.parse import urlsplit


@dataclass
class Gate:
    """`shut` cuts what is open and refuses whoever comes; with `silently` they wait for an answer that never comes."""

    server: tuple[str, int]
    listening: socket.socket
    _open: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _sockets: list[socket.socket] = field(default_factory=list)
    _silent: bool = False

    @property
    def url(self) -> str:
        host, port = self.listening.getsockname()
        return f"http://{host}:{port}"

    def shut(self, *, silently: bool = False) -> None:
        self._silent = silently
        self._open.clear()
        if not silently:
            self._cut()

    def open(self) -> None:
        """Who waited in silence is sent away, to come again."""
        self._cut()
        self._open.set()

    def run(self) -> None:
        self._open.set()
        with suppress(OSError):
            while True:
                self._serve(self.listening.accept()[0])

    def close(self) -> None:
        self.listening.close()
        self._cut()

    def _serve(self, client: socket.socket) -> None:
        if not self._open.is_set():
            self._keep(client) if self._silent else client.close()
            return
        try:
            server = socket.create_connection(self.server)
        except OSError:
            client.close()
            return
        self._keep(client, server)
        for one, other in ((client, server), (server, client)):
            Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if not self._open.is_set():
                    return
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _keep(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets.extend(sockets)

    def _cut(self) -> None:
        with self._lock:
            cut, self._sockets = self._sockets, []
        for one in cut:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def gate_before(url: str) -> Iterator[Gate]:
    """Before the server at `url`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    gate = Gate((parts.hostname, parts.port or 80), socket.create_server(("127.0.0.1", 0)))
    Thread(target=gate.run, daemon=True).start()
    try:
        yield gate
    finally:
        gate.close()
