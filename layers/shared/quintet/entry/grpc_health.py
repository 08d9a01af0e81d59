"""grpc's own health checking (grpc.health.v1), by a room's readiness."""

from collections.abc import Callable, Sequence

import grpc
from aws_lambda_powertools import Logger
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH, SERVICE_NAME, HealthServicer

from quintet.entry.grpc_threads import Threads
from quintet.entry.tracebacks import where

__all__ = ["SERVICE_NAME", "Health"]

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Says SERVING of the `services`, and of the whole, while `ready` does, which it calls every few seconds. Watching
    needs one of the `threads` for a moment.
    """

    def __init__(self, services: Sequence[str], ready: Callable[[], bool], threads: Threads, log: Logger) -> None:
        self._names = (OVERALL_HEALTH, *services)
        self._ready = ready
        self._log = log
        self._servicer = HealthServicer(experimental_thread_pool=threads)
        self._tell(serving=False)

    def add_to(self, server: grpc.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def look(self) -> None:
        try:
            serving = self._ready()
        except Exception as error:
            self._log.error("not ready", extra={"error": type(error).__name__, "traceback": where(error)})
            serving = False
        self._tell(serving=serving)

    def leave(self) -> None:
        """NOT_SERVING, for good."""
        self._servicer.enter_graceful_shutdown()

    def _tell(self, *, serving: bool) -> None:
        for name in self._names:
            self._servicer.set(name, SERVING if serving else NOT_SERVING)
