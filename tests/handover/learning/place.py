"""A place to train in, all of it in memory, and a room's worth of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.handover import bootstrap
from quintet.handover.errors import ModelError
from quintet.handover.examples import Example
from quintet.handover.learning import Fit, Floats, Model, Progress, silent
from quintet.handover.making import makers
from quintet.handover.messages import FeedbackSample, Kind, TrainingSample, TrainMessage
from quintet.handover.ports import Selector
from quintet.handover.ranking import Ranking
from quintet.handover.runs import Run, Runs
from quintet.handover.settings import Models
from quintet.handover.sights import Look
from quintet.handover.training import Maker, NoTask, TrainingPlace, train
from quintet.handover.trainings import Trainings
from quintet.handover.versions import Versions
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable


def samples(count: int, seed: int = 5) -> list[TrainingSample]:
    return bootstrap.drawn(np.random.default_rng(seed), samples=count)


def feedback(count: int, seed: int = 6) -> list[FeedbackSample]:
    return [FeedbackSample.model_validate(one.model_dump()) for one in samples(count, seed)]


@dataclass
class Told:
    """Remembers what callers were promised and told."""

    progress: list[dict[str, Any]] = field(default_factory=list)
    fulfilled: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def report(self, caller: str, job: str, progress: dict[str, Any]) -> None:
        self.progress.append(progress)

    def fulfil(self, caller: str, job: str, status: int, body: bytes) -> None:
        self.fulfilled.append((caller, job, status, body))


@dataclass
class Fixed:
    """A model whose opinion is known: the strongest cell, or the weakest."""

    strongest: bool = True
    kind: Kind = "lightgbm"
    version: str = "fixed"
    features: tuple[str, ...] = ()
    fails: Exception | None = None

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        progress({"round": 1, "of": 1})
        if self.fails:
            raise self.fails
        return Fit(len(examples), 2, {"rsrp": 1.0}, {"val_accuracy": None, "val_f1": None})

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        return [self._shares(look) for look in looks]

    def files(self) -> dict[str, bytes]:
        return {"pairs.onnx": b"no graph"}

    def _shares(self, look: Look) -> Floats:
        powers = np.array([candidate.rsrp for candidate in look.sight.candidates]) * (1 if self.strongest else -1)
        shares = np.where(powers == powers.max(), 0.9, 0.1)
        given: Floats = shares / shares.sum()
        return given


@dataclass
class Answers:
    """The active model."""

    model: Selector

    def selector(self) -> Selector:
        return self.model

    def forget(self) -> None: ...


@dataclass
class Buffer:
    learn: list[FeedbackSample] = field(default_factory=list)
    held_back: list[FeedbackSample] = field(default_factory=list)

    def examples(self) -> tuple[list[FeedbackSample], list[FeedbackSample]]:
        return self.learn, self.held_back


@dataclass
class World:
    clock: SteppedClock = field(default_factory=SteppedClock)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    told: Told = field(default_factory=Told)
    buffer: Buffer = field(default_factory=Buffer)
    active: Selector = field(default_factory=Fixed)
    model: Model | None = None
    """Trained in place of LightGBM where there is one."""
    settings: Models = field(default_factory=Models)
    tasks: list[tuple[str, int]] = field(default_factory=list)
    cluster: bool = True

    @cached_property
    def rows(self) -> MemoryRows:
        return MemoryRows(self.clock)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.rows, self.clock)

    @cached_property
    def trainings(self) -> Trainings:
        return Trainings(self.runs, self.objects, self.queue, self.told, self.clock)

    @cached_property
    def versions(self) -> Versions:
        return Versions(self.objects, self.rows, lambda: (b"k" * 32,), self.clock)

    @property
    def place(self) -> TrainingPlace:
        return TrainingPlace(
            trainings=self.trainings,
            objects=self.objects,
            versions=self.versions,
            serving=Answers(self.active),
            feedback=self.buffer,
            makers=self.makers(),
            start_task=self.start_task,
            clock=self.clock,
        )

    def makers(self) -> Mapping[Kind, Maker]:
        if self.model is None:
            return makers(LightgbmTrees(), self.settings)
        model = self.model
        return {"lightgbm": lambda *_: model}

    def start_task(self, run: str, number: int) -> str:
        if not self.cluster:
            raise NoTask("no task can be started: set QUINTET_CLUSTER")
        self.tasks.append((run, number))
        return "task"

    def train(self, run: str) -> Run:
        train(run, self.place)
        return self.runs.read(run)

    def sent(self) -> list[str]:
        return [TrainMessage.model_validate_json(body).run for body, _ in self.queue.sent]


def away() -> Fixed:
    return Fixed(fails=Unavailable("the bucket does not answer"))


def broken() -> Fixed:
    return Fixed(fails=ModelError("there is not enough to learn from"))


def quick() -> Model:
    """LightGBM in a few rounds."""
    return Ranking(LightgbmTrees(), {"n_estimators": 5, "num_leaves": 7})
