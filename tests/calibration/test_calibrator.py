"""A worker's sessions: whatever the order, the copies and the deaths on the way, the same comes of them."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.calibration.calibrator import Manner
from quintet.calibration.live import Limits
from quintet.calibration.messages import Registration
from quintet.kernel.errors import Conflict, Overloaded, Unavailable
from tests.calibration.world import (
    Batch,
    Crash,
    Fate,
    World,
    batches,
    inputs_of,
    judged,
    messages,
    outputs_of,
)


def served(world: World, found: Sequence[Batch], client: str = "ana") -> str:
    session = world.call(client)
    inputs, outputs = messages(found)
    world.streams.put(f"{client} in", *inputs)
    world.streams.put(f"{client} out", *outputs)
    world.run()
    return session


class TestAnUndisturbedSession:
    def test_its_result_is_that_of_the_rows_alone(self) -> None:
        world, found = World(), batches(6)
        session = served(world, found)
        assert world.result(session) == judged(found)
        assert world.session(session).state == "COMPLETED"
        assert world.session(session).tasks == ()
        assert (world.session(session).summary or {})["batches"] == 6

    def test_nothing_is_left_on_its_queues(self) -> None:
        world = World(prefetch=2)
        served(world, batches(5))
        world.streams.drop()
        assert world.streams.bodies("ana in") == world.streams.bodies("ana out") == []

    def test_its_client_may_come_again(self) -> None:
        world = World()
        first = served(world, batches(2))
        second = served(world, batches(3))
        assert first != second
        assert (world.session(second).summary or {})["batches"] == 3

    def test_one_queue_may_carry_both_halves(self) -> None:
        world, found = World(), batches(4)
        session = world.call("ana", inputs_queue="both", outputs_queue="both")
        inputs, outputs = messages(found)
        world.streams.put("both", *[body for pair in zip(outputs, inputs, strict=True) for body in pair])
        world.run()
        assert world.result(session) == judged(found)

    def test_clients_are_apart(self) -> None:
        world = World(group=3)
        ids = {client: world.call(client) for client in ("ana", "ben", "eve")}
        rows = {client: batches(4, seed=number) for number, client in enumerate(ids)}
        for client in ids:
            inputs, outputs = messages(rows[client])
            world.streams.put(f"{client} in", *inputs)
            world.streams.put(f"{client} out", *outputs[::-1])
        world.run()
        for client, session in ids.items():
            assert world.result(session) == judged(rows[client])


class TestWhateverHappens:
    @settings(max_examples=150)
    @given(st.data())
    def test_orders_copies_and_deaths_change_nothing(self, data: st.DataObject) -> None:
        found = batches(data.draw(st.integers(1, 7), "batches"), rows=data.draw(st.integers(1, 3), "rows"))
        crashes = data.draw(st.lists(st.integers(1, 90), max_size=4, unique=True), "crashes")
        world = World(
            Fate(crashes),
            prefetch=data.draw(st.integers(1, 5), "prefetch"),
            group=data.draw(st.integers(1, 6), "group"),
        )
        session = world.call("ana", session_id="s1", via="notification")
        for queue, bodies in zip(("ana in", "ana out"), messages(found), strict=True):
            copies = data.draw(st.lists(st.sampled_from(bodies), max_size=4), "copies")
            world.streams.put(queue, *data.draw(st.permutations(bodies + copies), "order"))
        world.run()
        assert world.result(session) == judged(found)
        ended = world.session(session)
        assert (ended.state, ended.tasks) == ("COMPLETED", ())
        assert set(world.told) == {(session, "COMPLETED")}
        assert world.objects.get(f"calibration/sessions/ana/{session}/report.html")[0].startswith(b"COMPLETED")

    @pytest.mark.parametrize("crash", range(1, 60))
    def test_it_may_die_at_any_step(self, crash: int) -> None:
        world, found = World(Fate([crash]), group=3, prefetch=3), batches(6)
        session = served(world, found)
        assert world.result(session) == judged(found)
        assert world.session(session).tasks == ()
        assert world.deaths == (1 if crash <= world.fate.step else 0)

    @settings(max_examples=60)
    @given(st.data())
    def test_a_gap_is_left_out_and_named(self, data: st.DataObject) -> None:
        found, missing = batches(6), data.draw(st.integers(0, 5), "missing")
        side = data.draw(st.sampled_from([0, 1]), "side")
        world = World(Fate(data.draw(st.lists(st.integers(1, 60), max_size=3), "crashes")), group=4)
        session = world.call()
        sent = [list(bodies) for bodies in messages(found)]
        del sent[side][missing]
        for queue, bodies in zip(("ana in", "ana out"), sent, strict=True):
            world.streams.put(queue, *data.draw(st.permutations(bodies), "order"))
        world.run()
        end_in_silence(world)
        ended = world.session(session)
        assert ended.state == "TIMED_OUT"
        assert f"{('inputs', 'outputs')[side]} {missing}" in ended.reason
        assert json.loads(world.result(session))["batches"] == 5

    def test_a_conflict_is_recorded_and_the_first_counts(self) -> None:
        world, found = World(), batches(4)
        session = world.call()
        inputs, outputs = messages(found)
        other = batches(1, seed=9)[0]
        world.streams.put("ana out", outputs[1], outputs_of(1, other, last=False), outputs[0], *outputs[2:])
        world.run()
        live = world.worker.calibrator.live(session)
        assert live is not None
        world.streams.put("ana in", *inputs)
        world.run()
        assert world.result(session) == judged(found)
        assert [conflict.index for conflict in live.join.conflicts] == [1]

    def test_the_first_counts_after_a_death_too(self) -> None:
        for crash in range(1, 40):
            world, found = World(Fate([crash])), batches(3)
            session = world.call()
            inputs, outputs = messages(found)
            world.streams.put("ana out", *outputs)
            world.run()
            world.streams.put("ana out", outputs_of(1, batches(1, seed=9)[0], last=False))
            world.run()
            world.streams.put("ana in", *inputs)
            world.run()
            assert world.result(session) == judged(found)


def end_in_silence(world: World) -> None:
    """Time passes, and nobody says anything."""
    for live in world.worker.calibrator.lives():
        live.heard_at = -1e12
    while True:
        try:
            world.worker.tending.end_the_silent()
        except Crash:
            world.replace()
            for live in world.worker.calibrator.lives():
                live.heard_at = -1e12
            continue
        break
    world.run()
    if any(live.ending is None for live in world.worker.calibrator.lives()):
        end_in_silence(world)


class TestBadInput:
    @pytest.mark.parametrize(
        ("queue", "body", "said"),
        [
            ("ana in", b"\xff\xff\xff", "inputs queue"),
            ("ana out", b"\xff\xff\xff", "outputs queue"),
            ("ana out", outputs_of(0, (np.array([[3.0, 4.0]]), None), last=False), "softmax"),
        ],
    )
    def test_it_ends_the_session_with_its_reason_and_is_kept(self, queue: str, body: bytes, said: str) -> None:
        world = World()
        session, other = world.call("ana"), world.call("ben")
        world.streams.put(queue, body)
        inputs, outputs = messages(found := batches(3))
        world.streams.put("ben in", *inputs)
        world.streams.put("ben out", *outputs)
        world.run()
        assert world.session(session).state == "FAILED"
        assert said in world.session(session).reason
        kept = [key for key in sorted(world.objects.keys()) if key.startswith(f"calibration/aside/ana/{session}/")]
        assert [world.objects.get(key)[0] for key in kept] == [body]
        assert world.result(other) == judged(found)

    @pytest.mark.parametrize("crash", range(1, 25))
    def test_it_is_not_lost_by_a_death(self, crash: int) -> None:
        world = World(Fate([crash]))
        session = world.call()
        world.streams.put("ana in", b"\xff\xff\xff")
        world.run()
        assert world.session(session).state == "FAILED"
        assert world.objects.list("calibration/aside/ana/", 1)

    def test_labels_that_do_not_belong_to_the_predictions(self) -> None:
        world, found = World(), batches(3)
        session = world.call()
        inputs, outputs = messages(found)
        world.streams.put("ana in", *inputs)
        world.streams.put("ana out", outputs[0], outputs_of(1, batches(1, rows=2)[0], last=False))
        world.run()
        assert world.session(session).state == "FAILED"
        assert "batch 1 has 4 labels but 2 predictions" in world.session(session).reason

    def test_data_of_another_shape(self) -> None:
        world = World()
        session = world.call(inputs_format="(1,28,28)")
        world.streams.put("ana in", inputs_of(0, batches(1)[0], last=False, data=b"1234567890123456"))
        world.run()
        assert "(1, 28, 28)" in world.session(session).reason

    def test_an_endless_stream_is_ended(self) -> None:
        world = World(manner=Manner(timeout=1e9, lease=1e9, limits=Limits(batches=10)))
        session = world.call()
        world.streams.put("ana in", *[inputs_of(index, batches(1)[0], last=False) for index in range(50)])
        world.run()
        assert world.session(session).state == "FAILED"

    def test_endless_copies_are_ended(self) -> None:
        world = World(manner=Manner(timeout=1e9, lease=1e9, limits=Limits(repeats=10)))
        session = world.call()
        world.streams.put("ana in", *[inputs_of(0, batches(1)[0], last=False)] * 50)
        world.run()
        assert "said nothing new" in world.session(session).reason

    @pytest.mark.parametrize(("via", "left"), [("grpc", 0), ("notification", 3)])
    def test_what_a_failed_session_leaves_does_not_reach_the_next(self, via: str, left: int) -> None:
        """Where messages bear no session's name; else the next session tells them apart by itself."""
        world, found = World(), batches(3)
        session = world.call(via=via)
        inputs, outputs = messages(found)
        world.streams.put("ana in", b"\xff\xff\xff")
        world.run()
        world.streams.put("ana in", *inputs)
        world.streams.put("ana out", *outputs)
        world.run()
        world.streams.drop()
        assert len(world.streams.bodies("ana in")) == left
        kept = world.objects.list(f"calibration/aside/ana/{session}/", 100)
        assert len(kept) == (7 if via == "grpc" else 1)

    def test_a_queue_that_is_not_there_is_told_and_ends_the_session(self) -> None:
        world = World()
        session = world.call()
        world.streams.delete("ana in")
        world.streams.pump()
        assert "ana" in world.worker.calibrator.condition().troubles[0]
        for _ in range(5):
            world.streams.pump()
        world.run()
        assert world.session(session).state == "FAILED"
        assert "ana in" in world.session(session).reason

    def test_what_nobody_foresaw_ends_one_session_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        session, other = world.call("ana"), world.call("ben")
        live = world.worker.calibrator.live(session)
        assert live is not None
        from quintet.entry.worker import foreign

        world.worker.calibrator.guard = foreign
        monkeypatch.setattr(live, "take", lambda half: 1 / 0)
        for client in ("ana", "ben"):
            for queue, bodies in zip(("in", "out"), messages(batches(3)), strict=True):
                world.streams.put(f"{client} {queue}", *bodies)
        world.run()
        assert "ZeroDivisionError" in world.session(session).reason
        assert world.session(other).state == "COMPLETED"


