"""People first, newest first, one computation for all who ask for the same, and nobody waits for what is gone."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from quintet.glucose.computation import REMEMBERED
from quintet.glucose.ports import Computations, Priority
from quintet.glucose.scheduling import Direct, Scheduler
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidInput,
    ModelUnavailable,
    Overloaded,
    Unavailable,
)
from tests.glucose.office import PATIENCE, Client, Work, office

BACKGROUND, PREFETCH = Priority.BACKGROUND, Priority.PREFETCH


def test_the_result_is_the_works() -> None:
    with office() as here:
        call = here.call("a")
        here.end_next()
        assert call.result() == "a"


def test_urgent_first_and_the_newest_first_among_equals() -> None:
    with office() as here:
        here.call("first")
        first = here.next()
        for key in ("old prefetch", "new prefetch"):
            here.later(key, priority=PREFETCH)
        for key in ("old background", "new background"):
            here.later(key)
        for key in ("old", "new"):
            here.call(key)
        first.end.set()
        assert here.order(6) == ["new", "old", "new background", "old background", "new prefetch", "old prefetch"]


def test_callers_with_one_key_share_one_computation() -> None:
    with office() as here:
        calls = [here.call("a", name=f"work {number}") for number in range(10)]
        here.end_next()
        assert {call.result() for call in calls} == {"work 0"}
        assert here.started.empty()
        assert here.scheduler.state().runs == 1


def test_callers_of_other_keys_do_not() -> None:
    with office(workers=3) as here:
        calls = [here.call(key) for key in "ab"]
        assert sorted(here.order(2)) == ["a", "b"]
        assert [call.result() for call in calls] == ["a", "b"]


def test_what_is_done_is_computed_anew() -> None:
    with office() as here:
        for name in ("one", "two"):
            call = here.call("a", name=name)
            here.end_next()
            assert call.result() == name


def test_a_person_who_joins_background_work_raises_its_priority() -> None:
    with office() as here:
        here.call("first")
        first = here.next()
        for key in ("a", "b", "c"):
            here.later(key)
        joined = here.call("a")
        first.end.set()
        assert here.order(3) == ["a", "c", "b"]
        assert joined.result() == "a"
        assert here.scheduler.state().runs_by_priority == {0: 2, 1: 2}


def test_a_person_does_not_wait_for_a_delay() -> None:
    with office() as here:
        assert here.later("a", delay=3600)
        call = here.call("a")
        here.end_next()
        assert call.result() == "a"
        assert not here.scheduler._delayed


def test_a_caller_who_leaves_the_queue_takes_its_work_along() -> None:
    with office() as here:
        here.call("first")
        first = here.next()
        here.call("a").gone()
        assert here.size == 0
        here.call("b")
        first.end.set()
        assert here.order(1) == ["b"]


def test_the_work_of_who_leaves_stays_while_another_waits() -> None:
    with office() as here:
        here.call("first")
        first = here.next()
        leaving, staying = here.call("a"), here.call("a")
        leaving.gone()
        assert here.size == 1
        first.end.set()
        work = here.next()
        here.call("a").gone()
        assert not work.stopped.is_set()
        work.end.set()
        assert staying.result() == "a"


def test_running_work_stops_when_its_last_caller_leaves() -> None:
    with office() as here:
        calls = [here.call("a") for _ in range(2)]
        work = here.next()
        calls[0].gone()
        assert not work.end.is_set()
        calls[1].gone()
        assert work.stopped.wait(PATIENCE)
        here.call("b")
        here.end_next()
        assert here.scheduler.state().errors == 0


def test_who_comes_after_the_last_has_left_gets_a_fresh_computation() -> None:
    with office(workers=3) as here:
        stubborn = threading.Event()
        started = threading.Event()

        def never_looks(_: Cancellation) -> str:
            started.set()
            assert stubborn.wait(PATIENCE)
            return "old"

        client = Client()
        old = here.threads.submit(here.scheduler.run, "a", never_looks, cancellation=client)
        assert started.wait(PATIENCE)
        client.cancel()
        with pytest.raises(Cancelled):
            old.result(PATIENCE)
        fresh = here.call("a", name="fresh")
        work = here.next()
        stubborn.set()
        here.call("other")
        here.end_next()
        joined = here.call("a", name="not asked for")
        work.end.set()
        assert fresh.result() == joined.result() == "fresh"


def test_work_asked_for_later_outlives_those_who_join_it() -> None:
    with office() as here:
        here.call("first")
        first = here.next()
        here.later("a")
        here.later("b")
        here.call("a").gone()
        assert here.size == 2
        here.call("c")
        first.end.set()
        assert here.order(1) == ["c"]
        running = here.next()
        here.call(running.name).gone()
        assert not running.end.is_set()
        running.end.set()
        assert sorted([running.name, here.end_next().name]) == ["a", "b"]


def test_what_somebody_waits_for_may_be_asked_for_later_too() -> None:
    with office() as here:
        call = here.call("a")
        work = here.next()
        assert here.later("a")
        call.gone()
        assert not work.end.is_set()
        work.end.set()


def test_who_is_gone_already_takes_no_place() -> None:
    with office() as here:
        client = Client()
        client.cancel()
        with pytest.raises(Cancelled):
            here.scheduler.run("a", Work("a", here.started), cancellation=client)
        assert here.started.empty()


def test_a_full_queue_sends_callers_away() -> None:
    with office(capacity=4) as here:
        here.call("running")
        work = here.next()
        calls = [here.call(f"{number}") for number in range(4)]
        with pytest.raises(Overloaded):
            here.scheduler.admit()
        with pytest.raises(Overloaded):
            here.call("one too many")
        assert here.scheduler.state().utilisation == 1
        joining = here.call("0")
        calls[3].gone()
        here.scheduler.admit()
        work.end.set()
        here.order(3)
        assert joining.result() == "0"


def test_background_work_leaves_room_for_people() -> None:
    with office(capacity=8) as here:
        here.call("running")
        here.next()
        assert [here.later(f"{number}") for number in range(8)] == [True] * 6 + [False] * 2
        assert [here.later(f"delayed {number}", delay=3600) for number in range(2)] == [False] * 2
        assert here.scheduler.state().dropped == 4
        here.scheduler.admit()


def test_what_is_delayed_counts_too() -> None:
    with office(capacity=4) as here:
        assert [here.later(f"{number}", delay=3600) for number in range(4)] == [True, True, True, False]
        assert here.size == 0


def test_people_displace_what_nobody_waits_for_the_least_urgent_and_oldest_first() -> None:
    with office(capacity=4) as here:
        here.call("running")
        first = here.next()
        here.later("old prefetch", priority=PREFETCH)
        here.later("background")
        here.later("new prefetch", priority=PREFETCH)
        here.call("a")
        assert here.scheduler.state().dropped == 1
        here.call("b")
        here.call("c")
        assert here.scheduler.state().dropped == 3
        here.call("d")
        with pytest.raises(Overloaded):
            here.call("e")
        first.end.set()
        assert here.order(4) == ["d", "c", "b", "a"]


def test_one_who_leaves_makes_no_place_for_background_work_in_a_full_queue() -> None:
    with office(capacity=4) as here:
        here.call("running")
        first = here.next()
        here.later("wanted")
        joined = here.call("wanted")
        for key in "abc":
            here.call(key)
        joined.gone()
        assert here.size == 3
        assert here.scheduler.state().dropped == 1
        first.end.set()
        assert here.order(3) == ["c", "b", "a"]


def test_one_worker_is_kept_for_people() -> None:
    with office(workers=2) as here:
        here.later("background")
        background = here.next()
        here.later("more background")
        person = here.call("person")
        assert here.end_next().name == "person"
        assert person.result() == "person"
        background.end.set()
        assert here.end_next().name == "more background"


def test_people_use_every_worker() -> None:
    with office(workers=3) as here:
        calls = [here.call(key) for key in "abc"]
        works = [here.next() for _ in calls]
        assert here.scheduler.state().busy == 3
        for work in works:
            work.end.set()
        assert [call.result() for call in calls] == ["a", "b", "c"]


def test_the_reserved_worker_waits_while_another_is_free() -> None:
    """Else a person's work would occupy it, and background work the other, when the next person comes."""
    for _ in range(20):
        with office(workers=2) as here:
            resting(here.scheduler, 1)
            here.call("person")
            person = here.next()
            here.later("background")
            here.call("another")
            assert here.end_next().name == "another"
            person.end.set()
            here.end_next()


