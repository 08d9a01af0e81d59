"""ultralytics (AGPL-3.0) behind the same port: YOLOv8, 11 and 12 by their own names.

Only for whoever sets DETECTOR_LIBRARY=ultralytics and installs requirements-ultralytics.txt. Its own `.pt` files are
pickled programs and are not read; ours are. A run that goes on from a checkpoint keeps its epochs and learning rates,
but sees the images in the order of a new run: its loader is seeded by itself.
"""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import torch

from gpu_workers.trainer.detector import (
    BadWeights,
    EpochMetrics,
    ExportReport,
    Floats,
    OnEpoch,
    OnnxForm,
    Trained,
    TrainingPlan,
    UnknownModel,
    failures_told,
)
from gpu_workers.trainer.layout import Layout
from gpu_workers.trainer.onnx_export import write_onnx
from gpu_workers.trainer.torchvision_on_cpu import with_nms
from gpu_workers.trainer.weights import read_weights, write_weights
from quintet.kernel.errors import InvalidInput

KNOWN = re.compile(r"(?:yolov8|yolo11|yolo12)[nsmlx]")
NAMES = "yolov8, yolo11 and yolo12 with n, s, m, l or x"
RUN = "run"
PUBLISHED = ("model_family", "size", "task", "nc", "names", "imgsz", "letterbox_pad")
SETTINGS = frozenset({
    "amp", "box", "close_mosaic", "cls", "copy_paste", "cos_lr", "cutmix", "degrees", "dfl", "fliplr", "flipud",
    "freeze", "hsv_h", "hsv_s", "hsv_v", "lr0", "lrf", "mixup", "momentum", "mosaic", "nbs", "optimizer", "patience",
    "perspective", "scale", "shear", "translate", "warmup_bias_lr", "warmup_epochs", "warmup_momentum", "weight_decay",
    "workers",
})  # fmt: skip


class Ultralytics:
    name = "ultralytics"
    version = installed("ultralytics")
    settings = SETTINGS

    def resolves(self, model: str) -> str:
        asked = re.sub(r"\.(pt|ya?ml)$", "", model.strip().lower())
        if not KNOWN.fullmatch(asked):
            raise UnknownModel(f"There is no model {model!r}; {NAMES} would work.")
        return asked

    def model_of(self, weights: Path) -> str:
        return str(ours(read_weights(weights), weights)["size"])

    def device(self, wanted: str | None) -> str:
        if wanted == "cpu" or not torch.cuda.is_available():
            return "cpu"
        number = int(wanted.removeprefix("cuda:")) if wanted and wanted != "cuda" else 0
        return f"cuda:{number} ({torch.cuda.get_device_name(number)})"

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
        name, layout = self.resolves(plan.model), Layout.read(dataset_yaml)
        checkpoint = fitting(resume, name, layout) if resume else None
        if checkpoint and checkpoint["epoch"] + 1 >= plan.epochs:
            return outcome(checkpoint, workdir, stopped=False)
        begin = of_model(plan.pretrained, name)["model"] if plan.pretrained and not resume else None
        workdir.mkdir(parents=True, exist_ok=True)
        for cache in dataset_yaml.parent.rglob("*.cache"):  # pickled notes of an earlier run, or of somebody else
            cache.unlink()
        given = settings(plan, name, layout.write(workdir / "dataset.yaml"), workdir)
        with failures_told():
            stopped, last = trained_until_stopped(given, begin, checkpoint, on_epoch, should_stop)
            return outcome(read_weights(last) if last.exists() else checkpoint, workdir, stopped=stopped)

    def export_onnx(self, weights: Path, target: Path, form: OnnxForm) -> ExportReport:
        content = ours(read_weights(weights), weights)
        with failures_told():
            notes = write_onnx(network_of(content, weights), target, form)
        names = tuple(content["names"][number] for number in range(content["nc"]))
        return ExportReport(
            target, form, content["size"], content["model_family"], names,
            content["letterbox_pad"], content.get("metrics", {}), content.get("trained_at"), notes,
        )  # fmt: skip

    def predictor(self, weights: Path) -> Callable[[Floats], Floats]:
        network = network_of(ours(read_weights(weights), weights), weights)

        def predict(images: Floats) -> Floats:
            with torch.inference_mode(), failures_told():
                rows: Floats = network(torch.from_numpy(images)).numpy()
            return rows

        return predict


