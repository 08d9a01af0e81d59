"""A run's record never makes the work wait, and is complete in the end where that can be."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpu_workers.trainer.runs import Ending, Record
from quintet.kernel.errors import Unavailable
from quintet.training.jobs import Job
from tests.training.trainer.conftest import LOG, World, wanted

Tags = Mapping[str, str]


@dataclass
class Diary:
    """Records in memory. The first `away` calls fail; each takes `seconds`."""

    away: int = 0
    seconds: float = 0.0
    runs: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    figures: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def open(self, name: str, tags: Tags) -> str:
        self._answer()
        return self.runs.setdefault(tuple(sorted(tags.items())), f"run-{len(self.runs)}")

    def params(self, run: str, params: Tags) -> None:
        self._answer()
        self.known.setdefault(run, {}).update(params)

    def metrics(self, run: str, epoch: int, metrics: Mapping[str, float]) -> None:
        self._answer()
        self.figures.append((epoch, dict(metrics)))

    def artifact(self, run: str, path: Path) -> None:
        self._answer()
        assert path.is_file()
        self.files.append(path.name)

    def close(self, run: str, ending: Ending, tags: Tags) -> None:
        self._answer()
        self.endings.append(ending)
        self.tags.update(tags)

    def _answer(self) -> None:
        time.sleep(self.seconds)
        if self.away > 0:
            self.away -= 1
            raise Unavailable("MLflow does not answer as it should")


def keeping(world: World, diary: Diary) -> World:
    def record(job: Job) -> Record:
        tags = {"quintet.job": str(job.key), "quintet.run": str(job.run)}
        return Record(diary, job.job_id, tags, LOG, patience=1.0, pauses=(0.01,))

    world.record = record
    return world


def test_a_run_holds_what_was_asked_for_how_it_went_and_what_came_of_it(world: World) -> None:
    diary = Diary()
    keeping(world, diary).train(world.ask(**wanted()))
    assert diary.known["run-0"]["model_used"] == "yolov9t"
    assert diary.known["run-0"]["dataset.train_images"] == "6"
    assert [epoch for epoch, _ in diary.figures] == [1, 2, 3, 4]
    assert diary.figures[0][1]["mAP50"] == 0.5
    assert sorted(diary.files) == ["curves.png", "results.csv", "shapes.onnx.json"]
    assert diary.endings == ["FINISHED"]
    assert diary.tags["quintet.model"] == "models/yolov8n/shapes.pt"


def test_a_server_that_is_away_for_a_while_learns_it_all_later(world: World) -> None:
    diary = Diary(away=3)
    keeping(world, diary).train(world.ask(**wanted()))
    assert [epoch for epoch, _ in diary.figures] == [1, 2, 3, 4]
    assert diary.endings == ["FINISHED"]


def test_a_server_that_stays_away_costs_a_moment_at_the_end(world: World) -> None:
    diary = Diary(away=10**9)
    key = world.ask(**wanted())
    started = time.monotonic()
    assert keeping(world, diary).train(key) == 0
    assert time.monotonic() - started < 15
    assert world.outcome["type"] == "training_completed"


def test_a_slow_server_does_not_slow_the_epochs(world: World) -> None:
    diary = Diary(seconds=0.7)
    ends: list[float] = []
    world.library.on_batch = lambda epoch, batch: ends.append(time.monotonic())
    keeping(world, diary).train(world.ask(**wanted()))
    assert ends[-1] - ends[0] < 0.7 * 4
    assert world.outcome["type"] == "training_completed"


def test_a_failure_is_recorded_with_its_reason(world: World) -> None:
    diary = Diary()
    keeping(world, diary).train(world.ask(**wanted(script_fails_in=3)))
    assert diary.endings == ["FAILED"]
    assert diary.tags["quintet.error"] == "CUDA out of memory"
    assert [epoch for epoch, _ in diary.figures] == [1, 2]


def test_an_unforeseen_failure_ends_the_run_too(world: World) -> None:
    diary = Diary()
    keeping(world, diary).train(world.ask(**wanted(script_fails_in=2, script_failure="bug")))
    assert diary.endings == ["FAILED"]


def test_the_next_task_goes_on_with_the_run(world: World) -> None:
    from tests.training.trainer.test_stops_and_failures import in_epoch_two, terminated

    diary = Diary()
    in_epoch_two(keeping(world, diary), terminated)
    key = world.ask(**wanted())
    world.train(key)
    assert diary.endings == ["SCHEDULED"]
    world.train(key)
    assert diary.endings == ["SCHEDULED", "FINISHED"]
    assert list(diary.runs.values()) == ["run-0"]
    assert [epoch for epoch, _ in diary.figures] == [1, 2, 3, 4]


def test_what_is_no_number_is_left_out() -> None:
    diary = Diary()
    record = Record(diary, "x", {}, LOG)
    record.begin({"a": "b" * 9999})
    record.epoch(1, {"loss": float("nan"), "mAP50": 0.5})
    record.end("FINISHED")
    assert diary.figures == [(1, {"mAP50": 0.5})]
    assert len(diary.known["run-0"]["a"]) == 500


@pytest.mark.filterwarnings("error")
def test_no_thread_is_left(world: World) -> None:
    before = set(threading.enumerate())
    keeping(world, Diary()).train(world.ask(**wanted()))
    assert set(threading.enumerate()) <= before