def resting(scheduler: Scheduler, count: int) -> None:
    """Wait until so many of the workers that take anything have nothing to do."""
    deadline = stopwatch() + PATIENCE
    with scheduler._changed:
        while scheduler._idle < count:
            assert stopwatch() < deadline
            scheduler._changed.wait(0.001)


def test_delayed_work_is_done_when_it_is_due() -> None:
    with office(workers=2) as here:
        begun = stopwatch()
        here.later("third", delay=0.2)
        here.later("first", delay=0.05)
        here.later("second", delay=0.1)
        assert here.order(3) == ["first", "second", "third"]
        assert stopwatch() - begun >= 0.2


def test_what_is_asked_for_again_before_it_is_done_is_done_once() -> None:
    with office() as here:
        assert here.later("a", delay=0.05)
        assert here.later("a")
        here.end_next()
        here.call("b")
        assert here.end_next().name == "b"


def test_what_falls_due_on_a_crowded_queue_is_dropped() -> None:
    with office(capacity=4) as here:
        here.later("due soon", delay=0.05)
        here.call("running")
        first = here.next()
        for key in "abc":
            here.call(key)
        due = here.scheduler._delayed[0][0]
        threading.Event().wait(due - stopwatch())
        first.end.set()
        assert here.order(3) == ["c", "b", "a"]
        here.call("last")
        assert here.end_next().name == "last"
        assert here.scheduler.state().dropped == 1


