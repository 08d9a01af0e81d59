"""Leases, take-overs and silence: who serves what, whoever dies, sleeps or can't be heard."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from quintet.calibration.calibrator import Manner
from quintet.calibration.ledger import Ledger
from quintet.calibration.live import Limits
from quintet.calibration.messages import Registration
from quintet.calibration.tending import RELEASED
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import Overloaded, Unavailable
from tests.calibration.flaky import Flaky
from tests.calibration.world import Worker, World, batches, judged, messages

PATIENT = Manner(timeout=1e9, lease=1e9)


def another(world: World, manner: Manner = PATIENT) -> Worker:
    """A second worker beside the first; messages go to the first."""
    world.manner = manner
    world.deaths += 1
    worker = Worker(world)
    worker.calibrator.start()
    return worker


def died(world: World) -> str:
    """The first worker is gone, and its lease given back; its name."""
    world.worker.die()
    return world.worker.calibrator.tenure.worker


@contextmanager
def rows_away(worker: Worker, monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[None]:
    """The ledger fails after so many writes."""
    flaky = Flaky(worker.calibrator.ledger.rows, {"write"})
    flaky.away, flaky.left = True, after
    with monkeypatch.context() as patch:
        patch.setattr(worker.calibrator, "ledger", Ledger(flaky, SystemClock()))
        yield


def serves(worker: Worker) -> set[str]:
    return {live.session.client_id for live in worker.calibrator.lives()}


class Deaf:
    """Streams that never hear of an acknowledgement."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return (lambda deliveries: None) if name == "settle" else getattr(self._whole, name)


class TestTakingOver:
    def test_a_lease_runs_out_by_the_takers_own_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        world.call("ana")
        moment = [1000.0]
        monkeypatch.setattr("quintet.calibration.tending.stopwatch", lambda: moment[0])
        taker = another(world, Manner(timeout=1e9, lease=15))
        taker.tending.take_over_the_dead()
        moment[0] += 14
        taker.tending.take_over_the_dead()
        world.worker.tending.renew()
        moment[0] += 14
        taker.tending.take_over_the_dead()
        assert serves(taker) == set()
        moment[0] += 16
        taker.tending.take_over_the_dead()
        assert serves(taker) == {"ana"}

    def test_one_that_left_is_followed_at_once(self) -> None:
        world = World()
        world.call("ana")
        world.worker.tending.leave()
        assert world.ledger.workers()[world.worker.calibrator.tenure.worker].beat == RELEASED
        taker = another(world)
        taker.tending.take_over_the_dead()
        assert serves(taker) == {"ana"}

    def test_a_worker_that_holds_nothing_is_forgotten(self) -> None:
        world = World()
        dead, taker = died(world), another(world)
        taker.tending.take_over_the_dead()
        assert dead not in world.ledger.workers()

    def test_no_more_are_taken_than_there_is_room_for(self) -> None:
        world = World()
        for client in ("ana", "ben", "eve"):
            world.call(client)
        dead, taker = died(world), another(world, replace(PATIENT, clients=2))
        taker.tending.take_over_the_dead()
        assert len(serves(taker)) == 2
        assert len(world.ledger.held_by(dead)) == 1
        third = another(world)
        third.tending.take_over_the_dead()
        assert serves(third) | serves(taker) == {"ana", "ben", "eve"}

    @pytest.mark.parametrize("writes", range(3))
    def test_a_ledger_that_goes_away_in_the_middle_leaves_none_behind(
        self, monkeypatch: pytest.MonkeyPatch, writes: int
    ) -> None:
        world = World()
        for client in ("ana", "ben", "eve"):
            world.call(client)
        died(world)
        taker = another(world)
        monkeypatch.setattr("quintet.calibration.tending.SETTLING", SystemClock().now() - SystemClock().now())
        with rows_away(taker, monkeypatch, writes), pytest.raises(Unavailable):
            taker.tending.take_over_the_dead()
        taker.tending.round()
        taker.tending.round()
        assert serves(taker) == {"ana", "ben", "eve"}

    def test_a_journal_that_expired_costs_its_own_session_alone(self) -> None:
        world, found = World(), batches(4)
        lost = world.call("ana")
        inputs, outputs = messages(found)
        for body in inputs[:2]:
            world.streams.put("ana in", body)
            world.run()
        world.objects.delete(next(key for key in world.keys("calibration/journal/") if key.endswith("1.halves")))
        world.replace()
        kept = world.call("ben")
        world.streams.put("ben in", *inputs)
        world.streams.put("ben out", *outputs)
        world.run()
        assert (world.session(lost).state, world.session(lost).tasks) == ("FAILED", ())
        assert "expired" in world.session(lost).reason
        assert world.result(kept) == judged(found)

    def test_copies_of_what_is_complete_by_its_journal_are_cleared_away(self) -> None:
        """The first worker died when all was stored, and nothing acknowledged."""
        world, found = World(), batches(4)
        session = world.call("ana")
        for queue, bodies in zip(("ana in", "ana out"), messages(found), strict=True):
            world.streams.put(queue, *bodies)
        world.streams.pump()
        world.worker.calibrator.streams = Deaf(world.streams)
        world.worker.calibrator.commit(world.worker._group)
        world.replace()
        world.run()
        assert world.result(session) == judged(found)
        world.streams.drop()
        assert world.streams.bodies("ana in") == world.streams.bodies("ana out") == []


