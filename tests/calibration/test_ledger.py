"""Two workers at one session, in any order and one amid another: at each fence one of them is its owner."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quintet.adapters.memory_rows import MemoryRows
from quintet.calibration.ledger import Ledger
from quintet.calibration.messages import Registration, Session
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict
from quintet.kernel.rows import Place, Write

WORKERS = ("w1", "w2")
TASKS = ("report", "tracking", "callback")
Happening = Callable[[Session], Session]


@dataclass
class Meddled:
    """Rows before whose next write something else happens."""

    rows: MemoryRows
    before_next_write: list[Callable[[], object]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    reads: int = 0

    def write(self, *step: Write) -> None:
        if self.before_next_write:
            self.before_next_write.pop()()
        self.steps.append(len(step))
        self.rows.write(*step)

    def read(self, place: Place) -> dict[str, Any]:
        self.reads += 1
        return self.rows.read(place)

    def list(self, partition: str, **how: Any) -> list[tuple[str, dict[str, Any]]]:
        return self.rows.list(partition, **how)


def small_ledger() -> tuple[Ledger, Meddled]:
    clock = SteppedClock()
    rows = Meddled(MemoryRows(clock))
    return Ledger(rows, clock), rows


def registration(client: str = "ana") -> Registration:
    return Registration(client_id=client, inputs_queue="in", outputs_queue="out", via="grpc")


def test_entering_is_one_write_and_no_look() -> None:
    ledger, rows = small_ledger()
    ledger.enter(registration(), worker="w1", first=0)
    assert (rows.steps, rows.reads) == ([4], 0)


def test_a_session_that_was_just_seen_ends_in_one_write() -> None:
    ledger, rows = small_ledger()
    session = ledger.enter(registration(), worker="w1", first=0)
    ledger.finish(session, "COMPLETED", "", {}, ("report",), ledger.clock.now())
    assert (len(rows.steps), rows.reads) == (2, 0)


def finish(ledger: Ledger) -> Happening:
    return lambda seen: ledger.finish(seen, "COMPLETED", "", {"rows": 1}, TASKS, ledger.clock.now())


def do_task(ledger: Ledger, task: str) -> Happening:
    return lambda seen: ledger.done(seen, task)


def take(ledger: Ledger, worker: str) -> Happening:
    return lambda seen: ledger.take_over(seen, worker=worker, last=seen.fence, first=0)


class TwoWorkers(RuleBasedStateMachine):
    """Each worker acts on the session as it saw it last; `owners` is what the ledger granted."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger, self.rows = small_ledger()
        self.owners: dict[int, str] = {}
        self.seen: dict[str, Session] = {}

    @initialize()
    def enter(self) -> None:
        session = self.ledger.enter(registration(), worker="w1", first=0)
        self.owners[1] = "w1"
        self.seen = dict.fromkeys(WORKERS, session)
        self.id = session.id

    @rule(worker=st.sampled_from(WORKERS))
    def look(self, worker: str) -> None:
        self.seen[worker] = self.ledger.read(self.id)

    @rule(worker=st.sampled_from(WORKERS), which=st.integers(0, 4), amid=st.none() | st.integers(0, 4))
    def act(self, worker: str, which: int, amid: int | None) -> None:
        other = WORKERS[1 - WORKERS.index(worker)]
        if amid is not None:
            self.rows.before_next_write.append(lambda: self.attempt(other, amid))
        self.attempt(worker, which)
        self.rows.before_next_write.clear()

    def attempt(self, worker: str, which: int) -> None:
        happenings = [
            finish(self.ledger),
            *(do_task(self.ledger, task) for task in TASKS),
            take(self.ledger, worker),
        ]
        seen = self.seen[worker]
        if which < 4 and seen.worker != worker:
            return  # who does not believe to own it leaves it alone
        try:
            after = happenings[which](seen)
        except Conflict:
            now = self.ledger.read(self.id)
            assert now.version > seen.version
            return
        self.granted(seen, after, worker)

    def granted(self, seen: Session, after: Session, worker: str) -> None:
        assert after.worker == worker
        assert self.owners.setdefault(after.fence, worker) == worker
        assert after.fence in (seen.fence, seen.fence + 1)
        self.seen[worker] = after

    @invariant()
    def one_holds_it_and_its_rows_say_so(self) -> None:
        if not self.seen:
            return
        now = self.ledger.read(self.id)
        assert max(self.owners) == now.fence
        assert self.owners[now.fence] == now.worker
        assert [stretch.worker for stretch in now.lineage] == [self.owners[fence] for fence in sorted(self.owners)]
        assert [stretch.last is None for stretch in now.lineage] == [*[False] * (now.fence - 1), True]
        in_hand = not now.ended or bool(now.tasks)
        for worker in WORKERS:
            assert [one.id for one in self.ledger.held_by(worker)] == [self.id] * (in_hand and worker == now.worker)
        assert (self.ledger.current("ana") is not None) == (not now.ended)


TestTwoWorkers = TwoWorkers.TestCase
