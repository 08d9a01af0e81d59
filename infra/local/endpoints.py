"""endpoints.json: every address of a running cloud, for tests, clients and the demo; what is absent is null."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table

from infra.local.folder import Folder, read_json, write_json
from infra.local.rooms import ROOMS


@dataclass(frozen=True)
class RoomEndpoints:
    """`http` is such that the room's documented path is appended to it."""

    http: str | None = None
    grpc: str | None = None


@dataclass(frozen=True)
class Endpoints:
    rooms: Mapping[str, RoomEndpoints]
    aws: str | None = None
    redis: str | None = None
    rabbitmq: str | None = None
    rabbitmq_management: str | None = None
    mlflow: str | None = None
    bucket: str | None = None
    queues: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Folder) -> "Endpoints | None":
        value = read_json(folder.endpoints)
        if value is None:
            return None
        return cls(**{**value, "rooms": {name: RoomEndpoints(**room) for name, room in value["rooms"].items()}})

    def write(self, folder: Folder) -> None:
        write_json(folder.endpoints, asdict(self))

    def table(self) -> Table:
        table = Table("what", "where", box=None, pad_edge=False, header_style="dim")
        for name, room in self.rooms.items():
            table.add_row(f"{name} http", room.http or "-")
            table.add_row(f"{name} grpc", room.grpc or "-")
        for name in ("aws", "redis", "rabbitmq", "rabbitmq_management", "mlflow"):
            table.add_row(name.replace("_", " "), getattr(self, name) or "-")
        table.add_row("bucket", self.bucket or "-")
        for name, url in self.queues.items():
            table.add_row(f"queue {name}", url)
        for name, keys in self.credentials.items():
            for kind, value in keys.items():
                table.add_row(f"{name} {kind}", value)
        return table

    def examples(self) -> Sequence[str]:
        """One curl line a room to try."""
        return [
            example.format(http=room.http)
            for name, room in self.rooms.items()
            if name in ROOMS and room.http and (example := ROOMS[name].example)
        ]


def show(endpoints: Endpoints) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(endpoints.table())
    for line in endpoints.examples():
        console.print(f"\nTry: {line}", markup=False)