class TestWhatWaitsForItsTurn:
    def test_more_than_the_memory_allows_is_judged_from_the_journal(self) -> None:
        world = World(manner=Manner(timeout=1e9, lease=1e9, limits=Limits(held_bytes=300)), group=3)
        found = batches(9)
        session = world.call()
        inputs, outputs = messages(found)
        world.streams.put("ana in", *inputs[::-1])
        world.streams.put("ana out", *outputs)
        world.run()
        live = world.worker.calibrator.live(session)
        assert live is None or live.stored
        assert world.result(session) == judged(found)

    @pytest.mark.parametrize("crash", range(1, 60, 4))
    def test_so_it_is_after_a_death(self, crash: int) -> None:
        manner = Manner(timeout=1e9, lease=1e9, limits=Limits(held_bytes=300))
        world, found = World(Fate([crash]), manner=manner, group=3), batches(9)
        session = world.call()
        inputs, outputs = messages(found)
        world.streams.put("ana in", *inputs[::-1])
        world.streams.put("ana out", *outputs)
        world.run()
        assert world.result(session) == judged(found)


class TestRegistration:
    def test_a_client_has_one_session_at_a_time(self) -> None:
        world = World()
        world.call()
        with pytest.raises(Conflict, match="already registered"):
            world.worker.calibrator.register(
                Registration(client_id="ana", inputs_queue="a", outputs_queue="b", via="grpc")
            )

    def test_a_full_worker_refuses(self) -> None:
        world = World(manner=Manner(clients=1, timeout=1e9, lease=1e9))
        world.call("ana")
        with pytest.raises(Overloaded, match="1 clients"):
            world.call("ben")

    def test_a_worker_without_lease_refuses(self) -> None:
        world = World()
        world.worker.calibrator.tenure.lost = True
        with pytest.raises(Unavailable):
            world.call("ana")