def test_errors_reach_everybody_who_waits() -> None:
    with office() as here:
        calls = [here.call("a") for _ in range(3)]
        work = here.next()
        work.error = ModelUnavailable("no model")
        work.end.set()
        for call in calls:
            with pytest.raises(ModelUnavailable, match="no model"):
                call.result()
        assert here.scheduler.state().errors == 1
        here.call("b")
        assert here.end_next().name == "b"


def test_an_error_is_told_with_the_works_traceback_alone() -> None:
    with office() as here:
        calls = [here.call("a") for _ in range(10)]
        work = here.next()
        work.error = ValueError("bad")
        work.end.set()
        errors = [call.answer.exception(PATIENCE) for call in calls]
        depths = []
        for error in errors:
            assert error is not None
            depths.append(len(list(_frames(error))))
        assert max(depths) < 10
        assert "__call__" in list(_frames(errors[0]))


def _frames(error: BaseException | None) -> Iterator[str]:
    traceback = error.__traceback__ if error else None
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_name
        traceback = traceback.tb_next


def test_nobody_waits_longer_than_the_timeout() -> None:
    with office(timeout=0.05) as here:
        running, queued = here.call("running"), here.call("queued")
        for call in (running, queued):
            with pytest.raises(DeadlineExceeded):
                call.result()
        assert here.next().stopped.wait(PATIENCE)
        assert here.size == 0


def test_closing_sends_everybody_away() -> None:
    with office() as here:
        running = here.call("running")
        work = here.next()
        queued = here.call("queued")
        here.later("delayed", delay=3600)
        here.scheduler.close()
        assert work.stopped.is_set()
        for call in (running, queued):
            with pytest.raises(Unavailable):
                call.result()
        with pytest.raises(Unavailable):
            here.scheduler.admit()
        with pytest.raises(Unavailable):
            here.call("too late")
        assert not here.later("too late")


