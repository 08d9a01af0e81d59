"""Few environments start at one time, and whoever waits takes one that became free if that is sooner."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from quintet_localstack.starts import Starts

COLD, WARM = 0.1, 0.002


class Function:
    """Environments by number, each of which starts in `cold` seconds; `most_at_once` ever did at one time."""

    def __init__(self, starts: Starts, cold: float = COLD) -> None:
        self.starts = starts
        self.cold = cold
        self.lock = threading.Lock()
        self.numbers = count(1)
        self.free: list[int] = []
        self.made: list[int] = []
        self.starting = self.most_at_once = 0

    def take(self) -> int | None:
        with self.lock:
            return self.free.pop() if self.free else None

    def start(self) -> int:
        with self.lock:
            self.starting += 1
            self.most_at_once = max(self.starting, self.most_at_once)
        time.sleep(self.cold)
        with self.lock:
            self.starting -= 1
            self.made.append(next(self.numbers))
            return self.made[-1]

    def invoke(self, work: Callable[[], object] = lambda: time.sleep(WARM)) -> int:
        environment = self.starts.first(self.take, self.start)
        work()
        with self.lock:
            self.free.append(environment)
        self.starts.look_again()
        return environment


def at_once(times: int, invoke: Callable[[], object]) -> None:
    with ThreadPoolExecutor(times) as pool:
        for done in [pool.submit(invoke) for _ in range(times)]:
            done.result(timeout=20)


def test_a_herd_is_served_by_the_first_that_are_ready() -> None:
    function = Function(Starts(most=2))
    at_once(20, function.invoke)
    assert function.most_at_once == 2
    assert len(function.made) < 10


def test_those_that_stay_busy_are_joined_by_others_in_turn() -> None:
    function, all_there = Function(Starts(most=2)), threading.Barrier(6)
    at_once(6, lambda: function.invoke(lambda: all_there.wait(20)))
    assert (function.most_at_once, len(function.made)) == (2, 6)


def test_a_free_one_is_taken_while_every_place_is_taken() -> None:
    starts, stuck = Starts(most=1), threading.Event()
    slow, function = Function(starts), Function(starts)
    function.free.append(7)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(starts.first, slow.take, lambda: stuck.wait(20) and 1)
        while not starts.begun:
            time.sleep(0.001)
        assert function.invoke() == 7
        stuck.set()
        assert waiting.result() == 1


def test_functions_that_call_each_other_while_they_work_wait_for_no_place() -> None:
    starts = Starts(most=1)
    inner, outer = Function(starts), Function(starts)
    at_once(5, lambda: outer.invoke(inner.invoke))
    assert outer.most_at_once == inner.most_at_once == 1


def test_a_start_that_waits_for_another_start_keeps_its_place_for_so_long_only() -> None:
    starts = Starts(most=1, longest=0.2)
    inner = Function(starts)
    began = time.monotonic()
    assert starts.first(lambda: None, inner.invoke) == 1
    assert 0.2 <= time.monotonic() - began < 10


def test_a_start_that_fails_is_told_and_leaves_its_place() -> None:
    function = Function(Starts(most=1))

    def fails() -> int:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        function.starts.first(lambda: None, fails)
    assert function.invoke() == 1
