"""Notifications: done with once the session is durable, set aside where they are none, put back where it must wait."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from quintet.calibration.calibrator import Manner
from tests.calibration.flaky import Flaky
from tests.calibration.world import World, batches, judged, messages

PATIENT = Manner(timeout=1e9, lease=1e9)
USER = "eve"


def notified(session: str = "s1", user: str = USER, **more: Any) -> bytes:
    return json.dumps({"user_id": user, "session_id": session, **more}).encode()


@dataclass
class Room:
    world: World

    def told(self, *bodies: bytes) -> None:
        """These notifications come while the worker listens."""
        self.world.streams.put("connections", *bodies)
        self.again()

    def again(self) -> None:
        self.world.worker.tending.listen()
        self.world.run()

    @property
    def left(self) -> list[bytes]:
        self.world.streams.drop()
        return self.world.streams.bodies("connections")


@pytest.fixture
def room() -> Room:
    world = World(manner=PATIENT)
    for queue in ("inputs", "outputs"):
        world.streams.put(f"{USER}_{queue}_cal_queue")
    return Room(world)


def sent(room: Room, session: str, count: int = 3) -> list[Any]:
    found = batches(count)
    for queue, bodies in zip(("inputs", "outputs"), messages(found, session), strict=True):
        room.world.streams.put(f"{USER}_{queue}_cal_queue", *bodies)
    return found


def test_who_is_named_is_served_and_the_message_is_done_with(room: Room) -> None:
    room.told(notified(email="e@x.y", model_type="image"))
    found = sent(room, "s1")
    room.world.run()
    session = room.world.session("s1")
    assert (session.client_id, session.email, session.model_type, session.via) == (
        USER,
        "e@x.y",
        "image",
        "notification",
    )
    assert room.world.result("s1") == judged(found)
    assert room.left == []


def test_the_same_again_changes_nothing(room: Room) -> None:
    room.told(notified(), notified(), notified())
    assert room.world.worker.calibrator.clients == 1
    sent(room, "s1")
    room.world.run()
    room.told(notified())
    assert room.world.session("s1").state == "COMPLETED"
    assert room.world.worker.calibrator.clients == 0
    assert room.left == []


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b"{}", b'{"user_id": "eve"}', b'{"session_id": "s1"}', notified("no id!")]
)
def test_what_is_no_notification_is_set_aside(room: Room, body: bytes) -> None:
    room.told(body, notified("s2"))
    (kept,) = room.world.keys("calibration/aside/notifications/")
    assert room.world.objects.get(kept)[0] == body
    assert room.world.session("s2").state == "OPEN"
    assert room.left == []


def test_a_session_of_another_client_is_not_taken(room: Room) -> None:
    room.told(notified())
    room.told(notified(user="mallory"))
    assert room.world.session("s1").client_id == USER
    assert len(room.world.keys("calibration/aside/notifications/")) == 1


def test_where_there_is_no_room_it_waits_on_its_queue(room: Room) -> None:
    room.world.worker.calibrator.manner = replace(PATIENT, clients=1)
    room.told(notified("s1", "ana"), notified("s2"))
    assert room.world.ledger.find("s2") is None
    assert room.left == [notified("s2")]
    live = room.world.worker.calibrator.live("s1")
    assert live is not None
    live.fail("over")
    room.world.worker.calibrator._look(live)
    room.world.run()
    room.again()
    assert room.world.session("s2").state == "OPEN"
    assert room.left == []


def test_a_new_session_of_a_client_takes_the_place_of_the_one_that_is_open(room: Room) -> None:
    room.told(notified("s1"))
    room.told(notified("s2"))
    room.again()
    found = sent(room, "s2")
    room.world.run()
    assert (room.world.session("s1").state, room.world.session("s1").reason) == ("FAILED", "session s2 takes its place")
    assert room.world.result("s2") == judged(found)


def test_a_ledger_that_is_away_keeps_it_on_its_queue(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky = Flaky(room.world.worker.calibrator.ledger, {"enter"})
    flaky.away = True
    monkeypatch.setattr(room.world.worker.calibrator, "ledger", flaky)
    room.told(notified())
    assert room.world.ledger.find("s1") is None
    flaky.away = False
    room.again()
    assert room.world.session("s1").state == "OPEN"
    assert room.left == []


def test_one_that_can_not_be_set_aside_now_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky = Flaky(room.world.worker.calibrator.objects, {"put"})
    flaky.away = True
    monkeypatch.setattr(room.world.worker.calibrator, "objects", flaky)
    room.told(b"nothing")
    assert room.left == [b"nothing"]
    flaky.away = False
    room.again()
    assert room.left == []
    assert len(room.world.keys("calibration/aside/notifications/")) == 1
