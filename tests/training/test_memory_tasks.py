"""Tasks in memory end, die and are counted as real ones are."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from quintet.adapters.memory_tasks import MemoryTasks
from quintet.kernel.errors import Overloaded, Unavailable


@dataclass(frozen=True)
class Errand:
    key: str
    attempt: int = 1
    steps: int = 2


def program(errand: Errand, task: str) -> Iterator[None]:
    for _ in range(errand.steps):
        yield
    if errand.key == "broken":
        raise RuntimeError("it broke")


@pytest.fixture
def stopped() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def tasks(stopped: list[tuple[str, str]]) -> MemoryTasks[Errand]:
    return MemoryTasks(program, lambda errand, task, reason: stopped.append((task, reason)))


def test_one_task_an_attempt_however_often_it_is_asked_for(tasks: MemoryTasks[Errand]) -> None:
    assert tasks.start(Errand("a")) == tasks.start(Errand("a")) == "a/1"
    assert tasks.start(Errand("a", attempt=2)) == "a/2"
    assert tasks.running() == ["a/1", "a/2"]


def test_it_goes_on_step_by_step_to_its_end(tasks: MemoryTasks[Errand], stopped: list[tuple[str, str]]) -> None:
    name = tasks.start(Errand("a"))
    tasks.step(name)
    tasks.step(name)
    assert (tasks.state(name), stopped) == ("running", [])
    tasks.step(name)
    assert (tasks.state(name), stopped) == ("gone", [("a/1", "exited")])
    assert tasks.start(Errand("a")) == name
    assert tasks.running() == []


def test_what_breaks_ends(tasks: MemoryTasks[Errand], stopped: list[tuple[str, str]]) -> None:
    name = tasks.start(Errand("broken", steps=0))
    with pytest.raises(RuntimeError):
        tasks.step(name)
    assert (tasks.state(name), stopped) == ("gone", [("broken/1", "exited")])


def test_asked_to_stop_it_goes_on_until_it_looks(tasks: MemoryTasks[Errand]) -> None:
    name = tasks.start(Errand("a"))
    assert not tasks.stopping(name)
    tasks.stop(name, "spot")
    tasks.stop("none", "spot")
    assert tasks.stopping(name)
    assert tasks.state(name) == "running"


def test_killed_it_is_gone(tasks: MemoryTasks[Errand], stopped: list[tuple[str, str]]) -> None:
    name = tasks.start(Errand("a"))
    tasks.kill(name)
    tasks.kill(name)
    assert (tasks.state(name), tasks.state("none"), stopped) == ("gone", "gone", [("a/1", "killed")])


def test_killed_in_the_midst_of_a_step_it_is_gone_after_it(stopped: list[tuple[str, str]]) -> None:
    def kills_itself(errand: Errand, task: str) -> Iterator[None]:
        own.kill(task)
        assert own.idle() == []
        yield

    own: MemoryTasks[Errand] = MemoryTasks(kills_itself, lambda errand, task, reason: stopped.append((task, reason)))
    own.step(own.start(Errand("a")))
    assert (own.running(), stopped) == ([], [("a/1", "exited")])


def test_capacity_is_for_those_that_run(tasks: MemoryTasks[Errand]) -> None:
    tasks.capacity = 1
    name = tasks.start(Errand("a"))
    with pytest.raises(Overloaded):
        tasks.start(Errand("b"))
    tasks.kill(name)
    assert tasks.start(Errand("b")) == "b/1"


def test_while_it_is_away_nothing_starts(tasks: MemoryTasks[Errand]) -> None:
    tasks.away = True
    with pytest.raises(Unavailable):
        tasks.start(Errand("a"))
    assert tasks.running() == []
