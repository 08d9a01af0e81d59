"""How a training ends when it does not go as asked: stopped, superseded, failed. One outcome, with its reason."""

import errno
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.trainer.training_job import train
from quintet.adapters.memory_files import MemoryFiles
from quintet.adapters.memory_rows import MemoryRows
from quintet.kernel.errors import Unavailable
from quintet.kernel.files import Stored
from quintet.training import jobs
from quintet.training.jobs import JobKey
from tests.training.trainer.conftest import World, put_dataset, wanted
from tests.training.trainer.scripted_library import Scripted

EPOCHS_OF_FOUR = ["epoch_update"] * 4


def in_epoch_two(world: World, do: Callable[[], object]) -> None:
    """`do` once, in the middle of the second epoch; batches are slow enough for other threads to act."""
    waiting = [do]

    def on_batch(epoch: int, batch: int) -> None:
        if (epoch, batch) == (2, 3) and waiting:
            waiting.pop()()

    world.library = Scripted(seconds=0.5, on_batch=on_batch)


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_task_that_has_to_go_leaves_a_checkpoint_for_the_next(world: World) -> None:
    in_epoch_two(world, terminated)
    key = world.ask(**wanted())
    assert world.train(key) == 0
    assert world.job(key).status == "pending"
    assert world.job(key).deaths == 0
    assert world.types() == ["training_started", "epoch_update"]
    assert world.train(key) == 0
    assert world.library.calls == ["train from 0", "train from 1", "export shapes.pt"]
    assert world.types() == ["training_started", *EPOCHS_OF_FOUR, "training_completed"]


def test_a_task_may_have_to_go_before_it_has_begun(world: World) -> None:
    key = world.ask(**wanted())

    def library() -> Scripted:
        terminated()
        return world.library

    assert world.train(key, library=library) == 0
    assert world.job(key).status == "pending"
    assert world.train(key) == 0
    assert world.outcome["type"] == "training_completed"


def test_signals_are_as_before_when_the_attempt_is_over(world: World) -> None:
    before = signal.getsignal(signal.SIGTERM)
    world.train(world.ask(**wanted(epochs=1)))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_cancelled_job_stops_within_the_epoch(world: World) -> None:
    key = world.ask(**wanted())
    in_epoch_two(world, lambda: world.ledger.amend(key, partial(jobs.cancel_asked, now=world.clock.now())))
    assert world.train(key) == 0
    assert world.types() == ["training_started", "epoch_update", "training_cancelled"]
    assert world.outcome["current_epoch"] == 1
    assert world.job(key).status == "cancelled"
    assert world.stored("models/") == []


def test_a_job_that_was_cancelled_before_its_task_began_is_never_trained(world: World) -> None:
    key = world.ask(**wanted())
    attempt = world.task(key)
    world.ledger.amend(key, partial(jobs.cancel_asked, now=world.clock.now()))
    assert attempt.run(train) == 0
    assert world.library.calls == []
    assert world.outcome["type"] == "training_cancelled"


def superseded(world: World, key: JobKey) -> None:
    """The room believes the task dead, and starts another."""
    job = world.job(key)
    world.ledger.amend(
        key, partial(jobs.died, attempt=job.attempt, reason="unheard of", now=world.clock.now(), task=f"{job.holder}")
    )
    world.begin(key)


def test_a_superseded_task_stops_and_says_nothing(world: World) -> None:
    key = world.ask(**wanted())
    in_epoch_two(world, lambda: superseded(world, key))
    assert world.train(key) == 0
    assert world.types() == ["training_started", "epoch_update"]
    assert world.job(key).attempt == 2
    assert world.job(key).status == "pending"
    assert world.stored("models/") == []


def test_a_task_that_comes_too_late_says_nothing(world: World) -> None:
    key = world.ask(**wanted())
    late = world.task(key)
    superseded(world, key)
    assert late.run(train) == 0
    assert world.types() == []


def test_memory_of_the_gpu_runs_out_in_the_third_epoch(world: World) -> None:
    key = world.ask(**wanted(script_fails_in=3, script_failure="cuda"))
    assert world.train(key) == 1
    assert world.types() == ["training_started", "epoch_update", "epoch_update", "training_failed"]
    assert world.outcome["error_message"] == "CUDA out of memory"
    assert world.outcome["current_epoch"] == 2
    assert world.outcome["partial_metrics"] == {"last_loss": 1.5, "last_mAP50": pytest.approx(2 / 3)}


def test_a_full_disk_is_named(world: World) -> None:
    world.train(world.ask(**wanted(script_fails_in=1, script_failure="disk")))
    assert world.outcome["error_message"] == "No space left on device"
    assert world.outcome["partial_metrics"] == {}