class TestALostLease:
    def test_what_is_stored_too_late_is_not_acknowledged(self) -> None:
        world, found = World(), batches(4)
        session = world.call()
        inputs, outputs = messages(found)
        world.streams.put("ana in", *inputs)
        world.streams.put("ana out", *outputs)
        world.worker.calibrator.tenure.renewed_at = -1e12
        world.worker.turn()
        live = world.worker.calibrator.live(session)
        assert live is not None
        assert live.join.size == 0
        world.streams.drop()
        assert len(world.streams.bodies("ana in")) == 4

    def test_it_begins_anew_and_takes_its_own_sessions_back(self) -> None:
        world, found = World(), batches(4)
        session = world.call()
        inputs, outputs = messages(found)
        world.streams.put("ana in", *inputs)
        world.run()
        before = world.worker.calibrator.tenure.worker
        world.worker.calibrator.tenure.lost = True
        world.worker.tending.renew()
        assert world.worker.calibrator.tenure.worker != before
        assert world.worker.calibrator.lives() == []
        world.ledger.renew(before, -1, 0)
        world.worker.tending.take_over_the_dead()
        world.streams.put("ana out", *outputs)
        world.run()
        assert world.result(session) == judged(found)
        assert [stretch.worker for stretch in world.session(session).lineage] == [
            before,
            world.worker.calibrator.tenure.worker,
        ]

    def test_a_worker_that_was_declared_dead_learns_it(self) -> None:
        world = World()
        world.ledger.leave(world.worker.calibrator.tenure.worker)
        world.worker.tending.renew()
        assert not world.worker.calibrator.tenure.good()
