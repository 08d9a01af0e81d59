"""Sessions as a tracker sees them, and servers of experiments that are away, slow or picky."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from quintet.adapters.memory_experiments import Measured, MemoryExperiments, Run
from quintet.calibration.evaluation import BatchMetrics, Evaluator
from quintet.calibration.messages import Session, Stretch, Via
from quintet.calibration.tracked import Contents, Ending
from quintet.calibration.utrace import Stages
from quintet.kernel.errors import Conflict, Unavailable

ROWS, CLASSES, WIDTH = 4, 3, 2

Mood = Callable[[str, str], bool]
"""Of a request: what is asked, and of which run or path."""


def a_session(number: int = 1, via: Via = "grpc", **changes: Any) -> Session:
    return Session(
        id=f"s{number}",
        client_id=f"client_{number}",
        inputs_queue="in",
        outputs_queue="out",
        via=via,
        registered_at=datetime(2026, 1, 1, tzinfo=UTC),
        worker="w",
        lineage=(Stretch(worker="w", first=0),),
        **changes,
    )


@dataclass
class Streamed:
    """A session whose batches are made from their index alone; `come` lets further ones be evaluated."""

    session: Session = field(default_factory=a_session)
    unreadable: int = 0
    last: Ending | None = None
    asked_for: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._evaluator = Evaluator(Stages(calibration_batches=2, uncertainty_batches=2))
        self._batches: list[BatchMetrics] = []

    def come(self, batches: int) -> "Streamed":
        for index in range(len(self._batches), len(self._batches) + batches):
            contents = made(index)
            assert contents.labels is not None
            self._batches.append(self._evaluator.add(index, contents.probabilities, contents.labels))
        return self

    def end(self, ending: Ending | None = None) -> "Streamed":
        files: Mapping[str, Callable[[], bytes]] = {"report.html": lambda: b"<p>", "report.pdf": lambda: b"%PDF"}
        self.last = ending or Ending("COMPLETED", "", {**self._evaluator.result().summary(), "verdict": "fine"}, files)
        return self

    def params(self) -> Mapping[str, object]:
        return {"client_id": self.session.client_id, "calibration_batches": 2}

    def batches(self, after: int) -> Sequence[BatchMetrics]:
        return [batch for batch in self._batches if batch.index > after]

    def contents(self, index: int) -> Contents | None:
        self.asked_for.append(index)
        if self.unreadable:
            self.unreadable -= 1
            raise Unavailable("the bucket is away")
        return made(index)

    def ending(self) -> Ending | None:
        return self.last


def made(index: int) -> Contents:
    random = np.random.default_rng(index)
    data = random.normal(size=(ROWS, WIDTH)).astype("<f4").tobytes()
    probabilities = random.dirichlet([1.0] * CLASSES, ROWS).astype(np.float32)
    return Contents(data, probabilities, random.integers(0, CLASSES, ROWS))


@dataclass
class Watch:
    """Seconds that pass only when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Moody(MemoryExperiments):
    """Answers after `seconds`; `away` while it is so, and `picky` about what it then refuses. `noted` is told of each
    request that it took.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.seconds = 0.0
        self.away: Mood = lambda what, which: False
        self.picky: Mood = lambda what, which: False
        self.noted: Callable[[], None] = lambda: None
        self.asked: list[tuple[str, str]] = []

    def open(self, experiment: str, run_name: str, tags: Mapping[str, str]) -> str:
        with self._answering("open", tags["quintet.session"]):
            return super().open(experiment, run_name, tags)

    def params(self, run: str, params: Mapping[str, str]) -> None:
        with self._answering("params", run):
            super().params(run, params)

    def metrics(self, run: str, measurements: Sequence[Measured]) -> None:
        with self._answering("metrics", run):
            super().metrics(run, measurements)

    def artifact(self, run: str, path: str, content: bytes) -> None:
        with self._answering("artifact", path):
            super().artifact(run, path, content)

    def close(self, run: str, status: str, tags: Mapping[str, str]) -> None:
        with self._answering("close", run):
            super().close(run, status, tags)

    def of(self, session: str) -> Run:
        return next(run for run in self.runs.values() if run.tags["quintet.session"] == session and not run.deleted)

    @contextmanager
    def _answering(self, what: str, which: str) -> Iterator[None]:
        self.asked.append((what, which))
        self.watch.now += self.seconds
        if self.away(what, which):
            raise Unavailable("MLflow does not answer as it should")
        if self.picky(what, which):
            raise Conflict("MLflow refuses it")
        yield
        self.noted()
