"""What the calibration room's ledger promises, over every store of rows."""

from datetime import timedelta

import pytest

from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.memory_rows import MemoryRows
from quintet.calibration.ledger import RETENTION, Ledger
from quintet.calibration.messages import Registration, Session, Stretch
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Rows
from tests.contract.conftest import AtOnce

SUMMARY = {"rows": 640, "ece": 0.012345678901234567, "alpha": None}
TASKS = ("report", "tracking")


def registration(client: str = "ana", session: str = "") -> Registration:
    return Registration(
        client_id=client,
        session_id=session,
        inputs_queue="in",
        outputs_queue="out",
        inputs_format="(1,28,28)",
        email="ana@example.org",
        via="notification" if session else "grpc",
    )


class LedgerContract:
    @pytest.fixture
    def rows(self, clock: SteppedClock) -> Rows:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, rows: Rows, clock: SteppedClock) -> Ledger:
        return Ledger(rows, clock)

    def entered(self, ledger: Ledger, client: str = "ana", worker: str = "w1", first: int = 7) -> Session:
        return ledger.enter(registration(client), worker=worker, first=first)

    def finished(self, ledger: Ledger, session: Session, *tasks: str) -> Session:
        return ledger.finish(session, "COMPLETED", "", SUMMARY, tasks, ledger.clock.now())

    def test_a_worker_may_be_asked_for_some_of_its_sessions(self, ledger: Ledger) -> None:
        sessions = [self.entered(ledger, f"client {number}") for number in range(4)]
        some = ledger.held_by("w1", limit=3)
        assert len(some) == 3
        assert {one.id for one in some} < {one.id for one in sessions}

    def test_a_session_is_read_as_it_was_entered(self, ledger: Ledger, clock: SteppedClock) -> None:
        session = ledger.enter(registration("ana ü#", "s-1"), worker="w1", first=7)
        assert ledger.read("s-1") == ledger.find("s-1") == ledger.current("ana ü#") == session
        assert ledger.held_by("w1") == ledger.sessions_of("ana ü#", limit=9) == [session]
        assert (session.state, session.fence, session.registered_at) == ("OPEN", 1, clock.now())
        assert session.lineage == (Stretch(worker="w1", first=7),)
        assert session.email == "ana@example.org"

    def test_what_is_not_there_is_not_found(self, ledger: Ledger) -> None:
        assert ledger.find("none") is None
        assert ledger.current("nobody") is None
        assert ledger.held_by("w1") == ledger.sessions_of("nobody", limit=9) == []
        with pytest.raises(NotFound, match="none"):
            ledger.read("none")

    def test_a_session_without_an_id_gets_one_that_nobody_guesses(self, ledger: Ledger) -> None:
        first, second = self.entered(ledger, "a"), self.entered(ledger, "b")
        assert len(first.id) == 32
        assert first.id != second.id

    def test_a_client_has_one_open_session(self, ledger: Ledger) -> None:
        first = self.entered(ledger)
        with pytest.raises(Conflict, match="Client ana is already registered"):
            self.entered(ledger, worker="w2")
        assert ledger.held_by("w2") == []
        self.finished(ledger, first, "report")
        assert ledger.current("ana") is None
        second = self.entered(ledger, worker="w2")
        assert ledger.current("ana") == second

    def test_an_id_is_one_sessions(self, ledger: Ledger) -> None:
        ledger.enter(registration("ana", "s-1"), worker="w1", first=0)
        with pytest.raises(Conflict):
            ledger.enter(registration("bea", "s-1"), worker="w1", first=0)
        assert ledger.current("bea") is None

    def test_of_many_that_register_one_client_at_once_one_does(self, ledger: Ledger, at_once: AtOnce) -> None:
        outcomes = at_once(lambda number: self.entered(ledger, worker=f"w{number}"))
        sessions = [one for one in outcomes if isinstance(one, Session)]
        assert [ledger.current("ana")] == sessions
        assert sum(isinstance(one, Conflict) for one in outcomes) == 15

    def test_a_clients_list_is_newest_first_and_its_own(self, ledger: Ledger, clock: SteppedClock) -> None:
        ids = []
        for _ in range(3):
            ids.append(self.finished(ledger, self.entered(ledger)).id)
            clock.advance(0.001)
        self.entered(ledger, "ana2")
        assert [session.id for session in ledger.sessions_of("ana", limit=2)] == [ids[2], ids[1]]

    def test_an_end_is_kept_with_what_is_still_to_do(self, ledger: Ledger, clock: SteppedClock) -> None:
        session = self.entered(ledger)
        clock.advance(60)
        ended = ledger.finish(session, "TIMED_OUT", "batches 3 and 5", SUMMARY, TASKS, clock.now())
        assert ledger.read(session.id) == ended
        assert (ended.state, ended.reason, ended.summary, ended.tasks) == (
            "TIMED_OUT",
            "batches 3 and 5",
            SUMMARY,
            TASKS,
        )
        assert ended.ended_at == clock.now()
        assert ledger.held_by("w1") == [ended]

    def test_the_last_task_lets_it_go(self, ledger: Ledger) -> None:
        ended = self.finished(ledger, self.entered(ledger), *TASKS)
        after = ledger.done(ended, "tracking")
        assert ledger.held_by("w1") == [after]
        assert ledger.done(ended, "report").tasks == ()  # an old copy is as good
        assert ledger.held_by("w1") == []
        assert ledger.done(ended, "report").tasks == ()

    def test_without_tasks_the_end_lets_it_go(self, ledger: Ledger) -> None:
        self.finished(ledger, self.entered(ledger))
        assert ledger.held_by("w1") == []

    def test_an_end_is_one_whoever_says_it_twice(self, ledger: Ledger) -> None:
        session = self.entered(ledger)
        ended = self.finished(ledger, session, "report")
        again = ledger.finish(session, "FAILED", "late", None, (), ledger.clock.now())
        assert again == ended == ledger.read(session.id)

    def test_another_worker_takes_over(self, ledger: Ledger) -> None:
        session = self.entered(ledger)
        taken = ledger.take_over(session, worker="w2", last=12, first=0)
        assert taken == ledger.read(session.id) == ledger.current("ana")
        assert (taken.worker, taken.fence) == ("w2", 2)
        assert taken.lineage == (Stretch(worker="w1", first=7, last=12), Stretch(worker="w2", first=0))
        assert ledger.held_by("w1") == []
        assert ledger.held_by("w2") == [taken]

    def test_a_session_with_tasks_is_taken_over_and_stays_ended(self, ledger: Ledger) -> None:
        ended = self.finished(ledger, self.entered(ledger), "report")
        taken = ledger.take_over(ended, worker="w2", last=12, first=0)
        assert (taken.state, taken.ended_at) == ("COMPLETED", ended.ended_at)
        ledger.done(taken, "report")
        assert ledger.held_by("w1") == ledger.held_by("w2") == []
        assert ledger.sessions_of("ana", limit=9) == [ledger.read(ended.id)]

    def test_who_was_taken_over_changes_nothing_more(self, ledger: Ledger) -> None:
        session = self.entered(ledger)
        taken = ledger.take_over(session, worker="w2", last=12, first=0)
        back = ledger.take_over(taken, worker="w1", last=3, first=40)
        for old in (session, taken):
            with pytest.raises(Conflict):
                self.finished(ledger, old)
            with pytest.raises(Conflict):
                ledger.done(old, "report")
            with pytest.raises(Conflict):
                ledger.take_over(old, worker="w3", last=0, first=0)
        assert ledger.read(session.id) == back
        self.finished(ledger, back)

    def test_what_was_amended_meanwhile_is_not_taken_over_unseen(self, ledger: Ledger) -> None:
        session = self.entered(ledger)
        ended = self.finished(ledger, session, "report")
        with pytest.raises(Conflict):
            ledger.take_over(session, worker="w2", last=12, first=0)
        assert ledger.read(session.id) == ended

    def test_of_many_that_take_over_at_once_one_does(self, ledger: Ledger, at_once: AtOnce) -> None:
        session = self.entered(ledger)
        outcomes = at_once(lambda number: ledger.take_over(session, worker=f"t{number}", last=9, first=0))
        taken = [one for one in outcomes if isinstance(one, Session)]
        assert [ledger.read(session.id)] == taken
        assert [number for number in range(16) if ledger.held_by(f"t{number}")] == [int(taken[0].worker[1:])]

    def test_tasks_done_at_once_are_all_done(self, ledger: Ledger, at_once: AtOnce) -> None:
        ended = self.finished(ledger, self.entered(ledger), *(f"task {number}" for number in range(16)))
        outcomes = at_once(lambda number: ledger.done(ended, f"task {number}"))
        assert all(isinstance(one, Session) for one in outcomes), outcomes
        assert ledger.read(ended.id).tasks == ()
        assert ledger.held_by("w1") == []

    def test_what_has_ended_is_forgotten_in_time_and_what_is_open_is_not(
        self, ledger: Ledger, rows: Rows, clock: SteppedClock
    ) -> None:
        ended, still = self.finished(ledger, self.entered(ledger), "report"), self.entered(ledger, "bea")
        clock.advance((RETENTION - timedelta(seconds=2)).total_seconds())
        assert ledger.sessions_of("ana", limit=9) == [ended]
        ledger.done(ended, "report")
        clock.advance(4)
        assert ledger.find(ended.id) is None
        assert rows.list("calibration#sessions#ana") == []
        assert ledger.current("bea") == still
        assert ledger.sessions_of("bea", limit=9) == ledger.held_by("w1") == [still]

    def test_workers_are_known_by_their_beats(self, ledger: Ledger, clock: SteppedClock) -> None:
        ledger.announce("w1")
        ledger.announce("w2", clients=3)
        clock.advance(5)
        ledger.renew("w1", beat=17, clients=2)
        known = ledger.workers()
        assert {name: (beat.beat, beat.clients) for name, beat in known.items()} == {"w1": (17, 2), "w2": (0, 3)}
        assert known["w1"].heard_at - known["w2"].heard_at == timedelta(seconds=5)

    def test_who_was_declared_dead_learns_of_it(self, ledger: Ledger) -> None:
        ledger.announce("w1")
        with pytest.raises(Conflict):
            ledger.announce("w1")
        ledger.leave("w1")
        ledger.leave("w1")
        with pytest.raises(Conflict):
            ledger.renew("w1", beat=1, clients=0)
        assert ledger.workers() == {}


class TestLedgerInMemory(LedgerContract):
    @pytest.fixture
    def rows(self, clock: SteppedClock) -> Rows:
        return MemoryRows(clock)


class TestLedgerOnMoto(LedgerContract):
    @pytest.fixture
    def rows(self, moto_table: str, clock: SteppedClock) -> Rows:
        return DynamoRows(moto_table, clock)


@pytest.mark.enable_socket
class TestLedgerOnCloud(LedgerContract):
    @pytest.fixture
    def rows(self, cloud_table: str, clock: SteppedClock) -> Rows:
        return DynamoRows(cloud_table, clock)
