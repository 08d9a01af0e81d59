"""A dataset to train on in seconds, and a training whose course a test can look at."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpu_workers.trainer.detector import DetectorLibrary, EpochMetrics, Trained, TrainingPlan

SIDE = 64
LOSSES = ("train_loss", "box_loss", "cls_loss", "dfl_loss")


def rectangles(root: Path) -> Path:
    """Blue and red rectangles on noise: 16 images to train on, 6 to validate with."""
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 6)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            image, label = rectangle(random)
            Image.fromarray(image).save(root / f"images/{split}/{number}.png")
            (root / f"labels/{split}/{number}.txt").write_text(label)
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: [blue, red]\n")
    return root / "data.yaml"


def rectangle(random: np.random.Generator) -> tuple[np.ndarray, str]:
    image = random.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
    (wide, high), kind = random.integers(20, 40, 2), int(random.integers(0, 2))
    left, top = random.integers(0, SIDE - wide), random.integers(0, SIDE - high)
    image[top : top + high, left : left + wide] = (220, 40, 40) if kind else (40, 60, 230)
    box = np.array([left + wide / 2, top + high / 2, wide, high]) / SIDE
    return image, f"{kind} {' '.join(map(str, box))}\n"


@dataclass
class Job:
    """One call of train: its epochs, a copy of each checkpoint, and how often it was asked whether to stop."""

    folder: Path
    epochs: list[EpochMetrics] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # finished epochs at each question

    def run(
        self,
        library: DetectorLibrary,
        plan: TrainingPlan,
        data: Path,
        stop: Callable[["Job"], bool] = lambda _: False,
        **more: Any,
    ) -> Trained:
        def should_stop() -> bool:
            self.asked.append(len(self.epochs))
            return stop(self)

        return library.train(plan, data, self.folder / "work", on_epoch=self.note, should_stop=should_stop, **more)

    def note(self, metrics: EpochMetrics, checkpoint: Path) -> None:
        self.epochs.append(metrics)
        shutil.copy(checkpoint, self.folder / f"epoch{metrics.epoch}.pt")

    def losses(self, epoch: int) -> list[float]:
        return [getattr(next(one for one in self.epochs if one.epoch == epoch), name) for name in LOSSES]
