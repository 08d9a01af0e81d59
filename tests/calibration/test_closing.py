"""The end of a session: what is written when, by whom, and what is tried again."""

import json
from typing import Any

import pytest

from quintet.calibration.callback import WORDS
from quintet.calibration.closing import TRACKING, Aftermath, Closing
from quintet.calibration.kept import RESULT, kept_as
from quintet.calibration.live import End, Live
from quintet.calibration.messages import Registration, Session
from quintet.entry.worker import foreign
from quintet.kernel.errors import Conflict, Unavailable
from tests.calibration.flaky import Flaky
from tests.calibration.world import World, batches, inputs_of, judged, messages, report


def completed(world: World, client: str = "ana", count: int = 4, **more: Any) -> Live:
    """A session whose messages are all taken, and whose end nobody has seen to yet."""
    session = world.call(client, **more)
    for queue, bodies in zip((f"{client} in", f"{client} out"), messages(batches(count)), strict=True):
        world.streams.put(queue, *bodies)
    world.streams.pump()
    world.worker.calibrator.commit(world.worker._group)
    world.worker._group.clear()
    live = world.worker.calibrator.live(session)
    assert live is not None
    assert live.ending == End("COMPLETED")
    return live


def closing(world: World, **chosen: Any) -> Closing:
    return Closing(world.worker.calibrator, Aftermath(**{"files": report, **chosen}))


class TestTasks:
    def test_each_is_done_once_and_then_noted(self) -> None:
        world, told = World(), []
        live = completed(world, session_id="s1", via="notification")

        def tell(session: Session) -> str:
            told.append(session.state)
            return "told"

        made = closing(world, tell=tell, track=lambda live: None)
        made.close(live)
        assert live.session.tasks == world.session("s1").tasks == (TRACKING,)
        made.tracked(live)
        assert world.session("s1").tasks == ()
        made.close(live)
        assert told == ["COMPLETED"]

    def test_a_service_that_is_away_is_told_later(self) -> None:
        world, told = World(), []
        live = completed(world, session_id="s1", via="notification")

        def tell(session: Any) -> str:
            told.append(session.state)
            if len(told) < 3:
                raise Unavailable("it is away")
            return "told"

        made = Closing(world.worker.calibrator, Aftermath(report, tell), rest=0)
        made.close(live)
        assert world.session("s1").tasks == ("callback",)
        for _ in range(2):
            made.again()
            made.stop(1)
            made.run()
        assert world.session("s1").tasks == ()
        assert len(told) == 3

    def test_a_record_that_could_not_be_noted_is_completed_once_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        tracked: list[Live] = []
        live = completed(world)
        made = closing(world, track=tracked.append)
        made.close(live)
        flaky = Flaky(world.worker.calibrator.ledger, {"done"})
        flaky.away = True
        monkeypatch.setattr(world.worker.calibrator, "ledger", flaky)
        made.tracked(live)
        flaky.away = False
        made.again()
        made.stop(1)
        made.run()
        assert tracked == [live, live]
        made.tracked(live)
        assert world.session(live.session.id).tasks == ()

    def test_of_two_threads_the_later_state_stands(self) -> None:
        world = World()
        live = completed(world, session_id="s1", via="notification")
        made = closing(world, tell=lambda session: "told", track=lambda live: None)
        ledger = world.worker.calibrator.ledger
        done = ledger.done

        class Crossing:
            """While the callback is noted, another thread notes the record, and is quicker to say so."""

            def __getattr__(self, name: str) -> Any:
                return getattr(ledger, name)

            def done(self, session: Any, task: str) -> Any:
                after = done(session, task)
                if task == "callback":
                    made._calibrator.ledger = ledger
                    made.done(live, TRACKING)
                return after

        made._calibrator.ledger = Crossing()  # type: ignore[assignment]
        made.close(live)
        assert live.session.tasks == ()
        assert live.session == world.session("s1")

    @pytest.mark.parametrize("state", WORDS)
    def test_failures_are_reported_too(self, state: Any) -> None:
        world = World()
        session = world.call()
        live = world.worker.calibrator.live(session)
        assert live is not None
        live.end(End(state, "why"))
        closing(world).close(live)
        assert (world.session(session).state, world.session(session).reason) == (state, "why")
        assert json.loads(world.result(session))["batches"] == 0


