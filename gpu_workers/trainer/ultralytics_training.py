"""ultralytics' detection trainer as the port wants it: checkpoints of tensors and plain values in place of pickled
models, nothing fetched from the network, and it can be stopped. Imported after `with_nms()`.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.data import utils as data_utils
from ultralytics.engine import trainer as engine
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import callbacks
from ultralytics.utils.torch_utils import unwrap_model

from gpu_workers.trainer.detector import EpochMetrics, OnEpoch
from gpu_workers.trainer.weights import copied, write_weights


class Stopped(Exception):
    """`should_stop` was answered yes."""


def without_network() -> None:
    """No fonts, no model to try mixed precision on, no trackers but the caller's."""
    data_utils.check_font = lambda *_: None
    engine.check_amp = lambda model: True
    callbacks.add_integration_callbacks = lambda instance: None


class WatchedTrainer(DetectionTrainer):  # type: ignore[misc]
    """`begin` are weights to begin with, `checkpoint` is one of ours to go on from."""

    def __init__(
        self,
        on_epoch: OnEpoch,
        should_stop: Callable[[], bool],
        begin: dict[str, Any] | None,
        checkpoint: dict[str, Any] | None,
        overrides: dict[str, Any],
    ) -> None:
        without_network()
        self._on_epoch, self._should_stop = on_epoch, should_stop
        self._begin, self._checkpoint = begin, checkpoint
        self._best: dict[str, Any] = checkpoint["best"] if checkpoint else {}
        self._began = time.monotonic()
        super().__init__(overrides=overrides)
        for event in ("on_train_batch_start", "on_val_batch_start"):
            self.add_callback(event, self._ask)

    def _ask(self, _: object) -> None:
        if self._should_stop():
            raise Stopped

    def setup_model(self) -> None:
        super().setup_model()
        given = self._checkpoint["train_model"] if self._checkpoint else self._begin or {}
        own = self.model.state_dict()
        fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
        self.model.load_state_dict(fitting, strict=bool(self._checkpoint))

    def resume_training(self, ckpt: object) -> None:
        if (saved := self._checkpoint) is None:
            return
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.ema.ema.load_state_dict(saved["model"])
        self.ema.updates = saved["updates"]
        self.best_fitness = saved["best_fitness"]
        self.stopper.best_fitness, self.stopper.best_epoch = saved["best_fitness"], saved["best"]["metrics"]["epoch"]
        self.start_epoch = saved["epoch"] + 1
        restore_generators(saved["generators"])

    def _model_train(self) -> None:
        self._began = time.monotonic()
        super()._model_train()

    def save_model(self) -> bool:
        measured = self._measured()
        ema = self.ema.ema.state_dict()
        if self.best_fitness == self.fitness:
            self._best = {"weights": copied(ema), "metrics": asdict(measured)}
        names = {int(number): str(name) for number, name in self.data["names"].items()}
        content = {
            "model_family": "ultralytics", "size": Path(self.args.model).stem, "task": "detect", "nc": len(names),
            "names": names, "imgsz": int(self.args.imgsz), "letterbox_pad": "center_rounded", "model": ema,
            "train_model": unwrap_model(self.model).state_dict(), "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(), "updates": self.ema.updates, "epoch": self.epoch,
            "best_fitness": float(self.best_fitness), "best": self._best, "final": asdict(measured),
            "generators": generators(),
        }  # fmt: skip
        self._on_epoch(measured, write_weights(self.last, content))
        return True

    def _measured(self) -> EpochMetrics:
        losses = {name: float(value) for name, value in self.tloss.items()}
        score, finer = (float(self.metrics[f"metrics/{name}(B)"]) for name in ("mAP50", "mAP50-95"))
        box, kind, dfl = (losses[name] for name in ("box_loss", "cls_loss", "dfl_loss"))
        spent, rate = time.monotonic() - self._began, float(next(iter(self.lr.values())))
        return EpochMetrics(self.epoch + 1, box + kind + dfl, score, box, kind, dfl, spent, finer, rate)

    def _handle_nan_recovery(self, epoch: int) -> bool:
        return False  # it would read a pickled checkpoint

    def final_eval(self) -> None:
        """Nothing: the best epoch's metrics are known."""


def generators() -> dict[str, Any]:
    _, keys, *place = np.random.get_state()
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy = [torch.from_numpy(np.asarray(keys, dtype=np.int64)), *map(float, place)]
    return {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state(), "cuda": on_gpu}


def restore_generators(saved: dict[str, Any]) -> None:
    version, state, spare = saved["python"]
    random.setstate((version, tuple(state), spare))
    keys, at, has_spare, spare = saved["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), int(at), int(has_spare), spare))
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda"])
