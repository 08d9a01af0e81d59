"""libreyolo's YOLOv9 trainer as the port wants it: it can be stopped, failures of its validation are failures, and a
checkpoint goes on as if nothing had happened. Imported after `with_nms()`.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from libreyolo.models.yolo9.trainer import YOLO9Trainer
from libreyolo.validation import DetectionValidator, ValidationConfig

from gpu_workers.trainer.detector import EpochMetrics, OnEpoch
from gpu_workers.trainer.weights import copied, for_inference, read_weights

ShouldStop = Callable[[], bool]
CONFIDENCE, OVERLAP = 0.001, 0.65  # of libreyolo's own validation during training


class Stopped(Exception):
    """`should_stop` was answered yes."""


class WatchedValidator(DetectionValidator):  # type: ignore[misc]
    def __init__(self, should_stop: ShouldStop, **given: Any) -> None:
        super().__init__(**given)
        self._should_stop = should_stop

    def _inference(self, images: Any) -> Any:
        if self._should_stop():
            raise Stopped
        return super()._inference(images)


class WatchedTrainer(YOLO9Trainer):  # type: ignore[misc]
    def __init__(self, on_epoch: OnEpoch, should_stop: ShouldStop, **given: Any) -> None:
        self._on_epoch, self._should_stop = on_epoch, should_stop
        self._validator: WatchedValidator | None = None
        self._measured: EpochMetrics | None = None
        self._best: dict[str, Any] = {}  # weights and metrics of the best epoch so far
        super().__init__(**given)

    def _forward_train(self, imgs: Any, targets: Any, polygons: Any = None) -> Any:
        if self._should_stop():
            raise Stopped
        return super()._forward_train(imgs, targets, polygons)

    def _train_epoch(self, epoch: int) -> Any:
        start = time.monotonic()
        loss, scores, parts, rates = result = super()._train_epoch(epoch)
        scores = scores or {}
        self._measured = EpochMetrics(
            epoch + 1, loss, *(float(value) for value in (
                scores.get("mAP50", float("nan")), parts["box"], parts["cls"], parts["dfl"], time.monotonic() - start,
                scores.get("mAP50_95", float("nan")), next(iter(rates.values()))))
        )  # fmt: skip
        return result

    def _run_validation(self, epoch: int, *, save_plots: bool | None = None) -> dict[str, Any]:
        """As libreyolo's own, which logs whatever goes wrong and trains on without metrics."""
        network = self.wrapper_model.model
        self.wrapper_model.model = self.ema_model.ema
        try:
            found = self._scalar_mapping(self._validating().run())
        finally:
            self.wrapper_model.model = network
        score = found["metrics/mAP50-95"]
        return {"mAP50": found["metrics/mAP50"], "mAP50_95": score, "best_metric": score,
                "best_metric_key": self.best_metric_key, "metrics": found}  # fmt: skip

    def _validating(self) -> WatchedValidator:
        """One validator a run, as libreyolo has it: its images and workers are set up once."""
        if self._validator is None:
            settings = ValidationConfig(
                data=self.config.data, batch_size=self.config.batch, imgsz=self.config.imgsz, conf_thres=CONFIDENCE,
                iou_thres=OVERLAP, max_det=self.config.max_det, faster_coco_eval=self.config.faster_coco_eval,
                device=str(self.device), half=self.config.amp and self.device.type == "cuda",
                amp_dtype=self.config.amp_dtype, verbose=False, num_workers=self.config.workers,
                save_dir=self._validation_save_dir(),
            )  # fmt: skip
            self._validator = WatchedValidator(self._should_stop, model=self.wrapper_model, config=settings)
        return self._validator

    def _save_checkpoint(self, epoch: int, loss: float, *rest: Any, is_best: bool | None = None) -> None:
        assert self._measured
        if is_best:
            self._best = {
                "weights": copied(for_inference(self.ema_model.ema.state_dict())),
                "metrics": asdict(self._measured),
            }
        super()._save_checkpoint(epoch, loss, *rest, is_best=False)
        self._on_epoch(self._measured, self.save_dir / "weights" / "last.pt")

    def _checkpoint_extra_metadata(self) -> dict[str, Any]:
        """libreyolo keeps the state of torch's and numpy's generators, but augments with Python's too."""
        extra: dict[str, Any] = super()._checkpoint_extra_metadata()
        own = {"best": self._best, "final": asdict(self._measured) if self._measured else {}}
        return extra | own | {"python_random": random.getstate()}

    def resume(self, checkpoint_path: str) -> None:
        content = read_weights(Path(checkpoint_path))
        super().resume(checkpoint_path)  # reads it as a trusted file: by now it is known to hold nothing to run
        self._best = content["best"]
        version, state, spare = content["python_random"]
        random.setstate((version, tuple(state), spare))