class TestSilence:
    def silent(self, world: World) -> str:
        session = world.call("ana")
        world.worker.calibrator.manner = replace(PATIENT, timeout=60)
        live = world.worker.calibrator.live(session)
        assert live is not None
        live.heard_at = -1e12
        return session

    def ended(self, world: World) -> bool:
        world.worker.tending.end_the_silent()
        return any(live.ending is not None for live in world.worker.calibrator.lives())

    def test_who_says_nothing_is_ended_and_told_what_is_missing(self) -> None:
        world = World()
        session = self.silent(world)
        assert self.ended(world)
        world.run()
        assert world.session(session).state == "TIMED_OUT"
        assert world.session(session).reason.startswith("nothing came for 60 seconds; missing: ")

    def test_nobody_is_silent_while_the_broker_is_away(self) -> None:
        world = World()
        self.silent(world)
        world.streams.away = True
        assert not self.ended(world)

    def test_nobody_is_silent_while_what_came_can_not_be_stored(self) -> None:
        world = World()
        self.silent(world)
        world.worker.calibrator._committing_at = -1e12
        assert not self.ended(world)

    def test_a_worker_without_its_lease_ends_nobody(self) -> None:
        """It slept; others have its sessions, and know better."""
        world = World()
        self.silent(world)
        world.worker.calibrator.tenure.renewed_at = -1e12
        assert not self.ended(world)


class TestRoom:
    def test_those_on_their_way_in_take_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(manner=replace(PATIENT, clients=1))
        enter, refused = Ledger.enter, []

        def slowly(ledger: Ledger, registration: Registration, **more: Any) -> Any:
            if registration.client_id == "ana":
                with pytest.raises(Overloaded) as error:
                    world.call("ben")
                refused.append(error)
            return enter(ledger, registration, **more)

        monkeypatch.setattr(Ledger, "enter", slowly)
        world.call("ana")
        assert len(refused) == 1
        assert world.worker.calibrator.clients == 1

    def test_notifications_are_listened_to_while_there_is_room(self) -> None:
        world = World(manner=replace(PATIENT, clients=1))
        notified = json.dumps({"user_id": "eve", "session_id": "s9"}).encode()
        world.streams.put("connections")
        for queue in ("eve_inputs_cal_queue", "eve_outputs_cal_queue"):
            world.streams.put(queue)
        world.call("ana")
        world.worker.tending.listen()
        world.streams.put("connections", notified)
        world.run()
        assert world.ledger.find("s9") is None
        for queue, bodies in zip(("ana in", "ana out"), messages(batches(2)), strict=True):
            world.streams.put(queue, *bodies)
        world.run()
        world.worker.tending.listen()
        world.run()
        known = world.ledger.find("s9")
        assert known is not None
        assert known.via == "notification"
        assert world.streams.bodies("connections") == []


class TestALostTenure:
    def test_a_session_that_comes_in_while_the_worker_begins_anew_is_not_served_under_its_old_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its journal would be written under a name of which its lineage says nothing."""
        world = World()
        calibrator = world.worker.calibrator
        announce, tenure = Ledger.announce, calibrator.tenure
        session = world.ledger.enter(
            Registration(client_id="ana", inputs_queue="ana in", outputs_queue="ana out", via="grpc"),
            worker=tenure.worker,
            first=1,
        )

        def meanwhile(ledger: Ledger, worker: str) -> None:
            calibrator.admit([calibrator.revived(session)], tenure)
            announce(ledger, worker)

        monkeypatch.setattr(Ledger, "announce", meanwhile)
        calibrator.reset()
        assert calibrator.lives() == []
        assert calibrator.tenure.good()

    def test_it_begins_anew_once_the_ledger_is_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        world.call("ana")
        world.worker.calibrator.tenure.renewed_at = -1e12
        with rows_away(world.worker, monkeypatch, 0):
            for _ in range(3):
                with pytest.raises(Unavailable):
                    world.worker.tending.renew()
        assert not world.worker.calibrator.tenure.good()
        world.worker.tending.renew()
        assert world.worker.calibrator.tenure.good()


class TestStatus:
    def test_it_tells_of_open_sessions_and_is_written_where_it_changed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        session = world.call("ana")
        world.streams.put("ana in", *messages(batches(3))[0])
        world.run()
        world.worker.tending.status_seconds = 0
        world.worker.tending.write_status()
        key = f"calibration/live/{world.worker.calibrator.tenure.worker}.json"
        status = json.loads(world.objects.get(key)[0])[session]
        assert (status["halves"], status["joined"], status["judged"]) == (3, 0, 0)
        assert "outputs 0" in status["missing"]
        world.objects.delete(key)
        world.worker.tending.write_status()
        assert world.keys(key) == []


def test_the_session_bound_by_memory_is_the_same_after_a_take_over() -> None:
    world, found = World(manner=replace(PATIENT, limits=Limits(held_bytes=100))), batches(6)
    session = world.call("ana")
    inputs, outputs = messages(found)
    world.streams.put("ana in", *inputs[::-1])
    world.run()
    world.replace()
    world.streams.put("ana out", *outputs)
    world.run()
    assert world.result(session) == judged(found)