def test_an_error_of_the_library_is_told_by_class_and_message(world: World) -> None:
    world.train(world.ask(**wanted(script_fails_in=2, script_failure="bug")))
    assert world.outcome["error_message"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hyperparams": {"model": "resnet"}}, "There is no model 'resnet'; yolov9t would work."),
        ({"hyperparams": {"epochs": 0}}, "epochs"),
        ({"dataset": {"s3_prefix": "datasets/nowhere/"}}, "There is nothing in the bucket under datasets/nowhere/."),
        ({"dataset": {"s3_prefix": "datasets/key-ada/x/"}}, "is not among the folders of this caller"),
        ({"output": {"prefix": "results/x"}}, "is not among the folders of this caller"),
        ({"hyperparams": {"pretrained": "models/nowhere.pt"}}, "There is no models/nowhere.pt in the bucket."),
        ({"hyperparams": {"pretrained": "datasets/shapes/data.yaml"}}, "is not a weights file"),
        ({"hyperparams": {"model": "datasets/shapes/labels/val/0.pt"}}, "There is no datasets/shapes/labels/val/0.pt"),
    ],
)
def test_what_cannot_be_done_fails_with_a_sentence(world: World, change: dict[str, Any], sentence: str) -> None:
    key = world.ask(**(wanted() | change))
    if not world.job(key).ended:
        assert world.train(key) == 1
    if not world.publisher.published:
        world.attempt(key, jobs.Claim(1)).has.teller.finish()
    assert world.outcome["type"] == "training_failed"
    assert sentence in world.outcome["error_message"]


def test_grants_that_were_taken_back_hold_for_a_job_that_waits(world: World) -> None:
    key = world.ask(**wanted())
    world.access = type(world.access)({"broker": []})
    world.train(key)
    assert "is not among the folders of this caller" in world.outcome["error_message"]


FULL = OSError(errno.ENOSPC, "No space left on device")


@dataclass(frozen=True)
class FailingFiles(MemoryFiles):
    """Fails to download what `fails` says yes to."""

    fails: Callable[[str], bool] = lambda key: True
    error: Exception = FULL

    def download(self, stored: Stored, target: Path) -> None:
        if self.fails(stored.key):
            raise self.error
        super().download(stored, target)


def test_a_disk_that_fills_while_the_dataset_comes_is_named(world: World) -> None:
    files = FailingFiles(world.objects, lambda key: key.endswith("3.jpg"))
    world.train(world.ask(**wanted()), files=files)
    assert world.outcome["error_message"] == "No space left on device"


def test_nothing_of_an_unforeseen_error_is_told_but_that_there_was_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    files = FailingFiles(world.objects, error=KeyError("secret-host.internal"))
    assert world.train(world.ask(**wanted()), files=files) == 1
    assert "secret-host" not in str(world.told())
    assert "log" in world.outcome["error_message"]
    assert "secret-host" in caplog.text


def test_storage_that_is_away_is_a_reason_to_try_again_not_to_fail(world: World) -> None:
    away = FailingFiles(world.objects, error=Unavailable("object storage does not answer"))
    key = world.ask(**wanted())
    assert world.train(key, files=away) == 1
    assert world.job(key).status == "pending"
    assert world.train(key) == 0
    assert world.outcome["type"] == "training_completed"


def test_storage_that_stays_away_is_a_failure_in_the_end(world: World) -> None:
    away = FailingFiles(world.objects, error=Unavailable("object storage does not answer"))
    key = world.ask(**wanted())
    assert [world.train(key, files=away) for _ in range(3)] == [1, 1, 1]
    assert "object storage does not answer" in world.outcome["error_message"]


class ForgetfulRows(MemoryRows):
    """Is away for a while when an epoch is written."""

    away = 0

    def write(self, *step: Any) -> None:
        if any(getattr(one, "place", ("", ""))[1].startswith("epoch#") for one in step) and self.away < 3:
            self.away += 1
            raise Unavailable("the state table does not answer")
        super().write(*step)


def test_a_ledger_that_is_away_for_a_moment_costs_no_epoch(world: World) -> None:
    world.rows = ForgetfulRows()
    assert world.train(world.ask(**wanted())) == 0
    assert world.types() == ["training_started", *EPOCHS_OF_FOUR, "training_completed"]


def test_a_broker_that_is_away_is_caught_up_with_in_order(world: World) -> None:
    def comes_back() -> None:
        world.publisher.away = False

    world.publisher.away = True
    in_epoch_two(world, comes_back)
    assert world.train(world.ask(**wanted())) == 0
    assert world.types() == ["training_started", *EPOCHS_OF_FOUR, "training_completed"]


def test_what_a_broker_does_not_take_stays_in_the_outbox(world: World) -> None:
    world.publisher.away, world.farewell_seconds = True, 0.3
    key = world.ask(**wanted())
    started = time.monotonic()
    assert world.train(key) == 0
    assert time.monotonic() - started < 20
    assert world.job(key).status == "completed"
    assert len(world.ledger.unpublished(key)) == 6


def test_an_export_that_fails_costs_neither_the_weights_nor_an_old_model(world: World) -> None:
    class WithoutExport(Scripted):
        def export_onnx(self, *_: Any, **__: Any) -> Any:
            raise QuintetExportError("the graph has a node that cannot be written")

    world.objects.put("models/yolov8n/shapes.onnx", b"another model")
    world.library = WithoutExport()
    assert world.train(world.ask(**wanted())) == 0
    assert "models/yolov8n/shapes.pt" in world.stored()
    assert "models/yolov8n/shapes.onnx" not in world.stored()


class QuintetExportError(RuntimeError):
    """Something that an exporter of somebody else raises."""


def test_a_failed_run_does_not_stand_in_the_way_of_the_next(world: World) -> None:
    key = world.ask(**wanted(script_fails_in=3))
    world.train(key)
    put_dataset(world.objects)
    again = world.ask(**wanted())
    assert again == key
    assert world.train(key) == 0
    assert world.library.calls == ["train from 0", "train from 0", "export shapes.pt"]
    assert world.told("train_result_q")[-1]["type"] == "training_completed"
