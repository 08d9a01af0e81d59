"""The rooms that are built so far: their originals' ports, and the servers that each needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.local.errors import CloudError


@dataclass(frozen=True)
class Room:
    """`http` and `grpc` are the ports of the original service, None where it has no such door; `workers` are the
    folders of gpu_workers/ that run for it.
    """

    name: str
    http: int | None
    grpc: int | None
    needs: frozenset[str]
    example: str | None = None
    workers: frozenset[str] = frozenset()


ROOMS = {
    room.name: room
    for room in [
        Room(
            "glucose",
            http=8000,
            grpc=7003,
            needs=frozenset({"redis"}),
            example="curl -F file=@export.csv {http}/convert_to_unified",
            workers=frozenset({"forecaster"}),
        ),
        Room(
            "training",
            http=8001,
            grpc=None,
            needs=frozenset({"rabbitmq", "mlflow"}),
            example="curl {http}/api/v1/convert/formats",
            workers=frozenset({"trainer"}),
        ),
        Room(
            "calibration",
            http=8002,
            grpc=50051,
            needs=frozenset({"rabbitmq", "mlflow"}),
            example="curl -H 'X-API-Key: …' {http}/sessions",
            workers=frozenset({"calibrator"}),
        ),
        Room(
            "aggregation",
            http=5000,
            grpc=None,
            needs=frozenset({"redis"}),
            example="curl -H 'Content-Type: application/json' {http}/api/update"
            """ -d '{{"jobId": "j1", "clientId": "c1", "totalClients": 3}}'""",
        ),
        Room(
            "handover",
            http=5050,
            grpc=None,
            needs=frozenset({"redis"}),
            example="curl -H 'Content-Type: application/json' {http}/api/login"
            """ -d '{{"username": "admin", "password": "…"}}'""",
            workers=frozenset({"selector"}),
        ),
    ]
}


def chosen(names: Iterable[str]) -> list[Room]:
    """The rooms of these names, all where none is named; raises CloudError for a room that is not built."""
    wanted = list(dict.fromkeys(names)) or list(ROOMS)
    for name in wanted:
        if name not in ROOMS:
            raise CloudError(f"There is no room called {name!r}.", f"Choose among: {', '.join(ROOMS)}.")
    return [ROOMS[name] for name in wanted]


def needed(rooms: Iterable[Room], more: Iterable[str]) -> set[str]:
    """The servers to start for these rooms, and those asked for besides."""
    return {need for room in rooms for need in room.needs} | set(more)
