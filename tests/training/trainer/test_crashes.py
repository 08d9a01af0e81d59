"""A task that dies at any of its steps: the next one finishes, with the same epochs and one outcome."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import pytest

from gpu_workers.trainer.training_job import train
from quintet.adapters.memory import MemoryPublisher
from quintet.adapters.memory_files import MemoryFiles
from quintet.kernel.files import Stored
from quintet.kernel.rows import Place, Rows, Write
from quintet.training import jobs
from quintet.training.jobs import JobKey
from quintet.training.outbox import Outbox
from quintet.training.settings import QueueNames
from tests.training.trainer.conftest import World, wanted
from tests.training.trainer.scripted_library import Scripted

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
EPOCHS = 3
T = TypeVar("T")


class Killed(BaseException):
    """SIGKILL: nothing that the process would do happens any more."""


@dataclass
class Life:
    """Of one process, which ends with its step number `ends_with`: before it happens, or right after."""

    ends_with: int
    afterwards: bool
    steps: list[str] = field(default_factory=list)
    dead: bool = False
    lock: Lock = field(default_factory=Lock)

    def step(self, name: str, do: Callable[[], T]) -> T:
        if self.dead:
            raise Killed
        with self.lock:
            self.steps.append(name)
            last = len(self.steps) == self.ends_with
            self.dead = self.dead or last
        if last and not self.afterwards:
            raise Killed
        done = do()
        if last:
            raise Killed
        return done


@dataclass
class MortalRows:
    rows: Rows
    life: Life

    def write(self, *step: Write) -> None:
        kinds = " ".join(f"{type(one).__name__} {kind_of(one.place)}" for one in step)
        self.life.step(f"write {kinds}", lambda: self.rows.write(*step))

    def read(self, place: Place) -> dict[str, Any]:
        if self.life.dead:
            raise Killed
        return self.rows.read(place)

    def list(self, *asked: Any, **other: Any) -> Any:
        if self.life.dead:
            raise Killed
        return self.rows.list(*asked, **other)


def kind_of(place: Place) -> str:
    return place.partition if place.partition == "training#outbox" else place.name


@dataclass(frozen=True)
class MortalFiles(MemoryFiles):
    life: Life = field(default_factory=lambda: Life(0, afterwards=False))

    def list(self, prefix: str) -> Iterator[Stored]:
        if self.life.dead:
            raise Killed
        return super().list(prefix)

    def download(self, stored: Stored, target: Path) -> None:
        self.life.step(f"download {stored.key}", lambda: super(MortalFiles, self).download(stored, target))

    def upload(self, source: Path, key: str, *, content_type: str) -> None:
        store = super().upload
        self.life.step(f"upload {key}", lambda: store(source, key, content_type=content_type))

    def delete(self, key: str) -> None:
        self.life.step(f"delete {key}", lambda: super(MortalFiles, self).delete(key))


@dataclass
class MortalPublisher(MemoryPublisher):
    life: Life = field(default_factory=lambda: Life(0, afterwards=False))

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        def do() -> None:
            super(MortalPublisher, self).publish(queue, body, message_id=message_id, correlation_id=correlation_id)

        self.life.step(f"publish {json.loads(body)['type']}", do)


def lived(world: World, key: JobKey, life: Life) -> None:
    """One process with this life, in a world that outlasts it."""
    publisher = MortalPublisher(world.publisher.published, life=life)
    process = replace(world, rows=MortalRows(world.rows, life), publisher=publisher, lease_seconds=1000)
    job = world.begin(key)
    attempt = process.attempt(
        key, jobs.Claim(job.attempt, f"task-{job.attempt}"), files=MortalFiles(world.objects, life=life)
    )
    try:
        attempt.run(train)
    except Killed:
        life.dead = True
        attempt.has.teller.finish(5)


def buried(world: World, key: JobKey) -> None:
    """The room learns that the task is gone."""
    job = world.job(key)
    if not job.ended:
        task = job.holder or job.task or ""
        died = partial(jobs.died, attempt=job.attempt, reason="SIGKILL", now=world.clock.now(), task=task)
        world.ledger.amend(key, died)


def steps_of_a_whole_life(world: World) -> int:
    life = Life(0, afterwards=False)
    lived(world, world.ask(**wanted("whole", epochs=EPOCHS)), life)
    return len(life.steps)


def check(world: World, key: JobKey) -> None:
    Outbox(world.ledger, world.publisher, QueueNames()).drain(key)
    assert world.job(key).status == "completed"
    expected = ["training_started", *["epoch_update"] * EPOCHS, "training_completed"]
    told = [body for body in world.told() if body["job_id"] == key.job_id]
    assert [body["type"] for body in told] == expected
    assert [body["current_epoch"] for body in told[1:-1]] == [1, 2, 3]
    bodies: dict[str, set[str]] = {}
    for one in world.publisher.published:
        bodies.setdefault(one.message_id, set()).add(one.body)
    assert Counter(len(same) for same in bodies.values()).keys() == {1}
    assert world.objects.get("models/yolov8n/results.csv")[0].count(b"\n") == EPOCHS + 1


@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
def test_whichever_step_is_the_last_the_job_is_done_once(world: World, afterwards: bool) -> None:
    whole = steps_of_a_whole_life(world)
    assert whole > 40
    for number in range(1, whole + 1, 3):
        key = world.ask(**wanted(f"job-{afterwards}-{number}", epochs=EPOCHS))
        world.library = Scripted()
        lived(world, key, Life(number, afterwards))
        buried(world, key)
        if not world.job(key).ended:
            assert world.train(key) == 0
        check(world, key)


def test_a_job_survives_two_deaths_in_a_row(world: World) -> None:
    key = world.ask(**wanted(epochs=EPOCHS))
    for number in (30, 25):
        lived(world, key, Life(number, afterwards=True))
        buried(world, key)
    assert world.train(key) == 0
    check(world, key)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(world: World) -> None:
    key = world.ask(**wanted(epochs=EPOCHS))
    checkpoints = prepared(world, key)
    world.objects.put(checkpoints[-1], b"damaged")
    world.library = Scripted()
    assert world.train(key) == 0
    assert world.library.calls[0] == "train from 1"


def test_without_a_whole_checkpoint_it_begins_anew(world: World) -> None:
    key = world.ask(**wanted(epochs=EPOCHS))
    for checkpoint in prepared(world, key):
        world.objects.delete(checkpoint)
    world.library = Scripted()
    assert world.train(key) == 0
    assert world.library.calls[0] == "train from 0"
    check(world, key)


def prepared(world: World, key: JobKey) -> list[str]:
    """Checkpoints of a task that died after its second epoch."""
    life = Life(0, afterwards=False)

    def on_batch(epoch: int, batch: int) -> None:
        if (epoch, batch) == (3, 2):
            life.dead = True
            raise Killed

    world.library = Scripted(seconds=0.3, on_batch=on_batch)
    lived(world, key, life)
    buried(world, key)
    return [key for key in world.stored("checkpoints/") if key.endswith(".pt")]


def test_two_checkpoints_are_kept(world: World) -> None:
    assert [key.rpartition("/")[2] for key in prepared(world, world.ask(**wanted(epochs=EPOCHS)))] == [
        "0001-0001.pt",
        "0002-0001.pt",
    ]
