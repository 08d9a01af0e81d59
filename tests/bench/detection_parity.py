"""The trainer's detector beside the bare library, same settings and seed, one after the other in one process.

    .local/venvs/trainer/bin/python -m tests.bench.detection_parity --epochs 3 --imgsz 320
    … --device 0 --imgsz 640 --epochs 50 --workers 8      where there is a GPU

Fails where the losses of the first epoch differ by more than 1e-6 or, once the bare run is above 0.3, the mAP50 by more
than 0.01. Data: a folder with data.yaml (BCCD: 3 kinds of blood cells, 205 + 87 images); without it the bench says so.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_workers.trainer.detector import EpochMetrics, TrainingPlan

DATA = Path(__file__).parents[3] / "shared/data/detection/bccd"
LOSSES = ("train_loss", "box_loss", "cls_loss", "dfl_loss")
LOSS_TOLERANCE, MAP_TOLERANCE, WORTH_COMPARING = 1e-6, 0.01, 0.3


@dataclass(frozen=True)
class Run:
    """`seconds` are those of the whole call of train: setting up, epochs, checkpoints."""

    epochs: Sequence[EpochMetrics]
    seconds: float

    def images_per_second(self, images: int) -> float:
        """Training images by the time of the epochs, their validation included; the first epoch warms up."""
        later = self.epochs[1:] or self.epochs
        return images * len(later) / sum(epoch.seconds for epoch in later)


class Enough(Exception):
    """As many epochs as were asked for."""


def bare(plan: TrainingPlan, data: Path, folder: Path, stop_after: int) -> Run:
    """libreyolo by its own API, told the settings that the adapter tells it."""
    from gpu_workers.trainer.libreyolo_detector import LibreYolo, settings
    from gpu_workers.trainer.torchvision_on_cpu import with_nms

    with_nms()
    from libreyolo import LibreYOLO9

    epochs: list[EpochMetrics] = []

    def note(event: Any) -> None:
        loss, part, score = event.train_loss, event.train_loss_items, event.val_metrics
        told = loss, score["metrics/mAP50"], part["box"], part["cls"], part["dfl"], event.epoch_seconds
        epochs.append(EpochMetrics(event.epoch, *told))
        if len(epochs) >= stop_after:
            raise Enough

    start = time.monotonic()
    model = LibreYOLO9(None, size=LibreYolo().resolves(plan.model)[-1], device=plan.device or "auto")
    with suppress(Enough):
        model.train(**settings(plan, data / "data.yaml", folder), pretrained=False, callbacks=note)
    return Run(epochs, time.monotonic() - start)


def ours(plan: TrainingPlan, data: Path, folder: Path, stop_after: int) -> Run:
    from gpu_workers.trainer.libreyolo_detector import LibreYolo

    epochs: list[EpochMetrics] = []
    start = time.monotonic()
    LibreYolo().train(
        plan,
        data / "data.yaml",
        folder,
        on_epoch=lambda metrics, _: epochs.append(metrics),
        should_stop=lambda: len(epochs) >= stop_after,
    )
    return Run(epochs, time.monotonic() - start)


def compared(bare: Run, ours: Run, images: int) -> dict[str, Any]:
    first = {name: abs(getattr(bare.epochs[0], name) - getattr(ours.epochs[0], name)) for name in LOSSES}
    pairs = [(theirs.mAP50, own.mAP50) for theirs, own in zip(bare.epochs, ours.epochs, strict=True)]
    worth = [abs(theirs - own) for theirs, own in pairs if theirs > WORTH_COMPARING]
    return {
        "first_epoch_loss_difference": max(first.values()),
        "mAP50": {"bare": [round(pair[0], 4) for pair in pairs], "ours": [round(pair[1], 4) for pair in pairs]},
        "mAP50_difference": max(worth) if worth else None,
        "images_per_second": {n: round(run.images_per_second(images), 2) for n, run in named(bare, ours).items()},
        "seconds": {name: round(run.seconds, 1) for name, run in named(bare, ours).items()},
    }


def named(bare: Run, ours: Run) -> Mapping[str, Run]:
    return {"bare": bare, "ours": ours}


def broken(found: Mapping[str, Any]) -> list[str]:
    problems = []
    if found["first_epoch_loss_difference"] > LOSS_TOLERANCE:
        problems.append(f"the first epoch's losses differ by more than {LOSS_TOLERANCE}")
    if (found["mAP50_difference"] or 0) > MAP_TOLERANCE:
        problems.append(f"mAP50 differs by more than {MAP_TOLERANCE}")
    return problems


def publish(folder: Path, target: Path, imgsz: int) -> None:
    """best.pt, its ONNX and manifest, for whoever wants a trained model."""
    from gpu_workers.trainer.conversion import convert
    from gpu_workers.trainer.libreyolo_detector import LibreYolo

    target.mkdir(parents=True, exist_ok=True)
    weights = (folder / "best.pt").replace(target / "best.pt")
    convert(LibreYolo(), weights, "onnx", {"imgsz": imgsz}, target)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default="yolov8n")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="further settings, for both runs")
    parser.add_argument("--folder", type=Path, required=True, help="where both runs write")
    parser.add_argument("--stop-after", type=int, metavar="N", help="end after N epochs of a schedule of --epochs")
    parser.add_argument("--only", choices=("bare", "ours"), help="one of the two, nothing compared")
    parser.add_argument("--publish", type=Path, help="folder for our best.pt, .onnx and manifest")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    asked = options(arguments)
    if not (asked.data / "data.yaml").is_file():
        print(f"skipped: there is no {asked.data / 'data.yaml'}")
        return 0
    extra = {"workers": asked.workers} | dict(json_pair(pair) for pair in asked.set)
    plan = TrainingPlan(asked.model, asked.epochs, asked.batch, asked.imgsz, asked.seed, asked.device, extra=extra)
    images = sum(1 for _ in (asked.data / "images/train").iterdir())
    runs = {}
    for name, run in (("bare", bare), ("ours", ours)):
        if asked.only in (None, name):
            runs[name] = run(plan, asked.data, asked.folder / name, asked.stop_after or asked.epochs)
            (asked.folder / f"{name}.json").write_text(json.dumps(dataclasses.asdict(runs[name]), indent=1))
    if asked.publish and "ours" in runs:
        publish(asked.folder / "ours", asked.publish, asked.imgsz)
    if len(runs) < 2:
        return 0
    found = compared(runs["bare"], runs["ours"], images)
    print(json.dumps({"plan": dataclasses.asdict(plan), "images": images} | found, indent=2, default=str))
    return report(broken(found))


def report(problems: Sequence[str]) -> int:
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return len(problems)


def json_pair(pair: str) -> tuple[str, Any]:
    name, _, value = pair.partition("=")
    return name, json.loads(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