def test_closing_does_not_wait_for_who_does_not_listen() -> None:
    scheduler = Scheduler("deaf", workers=1, capacity=1)
    end = threading.Event()
    barrier = threading.Barrier(2)
    scheduler.later("a", lambda _: (barrier.wait(PATIENCE), end.wait(PATIENCE)), priority=BACKGROUND)
    barrier.wait(PATIENCE)
    begun = stopwatch()
    scheduler.close(patience=0.05)
    assert stopwatch() - begun < PATIENCE / 2
    end.set()
    scheduler._threads[0].join(PATIENCE)


def test_nothing_of_a_request_is_kept_when_it_is_answered() -> None:
    with office() as here:
        for number in range(50):
            call = here.call(f"{number}")
            here.end_next()
            call.result()
        for number in range(50):
            here.call(f"{number}").gone()
        assert not here.scheduler._shared
        assert not here.scheduler._delayed


def test_statistics_do_not_grow() -> None:
    direct = Direct()
    for _ in range(REMEMBERED + 10):
        direct.run("a", lambda _: None)
    assert direct.state().runs == REMEMBERED + 10
    assert len(direct._counts.fulfilments) == REMEMBERED


def test_directly_the_caller_works() -> None:
    direct: Computations = Direct()
    assert direct.run("a", lambda _: threading.current_thread()) is threading.current_thread()
    assert not direct.later("a", lambda _: None, priority=BACKGROUND)
    client = Cancellation()
    assert direct.run("a", lambda cancellation: cancellation, cancellation=client) is client
    with pytest.raises(InvalidInput):
        direct.run("a", _refuse)
    direct.admit()
    client.cancel()
    with pytest.raises(Cancelled):
        direct.run("a", lambda _: None, cancellation=client)
    state = direct.state()
    assert (state.runs, state.errors, state.dropped, state.utilisation) == (3, 1, 0, 0)
    assert state.mean_fulfilment_ms > 0


def _refuse(_: Cancellation) -> None:
    raise InvalidInput("no")


@pytest.mark.parametrize("seed", range(3))
def test_64_threads_come_and_go(seed: int) -> None:
    """Each gets its own key's result, a cancelled one may get Cancelled, and nothing is left over."""
    scheduler = Scheduler("crowd", workers=4, capacity=256)
    runs = threading.Semaphore(0)
    barrier = threading.Barrier(64)

    def crowd(number: int) -> int:
        chance, answered = random.Random(64 * seed + number), 0
        barrier.wait(PATIENCE)
        for _ in range(60):
            answered += come(chance)
        return answered

    def come(chance: random.Random) -> bool:
        key, client = f"{chance.randrange(24)}", Cancellation()
        if chance.random() < 0.3:
            scheduler.later(key, compute(key), priority=PREFETCH, delay=chance.random() / 100)
        leaving = chance.random() < 0.4
        if leaving:
            threading.Timer(chance.random() / 200, client.cancel).start()
        try:
            result = scheduler.run(key, compute(key), cancellation=client, priority=chance.choice(list(Priority)))
        except Cancelled:
            assert leaving
            return False
        assert result == key
        return True

    def compute(key: str) -> Callable[[Cancellation], str]:
        def work(cancellation: Cancellation) -> str:
            for _ in range(50):
                cancellation.check()
                sum(range(200))
            runs.release()
            return key

        return work

    with ThreadPoolExecutor(64) as threads:
        answered = sum(threads.map(crowd, range(64)))
    assert answered > 64 * 60 * 0.4
    state = scheduler.state()
    assert state.errors == 0
    assert all(one.asked_later is not None and not one.waiters for one in scheduler._shared.values())
    scheduler.close()
    assert not any(thread.is_alive() for thread in scheduler._threads)
