"""The rooms' gRPC doors: a service of ECS opens each, on a port that is chosen before the stacks are deployed."""

import time
from collections.abc import Mapping, Sequence

from infra.local import localstack
from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.ports import answers
from infra.local.rooms import Room

PATIENCE = 60.0  # seconds


def ports(cloud: Cloud, rooms: Sequence[Room]) -> dict[str, int]:
    """By room: the port that its door has already, else the original's, or another where that is taken."""
    file = cloud.folder.run / "grpc.json"
    known: dict[str, int] = (read_json(file) or {}) if cloud.processes.alive(localstack.NAME) else {}
    wanted = {room.name: room.grpc for room in rooms if room.grpc is not None}
    chosen = {name: known.get(name) or cloud.ports.choose(f"{name} (gRPC)", usual) for name, usual in wanted.items()}
    write_json(file, known | chosen)
    return chosen


def wait(cloud: Cloud, rooms: Sequence[Room], outputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The address of each room that has a gRPC door, once it is open; raises CloudError where it stays shut."""
    deployed = {room.name: outputs.get(room.name, {}).get("GrpcAddress") for room in rooms}
    doors = {name: address for name, address in deployed.items() if address}
    deadline = time.monotonic() + PATIENCE
    for name, address in doors.items():
        host, _, port = address.rpartition(":")
        while not answers(int(port), host):
            if time.monotonic() > deadline:
                raise CloudError(f"The gRPC door of {name} did not open.", f"Look at the logs in {cloud.folder.logs}.")
            time.sleep(0.1)
    return doors
