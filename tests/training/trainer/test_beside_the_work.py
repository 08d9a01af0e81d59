"""The threads that a task keeps beside its work."""

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from gpu_workers.trainer.newest import NewestWins
from gpu_workers.trainer.reins import Reins, Stop, Stopped
from gpu_workers.trainer.telling import Teller
from quintet.adapters.memory import MemoryPublisher
from quintet.kernel.errors import Misconfigured
from quintet.training import jobs
from quintet.training.jobs import Claim
from quintet.training.outbox import Outbox
from quintet.training.settings import QueueNames
from quintet.training.work import Work
from tests.training.trainer.conftest import LOG, World, wanted


def unwanted(error: Exception) -> None:
    raise error


class TestNewestWins:
    def test_what_is_overtaken_while_it_waits_is_left_out(self) -> None:
        first_begun, go_on = threading.Event(), threading.Event()
        done: list[int] = []
        left_out: list[int] = []

        def do(item: int) -> None:
            first_begun.set()
            go_on.wait(5)
            done.append(item)

        newest = NewestWins(do, left_out.append, unwanted)
        newest.offer(1)
        assert first_begun.wait(5)
        for item in (2, 3, 4):
            newest.offer(item)
        go_on.set()
        assert newest.settle(5)
        newest.close()
        assert (done, left_out) == ([1, 4], [2, 3])

    def test_two_are_never_done_at_once(self) -> None:
        at_once, most = 0, 0

        def do(_: int) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            time.sleep(0.01)
            at_once -= 1

        newest = NewestWins(do, lambda _: None, unwanted)
        for item in range(20):
            newest.offer(item)
            time.sleep(0.003)
        assert newest.settle(5)
        newest.close()
        assert most == 1

    def test_nobody_waits_for_ever(self) -> None:
        go_on = threading.Event()

        def do(_: int) -> None:
            go_on.wait(5)

        newest = NewestWins(do, lambda _: None, unwanted)
        newest.offer(1)
        assert not newest.settle(0.05)
        go_on.set()
        newest.close()

    def test_a_failure_is_passed_on(self) -> None:
        failures: list[Exception] = []

        def do(_: int) -> None:
            raise OSError("full")

        newest = NewestWins(do, lambda _: None, failures.append)
        newest.offer(1)
        newest.settle(5)
        newest.close()
        assert [str(failure) for failure in failures] == ["full"]


class TestReins:
    def test_the_weightier_reason_counts(self) -> None:
        reins = Reins()
        reins.check()
        for why in (Stop.TERMINATED, Stop.SUPERSEDED, Stop.CANCELLED):
            reins.pull(why)
        with pytest.raises(Stopped) as stopped:
            reins.check()
        assert stopped.value.why == Stop.SUPERSEDED

    def test_a_failure_beside_the_work_ends_it(self) -> None:
        reins = Reins()
        reins.fail(OSError("first"))
        reins.fail(OSError("second"))
        assert reins.pulled()
        with pytest.raises(OSError, match="first"):
            reins.check()


@dataclass
class Refusing(MemoryPublisher):
    """Refuses the first messages."""

    refusals: int = 1
    attempts: list[str] = field(default_factory=list)

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        self.attempts.append(message_id)
        if len(self.attempts) <= self.refusals:
            raise Misconfigured(f"Queue '{queue}' not found")
        super().publish(queue, body, message_id=message_id, correlation_id=correlation_id)


@dataclass
class Line:
    heard_of: int = 0
    closed: bool = False

    def keep_alive(self) -> None:
        self.heard_of += 1

    def close(self) -> None:
        self.closed = True


class TestTeller:
    def test_what_an_earlier_task_left_is_told_first(self, world: World) -> None:
        world.publisher.away, world.farewell_seconds = True, 0.1
        key = world.ask(**wanted(epochs=2))
        world.train(key)
        world.publisher.away = False
        line = Line()
        teller = Teller(Outbox(world.ledger, world.publisher, QueueNames()), key, line, LOG)
        assert teller.finish(5)
        assert world.types() == ["training_started", "epoch_update", "epoch_update", "training_completed"]
        assert line.closed

    def test_a_refused_message_is_tried_again_before_those_behind_it(self, world: World) -> None:
        publisher = Refusing(refusals=2)
        world.publisher = publisher
        world.train(world.ask(**wanted(epochs=2)))
        assert len(set(publisher.attempts[:3])) == 1
        assert world.types() == ["training_started", "epoch_update", "epoch_update", "training_completed"]

    def test_a_message_that_was_never_heard_of_is_told_before_the_next(self, world: World) -> None:
        key = world.ask(**wanted())
        teller = Teller(Outbox(world.ledger, world.publisher, QueueNames()), key, None, LOG)
        ledger = world.ledger
        job = ledger.amend(key, partial(jobs.begun, slot=0, now=world.clock.now(), patience=timedelta(minutes=1)))
        work = Work(ledger, key, Claim(job.attempt, "task"), world.clock)
        work.start_training({}, 4)
        work.finish_epoch(1, {})
        teller.hear(ledger.unpublished(key)[-1])
        assert teller.finish(5)
        assert world.types() == ["training_started", "epoch_update"]

    def test_an_idle_line_is_kept_alive(self, world: World) -> None:
        line = Line()
        key = world.ask(**wanted())
        teller = Teller(Outbox(world.ledger, world.publisher, QueueNames()), key, line, LOG, idle_seconds=0.02)
        time.sleep(0.3)
        teller.finish(5)
        assert line.heard_of >= 3
