"""The gRPC door: a server with the house's manners, for the services of any room.

    greeter = Service("greeter.Greeter", lambda server: add_GreeterServicer_to_server(Greeter(), server))
    server = GrpcServer([greeter], gate=..., ready=..., port=7003)
    server.start()
    ...
    server.stop(grace=20)

What it adds to grpc: who the caller is, from `x-api-key`; errors of the house as statuses; `x-correlation-id`, taken
from the caller or made, logged and returned; one log line a call; cancellation when the client goes away; refusal of
what is too much; health checking and reflection; TLS; an end that lets calls end. A servicer learns of its call by
`this_call()`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import grpc
from grpc_reflection.v1alpha import reflection

from quintet.entry.caller import Gate
from quintet.entry.grpc_calls import Call, Calls, OnAnswer, Service, this_call
from quintet.entry.grpc_health import SERVICE_NAME, Health
from quintet.entry.grpc_patience import Patience
from quintet.entry.grpc_threads import Threads
from quintet.entry.tracebacks import where
from quintet.entry.worker import beside
from quintet.kernel.errors import Misconfigured
from quintet.kernel.log import logger
from quintet.kernel.settings import GrpcSettings, PlaceSettings, read

__all__ = ["Call", "GrpcServer", "Service", "this_call"]

MIB = 1024 * 1024
SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_FOR_LAST_ANSWERS = 2.0  # to leave: what is given to grpc is not sent yet
RESERVE, RESERVE_LIMIT = 4, 1024
LOOKERS, LOOKERS_LIMIT = 4, 64
CONNECTION_SECONDS = 1800  # then a client connects anew, perhaps to a server that was not there before


class GrpcServer:
    """`gate` is first asked for when a call needs it; `ready` says every few seconds whether the room can work.
    `port` 0 is any free one. `on_answer` is told the status, as HTTP has it, and the milliseconds of each answer.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        gate: Callable[[], Gate],
        ready: Callable[[], bool],
        port: int,
        settings: GrpcSettings | None = None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self._settings = settings or read(GrpcSettings)
        self._log = logger(f"{read(PlaceSettings).room}-grpc")
        names = [service.name for service in services]
        self._threads = Threads(self._settings.threads, limit=self._settings.calls, name="grpc")
        self._reserve = Threads(RESERVE, limit=RESERVE_LIMIT, name="grpc-reserve")
        self._lookers = Threads(LOOKERS, limit=LOOKERS_LIMIT, name="grpc-reflection")
        self._patience = Patience(self._settings.message_seconds)
        self._health = Health(names, ready, self._reserve, self._log)
        self._over = Event()
        calls = Calls(
            services=dict(zip(names, services, strict=True)),
            own={SERVICE_NAME: self._reserve, reflection.SERVICE_NAME: self._lookers},
            gate=gate,
            threads=self._threads,
            reserve=self._reserve,
            patience=self._patience,
            log=self._log,
            on_answer=on_answer or (lambda status, milliseconds: None),
        )
        self._server = grpc.server(self._threads, interceptors=[calls], options=_options(self._settings))
        for service in services:
            service.add(self._server)
        self._health.add_to(self._server)
        reflection.enable_server_reflection([*names, SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        self.port = self._bind(port)

    def start(self) -> None:
        self._health.look()
        self._server.start()
        beside(self._keep_looking, name="grpc-looking", on_failure=self._log_failure)

    def stop(self, grace: float) -> None:
        """Health says NOT_SERVING and new calls are refused, at once; what is being answered has `grace` seconds, then
        it is cancelled.
        """
        self._over.set()
        self._health.leave()
        stopped = self._server.stop(grace)
        self._threads.wait_idle(grace)
        stopped.wait(min(grace, SECONDS_FOR_LAST_ANSWERS))
        self._server.stop(None).wait()  # who watches health, or holds reflection open, would do so for ever
        for threads in (self._threads, self._reserve, self._lookers):
            threads.shutdown(wait=False)

    def _keep_looking(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._health.look()
            self._patience.look()

    def _log_failure(self, error: Exception) -> None:
        self._log.error("the door looks after itself no more", extra={"traceback": where(error)})

    def _bind(self, port: int) -> int:
        place = f"{self._settings.host or ('127.0.0.1' if read(PlaceSettings).local else '0.0.0.0')}:{port}"  # noqa: S104 - a container's
        credentials = server_credentials(self._settings)
        try:
            if credentials:
                return self._server.add_secure_port(place, credentials)
            return self._server.add_insecure_port(place)
        except RuntimeError:
            raise Misconfigured(f"the gRPC door can't listen on {place}: another port, or end what has it") from None


def server_credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    """None where no certificate is set. Raises Misconfigured."""
    certificate, key, client_ca = settings.certificate_file, settings.key_file, settings.client_ca_file
    if not certificate and not key and not client_ca:
        return None
    if not certificate or not key:
        raise Misconfigured("TLS for gRPC needs both: set GRPC_TLS_CERT_FILE and GRPC_TLS_KEY_FILE, or neither")
    pair = _content("GRPC_TLS_KEY_FILE", key), _content("GRPC_TLS_CERT_FILE", certificate)
    known = _content("GRPC_TLS_CLIENT_CA_FILE", client_ca) if client_ca else None
    return grpc.ssl_server_credentials([pair], root_certificates=known, require_client_auth=known is not None)


def _content(variable: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"set {variable}: {error.strerror}: {file}") from None


def _options(settings: GrpcSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.message_limit_mb * MIB),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # else a second server on the same port would start, and take half of the calls
        ("grpc.max_connection_age_ms", 1000 * CONNECTION_SECONDS),  # what is being answered ends first
        ("grpc.keepalive_time_ms", 60_000),  # a client whose machine is gone says nothing
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ]
