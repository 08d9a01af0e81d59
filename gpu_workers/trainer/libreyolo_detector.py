"""The default detection library: libreyolo (MIT), YOLOv9 in four sizes, trained from scratch or from given weights.

It knows no YOLOv8, 11 or 12: a request for one gets the YOLOv9 nearest in size.

    requested     n          s          m          l, x
    trained       yolov9t    yolov9s    yolov9m    yolov9c
    parameters    2.0 M      7.2 M      20 M       25 M
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import torch

from gpu_workers.trainer.detector import (
    BadData,
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
from gpu_workers.trainer.weights import for_inference, read_weights, write_weights
from quintet.kernel.errors import InvalidInput

OWN = re.compile(r"yolo-?v?9-?(?P<size>[tsmc])")
OTHERS = re.compile(r"yolo-?v?(?:5|8|10|11|12)-?(?P<size>[nsmlx])")
NEAREST = {"n": "t", "s": "s", "m": "m", "l": "c", "x": "c"}
NAMES = "yolov9t, yolov9s, yolov9m, yolov9c, or yolov8, yolo11 and yolo12 with n, s, m, l or x"

RUN = "run"  # libreyolo's own folder below the workdir
PUBLISHED = (
    "schema_version",
    "libreyolo_version",
    "model_family",
    "size",
    "task",
    "nc",
    "names",
    "imgsz",
    "letterbox_pad",
)

RENAMED = {"lrf": "min_lr_ratio", "mosaic": "mosaic_prob", "mixup": "mixup_prob", "fliplr": "flip_prob"}
SETTINGS = {
    "amp", "amp_dtype", "aux_weight", "degrees", "ema_decay", "flip_prob", "flipud", "freeze", "hsv_prob", "lr0",
    "min_lr_ratio", "mixup_prob", "momentum", "mosaic_prob", "nbs", "nesterov", "no_aug_epochs", "optimizer",
    "patience", "perspective", "scheduler", "shear", "translate", "warmup_epochs", "weight_decay", "workers",
}  # fmt: skip


class LibreYolo:
    name = "libreyolo"
    version = installed("libreyolo")
    settings = frozenset(SETTINGS) | frozenset(RENAMED)

    def resolves(self, model: str) -> str:
        """
        >>> LibreYolo().resolves("yolov8n.pt"), LibreYolo().resolves("yolo11x"), LibreYolo().resolves("YOLOv9-s")
        ('yolov9t', 'yolov9c', 'yolov9s')
        """
        asked = re.sub(r"\.(pt|ya?ml)$", "", model.strip().lower())
        if own := OWN.fullmatch(asked):
            return f"yolov9{own['size']}"
        if other := OTHERS.fullmatch(asked):
            return f"yolov9{NEAREST[other['size']]}"
        raise UnknownModel(f"There is no model {model!r}; {NAMES} would work.")

    def model_of(self, weights: Path) -> str:
        content = read_weights(weights)
        if content.get("model_family") != "yolo9" or content.get("size") not in NEAREST.values():
            raise BadWeights(f"{weights.name} is not of a YOLOv9 that libreyolo trained.")
        return f"yolov9{content['size']}"

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
        size, layout = self.resolves(plan.model)[-1], Layout.read(dataset_yaml)
        if resume and epochs_done(fitting(resume, size, layout)) >= plan.epochs:
            return outcome(resume, workdir, stopped=False)
        workdir.mkdir(parents=True, exist_ok=True)
        given = settings(plan, layout.write(workdir / "dataset.yaml"), workdir) | beginning(plan, size, resume)
        with failures_told(), data_failures_told():
            stopped = trained_until_stopped(size, given, on_epoch, should_stop)
            last = workdir / RUN / "weights" / "last.pt"
            return outcome(last if last.exists() else resume, workdir, stopped=stopped)

    def export_onnx(self, weights: Path, target: Path, form: OnnxForm) -> ExportReport:
        content, network = read_weights(weights), network_of(weights)
        network.head.export = True
        with failures_told():
            notes = write_onnx(network, target, form)
        names = tuple(content["names"][number] for number in range(content["nc"]))
        return ExportReport(
            target, form, f"yolov9{content['size']}", content["model_family"], names,
            content.get("letterbox_pad", "topleft"), content.get("metrics", {}), content.get("trained_at"), notes,
        )  # fmt: skip

    def predictor(self, weights: Path) -> Callable[[Floats], Floats]:
        network = network_of(weights)
        network.head.export = True

        def predict(images: Floats) -> Floats:
            with torch.inference_mode(), failures_told():
                rows: Floats = network(torch.from_numpy(images)).numpy()
            return rows

        return predict


def settings(plan: TrainingPlan, dataset: Path, workdir: Path) -> dict[str, Any]:
    """Arguments of libreyolo's `train`. Raises InvalidInput for an extra setting that is not in SETTINGS."""
    extra = {RENAMED.get(name, name): value for name, value in plan.extra.items()}
    if unknown := sorted(set(extra) - SETTINGS):
        raise InvalidInput(f"No setting {', '.join(unknown)}; there are {', '.join(sorted(SETTINGS))}.")
    on_cpu = plan.device == "cpu" or not torch.cuda.is_available()
    own = {"eval_interval": 1, "save_period": 0, "patience": 0, "letterbox_pad": "center", "loggers": None,
           "workers": 0 if on_cpu else min(8, os.cpu_count() or 1)}  # fmt: skip
    places = {"data": str(dataset), "project": str(workdir), "name": RUN, "exist_ok": True}
    asked = {"epochs": plan.epochs, "batch": plan.batch, "imgsz": plan.imgsz, "seed": plan.seed}
    return own | extra | asked | places | {"device": plan.device or ""}


