"""Starting the doors: one proxy process for all rooms, on the originals' ports."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from infra.local.cloud import ROOT, Cloud
from infra.local.commands import dummy_aws
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.gateway import TIMED_OUT, TOO_LARGE, Api, answer_of
from infra.local.ports import HOST, answers
from infra.local.rooms import Room
from infra.local.stack import Aws

NAME = "doors"
ANSWERS = ("REQUEST_TOO_LARGE", "INTEGRATION_TIMEOUT")
PATIENCE = 20.0  # seconds


def start(cloud: Cloud, aws: Aws, rooms: Sequence[Room], outputs: dict[str, dict[str, str]]) -> dict[str, str]:
    """The address of each room that has a REST API."""
    file = cloud.folder.run / "doors.json"
    before = {value["room"]: value for value in read_json(file) or []}
    alive = cloud.processes.alive(NAME)
    apis = [
        described(
            cloud, aws, room, outputs[room.name]["ApiId"], before.get(room.name, {}).get("port") if alive else None
        )
        for room in rooms
        if room.http is not None and "ApiId" in outputs.get(room.name, {})
    ]
    if not (alive and [asdict(api) for api in apis] == [asdict(Api.read(value)) for value in before.values()]):
        cloud.processes.stop(NAME)
        write_json(file, [asdict(api) for api in apis])
        command = [sys.executable, "-m", "infra.local.doors", str(file)]
        cloud.processes.start(NAME, command, dummy_aws(), ROOT)
        wait(cloud, [api.port for api in apis])
    return {api.room: f"http://{HOST}:{api.port}" for api in apis}


def described(cloud: Cloud, aws: Aws, room: Room, api: str, port: int | None) -> Api:
    """The deployed API as its door must know it; keeps the port that its door already has."""
    assert room.http is not None
    client = aws.client("apigateway")
    stages: list[dict[str, Any]] = client.get_stages(restApiId=api)["item"]
    answers = {kind: client.get_gateway_response(restApiId=api, responseType=kind) for kind in ANSWERS}
    return Api(
        room=room.name,
        port=port or cloud.ports.choose(room.name, room.http),
        upstream=f"{aws.endpoint}/_aws/execute-api/{api}/{stages[-1]['stageName']}",
        binary=tuple(client.get_rest_api(restApiId=api).get("binaryMediaTypes", ())),
        too_large=answer_of(answers["REQUEST_TOO_LARGE"], TOO_LARGE),
        timed_out=answer_of(answers["INTEGRATION_TIMEOUT"], TIMED_OUT),
    )


def wait(cloud: Cloud, ports: Sequence[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not all(map(answers, ports)):
        if not cloud.processes.alive(NAME) or time.monotonic() > deadline:
            raise CloudError("The rooms' doors did not open.", f"Look at {cloud.processes.log(NAME)}.")
        time.sleep(0.05)
