"""The room's gRPC door, under both names that the original's service had.

What is wrong with a registration is told in the answer's `status`, ERROR, as the original does: a client of its own age
looks at nothing else. Who calls is the door's own question, answered by gRPC's statuses.
"""

from collections.abc import Callable
from typing import Protocol

import grpc
from typing_extensions import override

from quintet.calibration.access import Access
from quintet.calibration.health import Condition, message
from quintet.calibration.messages import Registration, Session
from quintet.calibration.pb import new_client_july_pb2 as july
from quintet.calibration.pb import new_client_pb2 as pb
from quintet.calibration.pb.new_client_july_pb2_grpc import (
    add_ClientNotificationServiceServicer_to_server as add_as_in_july,
)
from quintet.calibration.pb.new_client_pb2_grpc import (
    ClientNotificationServiceServicer,
    add_ClientNotificationServiceServicer_to_server,
)
from quintet.calibration.registration import registration_of
from quintet.entry.caller import Caller, Gate
from quintet.entry.grpc import GrpcServer, Service, this_call
from quintet.kernel.errors import PermissionDenied, QuintetError, Unauthenticated
from quintet.kernel.log import logger

NAME = "ClientNotificationService"
API_KEY = "x-api-key"
UNEXPECTED = "Unexpected error in NotifyNewClient"


class RegistrationRoom(Protocol):
    """What the door needs of the room."""

    @property
    def gate(self) -> Gate: ...
    @property
    def access(self) -> Access: ...
    def register(self, registration: Registration) -> Session:
        """Take the client in. Raises errors of the house."""
        ...

    def condition(self) -> Condition: ...


class NotificationServicer(ClientNotificationServiceServicer):
    def __init__(self, room: RegistrationRoom) -> None:
        self._room = room
        self._log = logger("calibration-grpc")

    @override
    def NotifyNewClient(self, request: pb.NewClientRequest, context: grpc.ServicerContext) -> pb.NewClientResponse:
        try:
            client_id = self._registered(request, this_call().caller)
        except QuintetError as error:
            self._log.warning(
                "registration refused",
                extra={"error": type(error).__name__, "reason": error.message, "details": error.details},
            )
            return pb.NewClientResponse(status="ERROR", message=error.message if error.status != 500 else UNEXPECTED)
        return pb.NewClientResponse(status="OK", message=f"Successfully registered client {client_id}")

    @override
    def HealthCheck(self, request: pb.HealthCheckRequest, context: grpc.ServicerContext) -> pb.HealthCheckResponse:
        condition = self._room.condition()
        return pb.HealthCheckResponse(
            status=condition.status, message=message(condition, outspoken=self._is_operator(condition))
        )

    def _registered(self, request: pb.NewClientRequest, caller: Caller) -> str:
        asked = registration_of(request.client_id, request.second, request.third, request.fourth, request.fifth)
        self._room.access.check(asked, caller.id, administrator=caller.administrator)
        return self._room.register(asked).client_id

    def _is_operator(self, condition: Condition) -> bool:
        """Whether the caller may hear of all clients. Anybody may ask for health; only then is it asked who that is."""
        if not condition.troubles:
            return False
        try:
            caller = self._room.gate.identify(this_call().metadata.get(API_KEY))
        except (Unauthenticated, PermissionDenied):
            return False
        return self._room.access.is_for_all(caller.id, administrator=caller.administrator)


def calibration_server(room: RegistrationRoom, *, port: int) -> GrpcServer:
    """The door, not yet open. Raises Misconfigured where it could never be."""
    servicer = NotificationServicer(room)
    services = [
        _service(
            pb.DESCRIPTOR.package, lambda server: add_ClientNotificationServiceServicer_to_server(servicer, server)
        ),
        _service(july.DESCRIPTOR.package, lambda server: add_as_in_july(servicer, server)),  # type: ignore[arg-type]
    ]
    return GrpcServer(services, gate=lambda: room.gate, ready=lambda: room.condition().serving, port=port)


def _service(package: str, add: Callable[[grpc.Server], None]) -> Service:
    health = frozenset({"HealthCheck"})
    return Service(f"{package}.{NAME}", add, public=health, quick=health)