def settings(plan: TrainingPlan, name: str, dataset: Path, workdir: Path) -> dict[str, Any]:
    """Arguments of ultralytics' trainer. Raises InvalidInput for an extra setting that is not in SETTINGS."""
    if unknown := sorted(set(plan.extra) - SETTINGS):
        raise InvalidInput(f"No setting {', '.join(unknown)}; there are {', '.join(sorted(SETTINGS))}.")
    own = {"patience": 0, "workers": min(8, os.cpu_count() or 1), "plots": False, "verbose": False, "pretrained": False}
    places = {"data": str(dataset), "project": str(workdir.resolve()), "name": RUN, "exist_ok": True}
    asked = {"epochs": plan.epochs, "batch": plan.batch, "imgsz": plan.imgsz, "seed": plan.seed}
    device = plan.device or ("0" if torch.cuda.is_available() else "cpu")
    return own | dict(plan.extra) | asked | places | {"model": f"{name}.yaml", "device": device}


def trained_until_stopped(
    given: dict[str, Any],
    begin: dict[str, Any] | None,
    checkpoint: dict[str, Any] | None,
    on_epoch: OnEpoch,
    should_stop: Callable[[], bool],
) -> tuple[bool, Path]:
    """Whether it was stopped, and where its last checkpoint is if there is one."""
    with_nms()
    from gpu_workers.trainer.ultralytics_training import Stopped, WatchedTrainer

    last = Path(given["project"], RUN, "weights", "last.pt")
    last.unlink(missing_ok=True)
    try:
        WatchedTrainer(on_epoch, should_stop, begin, checkpoint, given).train()
    except Stopped:
        return True, last
    return False, last


def ours(content: dict[str, Any], path: Path) -> dict[str, Any]:
    if content.get("model_family") != "ultralytics" or not KNOWN.fullmatch(str(content.get("size"))):
        raise BadWeights(f"{path.name} is not of a model that this service trained with ultralytics.")
    return content


def of_model(path: Path, name: str) -> dict[str, Any]:
    content = ours(read_weights(path), path)
    if content["size"] != name:
        raise BadWeights(f"{path.name} is of {content['size']}, not of {name}.")
    return content


def fitting(checkpoint: Path, name: str, layout: Layout) -> dict[str, Any]:
    """A checkpoint's content. Raises BadWeights where it is none, or of another model or dataset."""
    content = of_model(checkpoint, name)
    if not {"epoch", "optimizer", "best", "final", "generators"} <= set(content):
        raise BadWeights(f"{checkpoint.name} is no checkpoint to go on from.")
    if content["nc"] != len(layout.names):
        raise BadWeights(f"{checkpoint.name} knows {content['nc']} classes, the dataset {len(layout.names)}.")
    return content


def outcome(checkpoint: dict[str, Any] | None, workdir: Path, *, stopped: bool) -> Trained:
    """What was trained, as the last checkpoint has it; its best and last weights as files in workdir."""
    best, last = workdir / "best.pt", workdir / "last.pt"
    if checkpoint is None:
        return Trained(best, last, 0, None, None, stopped)
    workdir.mkdir(parents=True, exist_ok=True)
    told = {key: checkpoint[key] for key in PUBLISHED} | {"trained_at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_weights(best, told | {"model": checkpoint["best"]["weights"], "metrics": checkpoint["best"]["metrics"]})
    write_weights(last, told | {"model": checkpoint["model"], "metrics": checkpoint["final"]})
    metrics, final = EpochMetrics(**checkpoint["best"]["metrics"]), EpochMetrics(**checkpoint["final"])
    return Trained(best, last, checkpoint["epoch"] + 1, metrics, final, stopped)


def network_of(content: dict[str, Any], path: Path) -> Any:
    """(b, 3, s, s) -> (b, 4 + classes, n) with corners, on the CPU. Raises BadWeights."""
    with_nms()
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel(f"{content['size']}.yaml", nc=int(content["nc"]), verbose=False)
    try:
        network.load_state_dict(content["model"])
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BadWeights(f"{path.name} does not fit its model.", said=str(error)) from error
    network = network.eval().fuse(verbose=False)
    head = network.model[-1]
    head.export, head.format, head.xyxy = True, "onnx", True
    return network
