"""One session's slowness or death is nobody else's."""

from threading import Event, Thread
from typing import Any

import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.calibration import tending
from quintet.calibration.calibrator import Manner
from quintet.calibration.closing import Aftermath, Closing
from quintet.calibration.journal import Journal
from quintet.calibration.live import Limits
from quintet.calibration.messages import Session
from quintet.kernel.errors import Unavailable
from tests.calibration.test_closing import completed
from tests.calibration.test_live import halves, live
from tests.calibration.world import World, batches, inputs_of, judged, messages, report

PATIENCE = 30.0


class SlowObjects(MemoryObjects):
    """Reading waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = Event(), Event()

    def get(self, key: str) -> tuple[bytes, str]:
        self.asked.set()
        assert self.let_go.wait(PATIENCE)
        return super().get(key)


def test_whoever_takes_messages_does_not_wait_for_a_session_that_is_judged_from_the_journal() -> None:
    found, objects = batches(4), SlowObjects()
    own = Journal(objects, "w", keep_inputs=False)
    made, taken = live(held_bytes=0), halves(found, own)
    for half in taken[2:] + taken[:2]:
        made.take(half)
    assert made.stored
    results: list[Any] = []
    closer = Thread(target=lambda: results.append(made.conclude(own)), daemon=True)
    closer.start()
    assert objects.asked.wait(PATIENCE)
    committer = Thread(target=lambda: results.append(made.knows(taken[0])), daemon=True)
    committer.start()
    committer.join(PATIENCE)
    assert results == [True]
    objects.let_go.set()
    closer.join(PATIENCE)
    assert results[1].model_dump_json().encode() == judged(found)


def test_the_remains_of_a_lost_lease_do_not_end_who_was_taken_over() -> None:
    world = World()
    calibrator = world.worker.calibrator

    def away(_: Any) -> str:
        raise Unavailable("nobody answers")

    old = completed(world, session_id="s1", via="notification")
    closing = Closing(calibrator, Aftermath(files=report, tell=away))
    closing.close(old)
    lost = calibrator.tenure.worker
    calibrator.reset()
    world.ledger.renew(lost, -1, 0)
    world.worker.tending.take_over_the_dead()
    new = calibrator.live("s1")
    assert new is not None
    assert new is not old
    closing.done(new, "callback")
    closing.tracked(old)
    assert calibrator.live("s1") is new


def test_a_service_that_is_away_is_asked_once_a_while_and_keeps_nobody_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each try may last for seconds, and other sessions' ends wait behind it."""
    monkeypatch.setattr(tending, "WAITING_AT_ONCE", 2)
    monkeypatch.setattr(tending, "LINGER_SECONDS", 0)
    world, tries = World(), []

    def away(session: Session) -> str:
        tries.append(session.id)
        raise Unavailable("nobody answers")

    lives = [completed(world, f"c{number}", session_id=f"s{number}", via="notification") for number in range(5)]
    closing = Closing(world.worker.calibrator, Aftermath(report, away))
    for one in lives:
        closing.close(one)
    assert tries == ["s0"]
    assert {world.session(one.session.id).tasks for one in lives} == {("callback",)}
    world.worker.tending.release_the_ended()
    assert [one.session.id for one in world.worker.calibrator.lives()] == ["s0", "s1"]
    closing.again()
    assert closing._waiting.qsize() == 2


def test_a_message_that_could_not_be_used_is_kept_aside_once_and_not_in_memory() -> None:
    world = World()
    live = world.worker.calibrator.live(world.call())
    assert live is not None
    world.streams.put("ana out", b"garbage")
    world.streams.pump()
    world.worker.calibrator.commit(world.worker._group)
    assert len(live.rejects) == 1
    world.worker.closing.close(live)
    assert live.rejects == []
    assert len(world.keys("calibration/aside/ana")) == 1


def test_a_session_id_that_none_can_have_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB refuses keys of more than 2,048 bytes; that is no reason for a worker to end, and the next."""
    world = World()
    live = world.worker.calibrator.live(world.call(session_id="s1", via="notification"))
    assert live is not None
    monkeypatch.setattr(world.worker.calibrator.ledger.__class__, "find", None)
    stranger = inputs_of(0, batches(1)[0], last=False, session_id="x" * 3000)
    world.streams.put("ana in", stranger)
    world.streams.pump()
    world.worker.calibrator.commit(world.worker._group)
    assert live.ending is not None
    assert live.ending.state == "FAILED"
    assert "there can be no session with the id 'xxx" in live.ending.reason
    assert len(live.ending.reason) < 200


def test_a_long_reason_is_cut() -> None:
    world = World()
    live = world.worker.calibrator.live(world.call())
    assert live is not None
    live.fail("why" * 1_000_000)
    world.worker.closing.close(live)
    assert len(world.session(live.session.id).reason) == 2000


class TestStrays:
    """Messages that carry another session's id."""

    def test_those_of_an_ended_session_are_set_aside_and_change_nothing(self) -> None:
        world, found = after_one(World()), batches(4)
        world.call(session_id="s2", via="notification")
        left = [inputs_of(index, batch, last=False, session_id="s1") for index, batch in enumerate(batches(3, seed=7))]
        inputs, outputs = messages(found, "s2")
        world.streams.put("ana in", *left, *inputs)
        world.streams.put("ana out", *outputs)
        world.run()
        assert world.session("s2").state == "COMPLETED"
        assert world.result("s2") == judged(found)
        kept = [world.objects.get(key)[0] for key in world.keys("calibration/aside/ana/s2/")]
        assert sorted(kept) == sorted(left)
        assert world.streams.bodies("ana in") == []

    def test_of_too_many_sessions_they_end_it(self) -> None:
        world = after_one(World(manner=Manner(clients=100, timeout=1e9, lease=1e9, limits=Limits(strays=0))))
        session = world.call(session_id="s2", via="notification")
        world.streams.put("ana in", inputs_of(0, batches(1)[0], last=False, session_id="s1"))
        world.run()
        assert "too many other sessions" in world.session(session).reason

    def test_one_that_is_not_known_yet_takes_its_place_and_loses_nothing(self) -> None:
        world, found = World(), batches(4)
        world.call(session_id="s1", via="notification")
        inputs, outputs = messages(found, "s2")
        world.streams.put("ana in", *inputs)
        world.run()
        assert (world.session("s1").state, world.session("s1").reason[:22]) == ("FAILED", "messages of session s2")
        world.streams.close("s1")
        world.call(session_id="s2", via="notification")
        world.streams.put("ana out", *outputs)
        world.run()
        assert world.result("s2") == judged(found)


def after_one(world: World) -> World:
    """Of which the client has a session, s1, that is over."""
    world.worker.closing.close(completed(world, session_id="s1", via="notification"))
    world.streams.close("s1")
    return world
