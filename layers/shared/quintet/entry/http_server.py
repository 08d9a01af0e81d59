"""The HTTP door of a container: an app on uvicorn, which sees clients go and bears only so many.

server = HttpServer(app, port=8000)
server.start()
...
server.stop(grace=20)
"""

import asyncio
import logging
import socket
import ssl
from threading import Event, Thread

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from fastapi import FastAPI
from typing_extensions import override

from quintet.entry.answers import HOUSE_FORM, ErrorForm
from quintet.entry.disconnects import Disconnects
from quintet.entry.http_limits import Limits
from quintet.entry.tracebacks import where
from quintet.entry.worker import beside
from quintet.kernel.errors import Misconfigured
from quintet.kernel.log import logger
from quintet.kernel.settings import HttpServerSettings, HttpSettings, PlaceSettings, read

RESERVE = 16
"""Threads beside those for requests that wait: for the ones that don't."""

KEEP_ALIVE_SECONDS = 75
"""Longer than a load balancer keeps a connection (60 s): else it may send into one that is just being closed."""

BACKLOG = 2048
PATIENCE = 30.0


class HttpServer:
    """Listens from the beginning, and answers from `start` to `stop`, on threads of its own. `port` 0 is any free one.

    Raises Misconfigured where it could never serve.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        port: int,
        settings: HttpServerSettings | None = None,
        errors: ErrorForm = HOUSE_FORM,
    ) -> None:
        self._settings = settings or read(HttpServerSettings)
        self._log = logger(f"{read(PlaceSettings).room}-rest")
        self._server = _Server(_config(_guarded(app, self._settings, errors), self._settings))
        self._listening = _listen(self._settings, port)
        self.port: int = self._listening.getsockname()[1]
        self._thread: Thread | None = None

    def start(self) -> None:
        copy_config_to_registered_loggers(self._log, include={"uvicorn.error"}, log_level=logging.WARNING)
        self._thread = beside(self._serve, name="rest", on_failure=self._log_failure)
        if not self._server.ready.wait(PATIENCE) or not self._server.started:
            raise Misconfigured("the HTTP door does not open: see the log")

    def stop(self, grace: float) -> None:
        """Nobody is let in any more, at once; what is being answered has `grace` seconds, then it is cancelled."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        asyncio.run(self._serve_with_threads())

    async def _serve_with_threads(self) -> None:
        current_default_thread_limiter().total_tokens = self._settings.requests + RESERVE
        await self._server.serve([self._listening])

    def _log_failure(self, error: Exception) -> None:
        self._log.error("the HTTP door has fallen shut", extra={"traceback": where(error)})
        self._server.ready.set()


class _Server(uvicorn.Server):
    """Tells when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _guarded(app: FastAPI, settings: HttpServerSettings, errors: ErrorForm) -> Disconnects:
    megabytes = read(HttpSettings).upload_limit_mb
    return Disconnects(Limits(app, settings.requests, megabytes, settings.body_seconds, errors))


def _config(app: Disconnects, settings: HttpServerSettings) -> uvicorn.Config:
    certificate, key = settings.certificate_file or None, settings.key_file or None
    if bool(certificate) != bool(key):
        raise Misconfigured("TLS for HTTP needs both: set HTTP_TLS_CERT_FILE and HTTP_TLS_KEY_FILE, or neither")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,  # a client's address is where it calls from, not what it says of itself
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"set HTTP_TLS_CERT_FILE and HTTP_TLS_KEY_FILE to a certificate and its key, PEM: {error.strerror}"
        ) from None
    return config


def _listen(settings: HttpServerSettings, port: int) -> socket.socket:
    host = settings.host or ("127.0.0.1" if read(PlaceSettings).local else "0.0.0.0")  # noqa: S104 - a container's
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        said = f"the HTTP door can't listen on {host}:{port} ({error.strerror})"
        raise Misconfigured(f"{said}: another port, or end what has it") from None
