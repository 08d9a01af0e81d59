"""The trainer's own library, but for jobs that carry a script: those are the scripted library's.

DETECTOR_LIBRARY=tests.training.trainer.mixed_library:mixed      with QUINTET_LOCAL=true
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gpu_workers.trainer.detector import DetectorLibrary, ExportReport, OnEpoch, OnnxForm, Trained, TrainingPlan
from tests.training.trainer.scripted_library import Scripted

Floats = NDArray[np.float32]


class Mixed:
    name: ClassVar[str] = "mixed"
    version: ClassVar[str] = "1.0"

    def __init__(self) -> None:
        self._scripted: DetectorLibrary = Scripted(seconds=0.2)

    @cached_property
    def _real(self) -> DetectorLibrary:
        from gpu_workers.trainer.libreyolo_detector import LibreYolo

        return LibreYolo()

    @property
    def settings(self) -> frozenset[str]:
        return self._scripted.settings

    def resolves(self, model: str) -> str:
        return self._scripted.resolves(model)

    def model_of(self, weights: Path) -> str:
        return self._of(weights).model_of(weights)

    def device(self, wanted: str | None) -> str:
        return self._scripted.device(wanted)

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
        library = self._scripted if any(name.startswith("script_") for name in plan.extra) else self._real
        return library.train(plan, dataset_yaml, workdir, resume=resume, on_epoch=on_epoch, should_stop=should_stop)

    def export_onnx(self, weights: Path, target: Path, form: OnnxForm) -> ExportReport:
        return self._of(weights).export_onnx(weights, target, form)

    def predictor(self, weights: Path) -> Callable[[Floats], Floats]:
        return self._of(weights).predictor(weights)

    def _of(self, weights: Path) -> DetectorLibrary:
        return self._scripted if weights.read_bytes()[:1] == b"{" else self._real


def mixed() -> Mixed:
    return Mixed()
