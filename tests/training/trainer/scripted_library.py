"""A detection library that trains nothing: it writes small files, and fails when its script says so.

    DETECTOR_LIBRARY=tests.training.trainer.scripted_library:scripted      with QUINTET_LOCAL=true

A job's own hyperparameters carry the script: {"script_fails_in": 3, "script_failure": "cuda", "script_seconds": 0.5}.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_workers.trainer.detector import (
    BadWeights,
    DiskFull,
    EpochMetrics,
    ExportReport,
    OnEpoch,
    OnnxForm,
    OutOfMemory,
    Trained,
    TrainingPlan,
    UnknownModel,
)
from tests.training.tiny_detectors import fixed_answer

BATCHES = 5
ANSWER = np.array([[8.0], [8.0], [24.0], [24.0], [0.9], [0.1]], dtype=np.float32)
Floats = NDArray[np.float32]

FAILURES: Mapping[str, Callable[[], Exception]] = {
    "cuda": lambda: OutOfMemory("CUDA out of memory"),
    "disk": lambda: DiskFull("No space left on device"),
    "bug": lambda: ZeroDivisionError("division by zero"),
}


@dataclass
class Scripted:
    """`seconds` an epoch; `calls` are what was asked of it, in order."""

    seconds: float = 0.0
    on_batch: Callable[[int, int], None] = lambda epoch, batch: None
    calls: list[str] = field(default_factory=list)
    name: str = "scripted"
    version: str = "1.0"
    settings: frozenset[str] = frozenset({"lr0", "script_fails_in", "script_failure", "script_seconds"})

    def resolves(self, model: str) -> str:
        if not model.startswith("yolo"):
            raise UnknownModel(f"There is no model {model!r}; yolov9t would work.")
        return "yolov9t"

    def model_of(self, weights: Path) -> str:
        read(weights)
        return "yolov9t"

    def device(self, wanted: str | None) -> str:
        return wanted or "cpu"

    def train(
        self,
        plan: TrainingPlan,
        dataset_yaml: Path,
        workdir: Path,
        *,
        resume: Path | None = None,
        on_epoch: OnEpoch,
        should_stop: Callable[[], bool],
    ) -> Trained:
        assert dataset_yaml.is_file()
        for given in filter(None, (plan.pretrained, resume)):
            read(given)
        done = int(read(resume)["epoch"]) if resume else 0
        self.calls.append(f"train from {done}")
        metrics = figures(done) if done else None
        for epoch in range(done + 1, plan.epochs + 1):
            if not self._epoch(epoch, plan, should_stop):
                return self._trained(workdir, epoch - 1, metrics, stopped=True)
            metrics = figures(epoch)
            checkpoint = write(workdir / "checkpoint.pt", epoch=epoch, metrics=asdict(metrics))
            on_epoch(metrics, checkpoint)
        return self._trained(workdir, plan.epochs, metrics, stopped=False)

    def export_onnx(self, weights: Path, target: Path, form: OnnxForm) -> ExportReport:
        read(weights)
        self.calls.append(f"export {weights.name}")
        batch = "batch" if form.dynamic else form.batch_size
        target.write_bytes(fixed_answer(ANSWER, size=(form.imgsz, form.imgsz), batch=batch))
        return ExportReport(
            target, form, "scripted", "tiny", ("a", "b"), "center", {"mAP50": 0.5}, "2026-01-01T00:00:00+00:00"
        )

    def predictor(self, weights: Path) -> Callable[[Floats], Floats]:
        read(weights)
        return lambda images: np.repeat(ANSWER[None], len(images), axis=0)

    def _epoch(self, epoch: int, plan: TrainingPlan, should_stop: Callable[[], bool]) -> bool:
        """Whether it went to its end."""
        script: Mapping[str, Any] = plan.extra
        for batch in range(1, BATCHES + 1):
            self.on_batch(epoch, batch)
            if should_stop():
                return False
            time.sleep(float(script.get("script_seconds", self.seconds)) / BATCHES)
            if epoch == script.get("script_fails_in") and batch == 2:
                raise FAILURES[str(script.get("script_failure", "cuda"))]()
        return True

    def _trained(self, workdir: Path, epochs: int, metrics: EpochMetrics | None, *, stopped: bool) -> Trained:
        best, last = (write(workdir / f"{name}.pt", epoch=epochs) for name in ("best", "last"))
        return Trained(best, last, epochs, metrics, metrics, stopped)


def scripted() -> Scripted:
    return Scripted()


def figures(epoch: int) -> EpochMetrics:
    """Those of an epoch are always the same."""
    loss = 3.0 / epoch
    known = EpochMetrics(epoch, loss, 1 - 1 / (epoch + 1), loss / 2, loss / 3, loss / 6, seconds=0.1)
    return replace(known, mAP50_95=known.mAP50 / 2, lr=0.01 / epoch)


def write(path: Path, **content: Any) -> Path:
    path.write_text(json.dumps({"scripted": 1, **content}))
    return path


def read(path: Path) -> dict[str, Any]:
    """Raises BadWeights."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise BadWeights(f"{path.name} is not a weights file of ours.") from error
    return dict(content)
