"""One training at a time, and none that stays as it is for ever."""

from datetime import timedelta

import pytest

from quintet.adapters.memory_rows import MemoryRows
from quintet.handover.errors import ResourceNotFoundError
from quintet.handover.runs import ATTEMPTS, LATELY, PAGE, SILENT, Claim, Run, Runs, Superseded, place
from quintet.kernel.clock import SteppedClock
from quintet.kernel.rows import Remove


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def runs(clock: SteppedClock) -> Runs:
    return Runs(MemoryRows(clock), clock, timedelta(minutes=20))


def added(runs: Runs, once: str = "") -> Run:
    return runs.add("lightgbm", "request", once=once)[0]


def claimed(runs: Runs, run: Run) -> Claim:
    claim = runs.claim(run.id)
    assert claim is not None
    return claim


def test_one_is_done_at_a_time(runs: Runs) -> None:
    first, second = added(runs), added(runs)
    claim = claimed(runs, first)
    assert runs.busy
    assert runs.claim(second.id) is None
    assert runs.claim(first.id) is None
    runs.succeed(claim, {"status": "success"}, version="1.0.1", live=True)
    assert not runs.busy
    assert claimed(runs, second).fence > claim.fence


def test_an_ended_run_is_not_done_again(runs: Runs) -> None:
    run = added(runs)
    runs.fail(claimed(runs, run), "there was nothing to learn", 400)
    assert runs.claim(run.id) is None
    ended = runs.read(run.id)
    assert (ended.status, ended.error, ended.error_status) == ("failed", "there was nothing to learn", 400)
    assert ended.ended_at is not None


def test_progress_makes_the_lease_longer(runs: Runs, clock: SteppedClock) -> None:
    run = added(runs)
    claim = claimed(runs, run)
    for number in range(3):
        clock.advance(15 * 60)
        runs.progressed(claim, {"round": number})
        assert runs.bury() is None
    assert runs.read(run.id).progress == {"round": 2}
    assert runs.busy


def test_who_was_taken_for_dead_ends_nothing(runs: Runs, clock: SteppedClock) -> None:
    run = added(runs)
    late = claimed(runs, run)
    clock.advance(21 * 60)
    buried = runs.bury()
    assert buried is not None
    assert buried.status == "waiting"
    again = claimed(runs, run)
    for attempt in (
        lambda: runs.progressed(late, {}),
        lambda: runs.succeed(late, {}, version="1.0.9", live=True),
        lambda: runs.fail(late, "late", 500),
        lambda: runs.put_back(late),
    ):
        with pytest.raises(Superseded):
            attempt()
    assert runs.succeed(again, {}, version="1.0.1", live=False).version == "1.0.1"


def test_a_run_that_dies_again_and_again_has_failed(runs: Runs, clock: SteppedClock) -> None:
    run = added(runs)
    for _ in range(ATTEMPTS):
        claimed(runs, run)
        clock.advance(21 * 60)
        assert runs.bury() is not None
    ended = runs.read(run.id)
    assert (ended.status, ended.error, ended.attempt) == ("failed", SILENT, ATTEMPTS)
    assert not runs.busy


def test_a_dead_one_is_buried_before_another_takes_its_place(runs: Runs, clock: SteppedClock) -> None:
    dead, other = added(runs), added(runs)
    claimed(runs, dead)
    clock.advance(21 * 60)
    assert runs.claim(other.id) is None
    buried = runs.bury()
    assert buried is not None
    assert (buried.id, buried.status) == (dead.id, "waiting")
    assert runs.claim(other.id)


def test_a_lease_does_not_outlive_its_run(runs: Runs, clock: SteppedClock) -> None:
    gone, other = added(runs), added(runs)
    claimed(runs, gone)
    runs.rows.write(Remove(place(gone.id)))
    clock.advance(21 * 60)
    assert runs.bury() is None
    assert runs.claim(other.id)


def test_however_many_came_later_what_waits_is_known(runs: Runs, clock: SteppedClock) -> None:
    first = added(runs)
    for _ in range(PAGE + 30):
        clock.advance(1)
        runs.fail(claimed(runs, added(runs)), "x", 400)
    last = added(runs)
    assert [run.id for run in runs.open()] == [first.id, last.id]
    clock.advance(LATELY.total_seconds() - 60)
    assert [run.id for run in runs.open()] == [last.id]


def test_who_holds_a_lease_is_not_buried(runs: Runs, clock: SteppedClock) -> None:
    assert runs.bury() is None
    claimed(runs, added(runs))
    clock.advance(19 * 60)
    assert runs.bury() is None


def test_the_same_name_is_the_same_run(runs: Runs) -> None:
    first, new = runs.add("lightgbm", "drift", once="drift#7")
    again, newer = runs.add("lightgbm", "drift", once="drift#7")
    other, _ = runs.add("lightgbm", "drift", once="drift#8")
    assert (new, newer) == (True, False)
    assert again.id == first.id != other.id


def test_the_newest_and_the_open_ones(runs: Runs, clock: SteppedClock) -> None:
    assert runs.newest() is None
    first = added(runs)
    clock.advance(1)
    second = added(runs)
    newest = runs.newest()
    assert newest is not None
    assert newest.id == second.id
    runs.fail(claimed(runs, first), "x", 500)
    assert [run.id for run in runs.open()] == [second.id]


def test_a_run_that_was_claimed_is_not_given_up(runs: Runs) -> None:
    run = added(runs)
    claimed(runs, run)
    assert runs.give_up(run, "late", 500) is None
    assert runs.read(run.id).status == "running"


def test_an_unknown_run(runs: Runs) -> None:
    with pytest.raises(ResourceNotFoundError):
        runs.read("20260101t000000-none")
