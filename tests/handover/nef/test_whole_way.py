"""From an emulator's UEs through the room's real doors to samples, a training, and a drive replayed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from starlette.testclient import TestClient

from quintet.cli.handover_drives import read_drive
from quintet.cli.handover_replay import Replay
from quintet.cli.handover_service import Service
from quintet.handover.messages import CollectMessage
from quintet.kernel.errors import Unavailable
from tests.handover.doors.open_room import PASSWORD, USER, OpenRoom, at_the_door
from tests.handover.nef_emulators import PASSWORD as NEF_PASSWORD
from tests.handover.nef_emulators import USER as NEF_USER

ASKED = {"duration": 60, "interval": 2, "username": NEF_USER, "password": NEF_PASSWORD}


@pytest.fixture
def room() -> OpenRoom:
    room = OpenRoom()
    room.scene.emulator.start_all()
    return room


@pytest.fixture
def http(room: OpenRoom) -> Iterator[TestClient]:
    with at_the_door(room) as client:
        yield client


@pytest.fixture
def service(room: OpenRoom, http: TestClient) -> Service:
    """While it waits, the room's collector works."""

    def sleep(_: float) -> None:
        body, _attributes = room.collections_queue.sent[-1]
        room.collections.take(CollectMessage.model_validate_json(body), room.scene.wait)

    return Service(cast(httpx.Client, http), USER, PASSWORD, sleep)


def test_collected_trained_and_replayed(room: OpenRoom, service: Service, http: TestClient, tmp_path: Path) -> None:
    told: list[str] = []
    headers = room.headers
    said = service.collect(ASKED, lambda job: told.append(job["status"]))
    assert told == ["pending"]
    assert (said["samples"], said["trainable"], said["looks"], said["notes"]) == (90, 90, 30, [])

    key = {"X-Upload-Key": said["upload_key"], **headers}
    assert http.post("/api/train", headers=key).status_code == 202
    assert len(room.trainings_queue.sent) == 1

    file = tmp_path / "samples.json"
    file.write_bytes(room.objects.get(said["file"])[0])
    drive = read_drive(file)
    replay = Replay(service.predict)
    for step in replay.steps(drive, 0.0, lambda _: None):
        assert step.answer["predicted_antenna"] in step.moment.heard
    assert replay.score.moments == 90
    assert replay.score.changes > 0


def test_an_emulator_that_refuses_fails_the_job(service: Service) -> None:
    with pytest.raises(Unavailable, match="username or password"):
        service.collect({**ASKED, "password": "another"})


def test_a_collection_without_radio_says_so_at_the_door(room: OpenRoom, service: Service) -> None:
    room.scene.emulator.kind = "original"
    said = service.collect(ASKED)
    assert (said["samples"], said["trainable"], said["upload_key"]) == (90, 0, None)
    assert "no radio" in said["notes"][0]
    assert json.loads(room.objects.get(said["file"])[0])[0]["rf_metrics"] == {}