class TestOneThatWasTakenOver:
    def test_it_writes_over_nothing(self) -> None:
        """It slept through its lease and thinks that its client fell silent; another has ended the session since."""
        world = World()
        live = completed(world)
        sleeper = Live(world.session(live.session.id), live.evaluator)
        world.worker.calibrator.admit([sleeper], world.worker.calibrator.tenure)
        taken = world.ledger.take_over(live.session, worker="another", last=9, first=1)
        world.objects.put(kept_as(taken, RESULT), b"the other's")
        sleeper.end(End("TIMED_OUT", "nothing came"))
        closing(world).close(sleeper)
        assert world.result(taken.id) == b"the other's"
        assert world.session(taken.id).state == "OPEN"
        assert world.worker.calibrator.live(taken.id) is None

    def test_it_is_let_go(self) -> None:
        world = World()
        live = completed(world)
        closing(world).close(live)
        with pytest.raises(Conflict):
            world.ledger.done(live.session.model_copy(update={"worker": "another"}), "x")


class TestWhatNobodyForesaw:
    def test_a_report_that_can_not_be_drawn_costs_nothing_but_itself(self) -> None:
        world = World()
        world.worker.calibrator.guard = foreign
        live = completed(world)
        closing(world, files=lambda live, result: 1 / 0).close(live)
        assert (world.session(live.session.id).state, world.session(live.session.id).tasks) == ("COMPLETED", ())
        assert world.result(live.session.id) == judged(batches(4))
        assert ("a report could not be drawn") in [event for event, _ in world.worker.events]

    def test_a_judgement_that_can_not_be_made_ends_the_session_with_the_reason(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        world.worker.calibrator.guard = foreign
        live = completed(world)
        monkeypatch.setattr(live, "_judge", None)
        closing(world).close(live)
        assert world.session(live.session.id).state == "FAILED"
        assert "AttributeError" in world.session(live.session.id).reason


class TestCopiesAfterTheEnd:
    """An ended session's queues are read on for a moment."""

    def test_they_are_cleared_away(self) -> None:
        world = World()
        completed(world)
        world.streams.put("ana in", *messages(batches(4))[0])
        world.run()
        world.streams.drop()
        assert world.streams.bodies("ana in") == []

    def test_the_next_sessions_messages_are_none_though_they_are_the_same(self) -> None:
        """The client has come again at another worker."""
        world = World()
        closing(world).close(completed(world))
        again = Registration(client_id="ana", inputs_queue="ana in", outputs_queue="ana out", via="grpc")
        world.ledger.enter(again, worker="another", first=1)
        sent = messages(batches(4))[0]
        world.streams.put("ana in", *sent)
        world.run()
        world.streams.drop()
        assert world.streams.bodies("ana in") == sent


class TestRejects:
    def test_they_are_kept_until_the_end_is_durable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        session = world.call()
        world.streams.put("ana in", b"\xff\xff\xff")
        world.streams.pump()
        world.worker.calibrator.commit(world.worker._group)
        live = world.worker.calibrator.live(session)
        assert live is not None
        made, flaky = closing(world), Flaky(world.worker.calibrator.ledger, {"finish"})
        flaky.away = True
        monkeypatch.setattr(world.worker.calibrator, "ledger", flaky)
        made.close(live)
        assert len(world.keys(f"calibration/aside/ana/{session}/")) == 1
        world.streams.drop()
        assert world.streams.bodies("ana in") == [b"\xff\xff\xff"]

    def test_only_the_message_that_ended_it_is_taken_from_the_queue(self) -> None:
        world = World(group=1)
        session = world.call(via="notification")
        batch = batches(1)[0]
        world.streams.put("ana in", b"\xff\xff\xff", inputs_of(0, batch, last=False))
        world.run()
        assert world.session(session).state == "FAILED"
        world.streams.drop()
        assert world.streams.bodies("ana in") == [inputs_of(0, batch, last=False)]
