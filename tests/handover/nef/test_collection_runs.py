"""Collections that are asked for over HTTP and done from a queue, or by a task."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.handover.collection_runs import Collections
from quintet.handover.errors import ResourceNotFoundError
from quintet.handover.messages import CollectDataRequest, CollectMessage
from quintet.kernel.errors import Misconfigured, NotFound, Unavailable
from quintet.kernel.rows import Place
from tests.handover.nef_emulators import PASSWORD, USER, Scene

ASKED = CollectDataRequest(duration=10, interval=1, username=USER, password=PASSWORD)


@dataclass
class Kept:
    """The promises: what was told of each."""

    told: list[dict[str, Any]] = field(default_factory=list)
    fulfilled: list[tuple[str, str, int, dict[str, Any]]] = field(default_factory=list)

    def report(self, caller: str, job: str, progress: dict[str, Any]) -> None:
        self.told.append(progress)

    def fulfil(self, caller: str, job: str, status: int, body: bytes) -> None:
        if not any(known[:2] == (caller, job) for known in self.fulfilled):  # the first answer stands
            self.fulfilled.append((caller, job, status, json.loads(body)))


class Room:
    def __init__(self) -> None:
        self.scene = Scene("fork")
        self.scene.emulator.start_all()
        self.objects, self.queue, self.promises = MemoryObjects(), MemoryQueue(), Kept()
        self.started: list[str] = []
        self.collections = Collections(
            rows=MemoryRows(self.scene.clock),
            objects=self.objects,
            queue=self.queue,
            promises=self.promises,
            nef=lambda: self.scene.nef,
            login=("", ""),
            start_task=self.started.append,
            clock=self.scene.clock,
        )

    def message(self) -> CollectMessage:
        return CollectMessage.model_validate_json(self.queue.sent[-1][0])

    def take(self) -> None:
        self.collections.take(self.message(), self.scene.wait)


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize("interrupted", ["objects.delete", "promises.fulfil"])
@pytest.mark.parametrize("ends", ["done", "failed"])
def test_who_was_interrupted_at_the_end_is_told_all_the_same(
    room: Room, monkeypatch: pytest.MonkeyPatch, interrupted: str, ends: str
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("away")

    room.scene.away = ends == "failed"
    asked = room.collections.begin(ASKED, caller="ada", job="job-1")
    part, name = interrupted.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(type(getattr(room, part)), name, away)
        with pytest.raises(Unavailable, match="away"):
            room.take()
    assert room.promises.fulfilled == []
    room.take()
    assert room.collections.read(asked.id).state == ends
    ((caller, job, status, body),) = room.promises.fulfilled
    assert (caller, job, status) == ("ada", "job-1", 200 if ends == "done" else 502)
    assert body.get("samples") == 30 or body["type"] == "NEFConnectionError"
    keys = room.objects.keys()
    assert not [key for key in keys if key.startswith("claims/")]


def test_asked_done_and_told(room: Room) -> None:
    asked = room.collections.begin(ASKED, caller="ada", job="job-1")
    assert room.collections.read(asked.id).state == "waiting"
    room.take()
    run = room.collections.read(asked.id)
    assert run.state == "done"
    assert run.answer is not None
    assert run.answer.file == f"handover/collected/{run.id}/training_data_20260101_000009.json"
    assert len(json.loads(room.objects.get(run.answer.file)[0])) == run.answer.samples == 30
    assert room.promises.fulfilled == [("ada", "job-1", 200, run.answer.model_dump(mode="json"))]
    assert room.promises.told == [{"looks": 6, "of": 10, "samples": 18}]


def test_what_can_be_learnt_from_lies_where_an_upload_of_the_callers_would(room: Room) -> None:
    room.collections.begin(ASKED, caller="ada", job="job-1")
    room.take()
    (_, _, _, said) = room.promises.fulfilled[0]
    assert said["upload_key"].startswith("uploads/ada/")
    body, content_type = room.objects.get(said["upload_key"])
    assert (len(json.loads(body)), content_type) == (30, "application/json")


def test_of_an_emulator_without_radio_nothing_can(room: Room) -> None:
    room.scene.emulator.kind = "original"
    room.collections.begin(ASKED, caller="ada", job="job-1")
    room.take()
    (_, _, _, said) = room.promises.fulfilled[0]
    assert (said["samples"], said["upload_key"]) == (30, None)


def test_the_password_is_in_no_row_and_no_message_and_goes_in_the_end(room: Room) -> None:
    run = room.collections.begin(
        CollectDataRequest(duration=1, interval=1, username=USER, password="hunter-2"), caller="ada", job="j"
    )
    row = room.collections.rows.read(Place("handover#collections", run.id))
    assert "hunter-2" not in json.dumps(row) + room.queue.sent[0][0]
    assert [key for key, *_ in room.objects.list("claims/", 10)] == [f"claims/handover/collect/{run.id}"]
    room.take()
    assert room.collections.read(run.id).state == "failed"
    assert not [key for key, *_ in room.objects.list("claims/", 10)]


def test_wrong_credentials_fail_it_for_good(room: Room) -> None:
    asked = CollectDataRequest(duration=1, interval=1, username=USER, password="x")
    run = room.collections.begin(asked, caller="ada", job="job-1")
    room.take()
    ((_, _, status, said),) = room.promises.fulfilled
    assert (status, said["type"], said["correlation_id"]) == (502, "NEFConnectionError", "job-1")
    assert "username or password" in said["error"] == room.collections.read(run.id).error


def test_an_emulator_that_is_away_fails_it(room: Room) -> None:
    room.scene.away = True
    room.collections.begin(ASKED, caller="ada", job="job-1")
    room.take()
    assert room.promises.fulfilled[0][2] == 502


def test_where_nobody_is_named_the_settings_user_logs_in(room: Room) -> None:
    room.collections = Collections(**{**vars(room.collections), "login": (USER, PASSWORD)})
    run = room.collections.begin(CollectDataRequest(duration=1, interval=1))
    room.take()
    assert room.collections.read(run.id).state == "done"
    assert room.promises.fulfilled == []


@pytest.mark.parametrize(("duration", "tasks"), [(840, 0), (841, 1), (3600, 1)])
def test_what_would_outlast_a_function_is_a_tasks(room: Room, duration: float, tasks: int) -> None:
    run = room.collections.begin(ASKED.model_copy(update={"duration": duration, "interval": 60.0}))
    room.take()
    assert room.started == [run.id] * tasks
    assert room.collections.read(run.id).state == ("waiting" if tasks else "done")
    room.collections.perform(run.id, room.scene.wait)
    assert room.collections.read(run.id).state == "done"


def test_where_there_are_no_tasks_it_fails_and_says_so(room: Room) -> None:
    def refuse(_: str) -> None:
        raise Misconfigured("there are no tasks here")

    room.collections = Collections(**{**vars(room.collections), "start_task": refuse})
    room.collections.begin(ASKED.model_copy(update={"duration": 3600.0}), caller="ada", job="j")
    room.take()
    ((_, _, status, said),) = room.promises.fulfilled
    assert (status, said["error"], said["type"]) == (500, "there are no tasks here", "Misconfigured")
    room.take()
    assert len(room.promises.fulfilled) == 1


class TestTwice:
    def test_a_message_that_comes_again_later_changes_nothing(self, room: Room) -> None:
        run = room.collections.begin(ASKED, caller="ada", job="j")
        room.take()
        before = room.collections.read(run.id)
        room.take()
        assert room.collections.read(run.id) == before
        assert len(room.promises.fulfilled) == 1

    def test_one_that_comes_again_meanwhile_stays_on_the_queue(self, room: Room) -> None:
        room.collections.begin(ASKED)
        wait = room.scene.wait

        def meanwhile(seconds: float) -> bool:
            with pytest.raises(Unavailable):
                room.collections.take(room.message(), wait)
            return wait(seconds)

        room.collections.take(room.message(), meanwhile)
        assert len(room.objects.keys()) == 1

    def test_one_whose_collector_died_has_failed(self, room: Room) -> None:
        run = room.collections.begin(ASKED, caller="ada", job="j")

        def dies(_: float) -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            room.collections.take(room.message(), dies)
        assert room.collections.read(run.id).state == "running"
        room.scene.clock.advance(10 + 121)
        assert room.collections.read(run.id).state == "failed"
        room.take()
        assert room.promises.fulfilled[0][2] == 502
        assert "ask for it again" in room.promises.fulfilled[0][3]["error"]


class TestWaiting:
    def waiting(self, room: Room, work: Callable[[], None]) -> str:
        run = room.collections.begin(ASKED)
        waited: list[float] = []

        def wait(seconds: float) -> bool:
            waited.append(seconds)
            if len(waited) == 3:
                work()
            return room.scene.wait(seconds)

        return room.collections.waiting(run.id, 20, wait).state

    def test_until_it_has_ended(self, room: Room) -> None:
        assert self.waiting(room, room.take) == "done"

    def test_no_longer_than_is_waited(self, room: Room) -> None:
        begun = room.scene.clock.now()
        assert self.waiting(room, lambda: None) == "waiting"
        assert (room.scene.clock.now() - begun).total_seconds() == 20


def test_one_that_nobody_takes_has_failed_and_is_done_all_the_same_if_somebody_does(room: Room) -> None:
    run = room.collections.begin(ASKED)
    room.scene.clock.advance(3601)
    assert (room.collections.read(run.id).state, room.collections.read(run.id).error[:24]) == (
        "failed", "the collection could not",
    )  # fmt: skip
    room.take()
    assert room.collections.read(run.id).state == "done"


def test_one_that_is_not_there(room: Room) -> None:
    with pytest.raises(ResourceNotFoundError):
        room.collections.read("none")
    with pytest.raises(NotFound):
        room.collections.take(CollectMessage(run="none"), room.scene.wait)