def beginning(plan: TrainingPlan, size: str, resume: Path | None) -> dict[str, Any]:
    """From a checkpoint, from weights, or from nothing. A name would make libreyolo download: paths only."""
    if resume:
        return {"resume": str(resume.resolve())}
    if plan.pretrained:
        of_size(read_weights(plan.pretrained), plan.pretrained, size)
        return {"pretrained": str(plan.pretrained.resolve())}
    return {"pretrained": False}


def trained_until_stopped(size: str, given: dict[str, Any], on_epoch: OnEpoch, should_stop: Callable[[], bool]) -> bool:
    with_nms()
    from libreyolo import LibreYOLO9

    from gpu_workers.trainer.libreyolo_training import Stopped, WatchedTrainer

    last = Path(given["project"], RUN, "weights", "last.pt")
    if given.get("resume") != str(last.resolve()):
        last.unlink(missing_ok=True)
    torch.manual_seed(given["seed"])
    model = LibreYOLO9(None, size=size, device=given["device"] or "auto")
    model._trainer_class = lambda: partial(WatchedTrainer, on_epoch, should_stop)
    model._restore_after_training = lambda results: None  # nothing is asked of the model after its training
    try:
        model.train(**given)
    except Stopped:
        return True
    return False


def fitting(checkpoint: Path, size: str, layout: Layout) -> dict[str, Any]:
    """A checkpoint's content. Raises BadWeights where it is none, or of another model or dataset."""
    content = of_size(read_weights(checkpoint), checkpoint, size)
    if not {"epoch", "optimizer", "best", "final", "python_random"} <= set(content):
        raise BadWeights(f"{checkpoint.name} is no checkpoint to go on from.")
    if content["nc"] != len(layout.names):
        raise BadWeights(f"{checkpoint.name} knows {content['nc']} classes, the dataset {len(layout.names)}.")
    return content


def of_size(content: dict[str, Any], path: Path, size: str) -> dict[str, Any]:
    found = f"{content.get('model_family')}-{content.get('size')}"
    if found != f"yolo9-{size}":
        raise BadWeights(f"{path.name} is of {found}, not of yolo9-{size}.")
    return content


def epochs_done(checkpoint: Mapping[str, Any]) -> int:
    return int(checkpoint["epoch"]) + 1


def outcome(checkpoint: Path | None, workdir: Path, *, stopped: bool) -> Trained:
    """What was trained, as the last checkpoint has it; its best and last weights as files in workdir."""
    if checkpoint is None:
        return Trained(workdir / "best.pt", workdir / "last.pt", 0, None, None, stopped)
    content = read_weights(checkpoint)
    best, last = publish(content, workdir)
    metrics, final = EpochMetrics(**content["best"]["metrics"]), EpochMetrics(**content["final"])
    return Trained(best, last, epochs_done(content), metrics, final, stopped)


def publish(checkpoint: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """The checkpoint's best and last weights as files of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {key: checkpoint[key] for key in PUBLISHED} | {"trained_at": datetime.now(UTC).isoformat(timespec="seconds")}
    best, last = checkpoint["best"], for_inference(checkpoint["model"])
    return (
        write_weights(folder / "best.pt", told | {"model": best["weights"], "metrics": best["metrics"]}),
        write_weights(folder / "last.pt", told | {"model": last, "metrics": checkpoint["final"]}),
    )


def network_of(weights: Path) -> Any:
    content = read_weights(weights)
    if content.get("model_family") != "yolo9" or content.get("size") not in NEAREST.values():
        raise BadWeights(f"{weights.name} is not of a YOLOv9 that libreyolo trained.")
    with_nms()
    from libreyolo import LibreYOLO9

    try:
        model = LibreYOLO9(str(weights.resolve()), size=content["size"], nb_classes=int(content["nc"]), device="cpu")
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"{weights.name} does not fit its model.", said=str(error)) from error
    return model.model.eval()


@contextmanager
def data_failures_told() -> Iterator[None]:
    """What libreyolo says of images that it can't read, as BadData; its workers wrap it into a trace."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        if not (found := re.search(r"(?:Cannot read image: |Failed to load )(\S+)", str(error))):
            raise
        raise BadData(f"{Path(found[1]).name} cannot be read as an image.") from error
