"""The detection library behind its port: trains, stops, goes on, exports. Skipped where torch is not installed."""

import errno
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quintet.kernel.errors import InvalidInput
from quintet.training.manifest import verified
from tests.training.trainer.rectangles import SIDE, Job, rectangles

if TYPE_CHECKING:
    from gpu_workers.trainer.detector import Trained, TrainingPlan
    from gpu_workers.trainer.libreyolo_detector import LibreYolo

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries that train and export
EPOCHS = 3
SHORT_WRITE = "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"
LOSSES = ("train_loss", "box_loss", "cls_loss", "dfl_loss")


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "libreyolo")):
        pytest.skip("trained in an environment of its own, see gpu_workers/trainer/requirements.txt")


@pytest.fixture(scope="module")
def library() -> "LibreYolo":
    from gpu_workers.trainer.libreyolo_detector import LibreYolo

    return LibreYolo()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rectangles(tmp_path_factory.mktemp("rectangles"))


def plan(**changes: Any) -> "TrainingPlan":
    from gpu_workers.trainer.detector import TrainingPlan

    given = TrainingPlan("yolov8n", EPOCHS, batch=8, imgsz=SIDE, seed=3, device="cpu", extra={"aux_weight": 0})
    return replace(given, **changes)


@pytest.fixture(scope="module")
def whole(library: "LibreYolo", data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, "Trained"]:
    """All epochs in one go."""
    job = Job(tmp_path_factory.mktemp("whole"))
    return job, job.run(library, plan(), data)


@pytest.mark.parametrize(
    ("asked", "used"),
    [("yolov8n", "yolov9t"), ("yolov8n.pt", "yolov9t"), ("yolo11s", "yolov9s"), ("yolo12m", "yolov9m"),
     ("yolov8x.yaml", "yolov9c"), ("yolov9c", "yolov9c"), ("YOLOv9-T", "yolov9t")],
)  # fmt: skip
def test_names_of_others_mean_the_nearest_size(library: "LibreYolo", asked: str, used: str) -> None:
    assert library.resolves(asked) == used


@pytest.mark.parametrize(
    "asked", ["yolov8", "yolov8n-seg", "resnet50", "", "../yolov9t", "https://example.org/yolov8n.pt"]
)
def test_an_unknown_model_is_told_what_would_work(library: "LibreYolo", asked: str) -> None:
    from gpu_workers.trainer.detector import UnknownModel

    with pytest.raises(UnknownModel, match="yolov9t, yolov9s"):
        library.resolves(asked)


def test_each_epoch_tells_its_losses_and_map(whole: tuple[Job, "Trained"]) -> None:
    job, trained = whole
    assert [one.epoch for one in job.epochs] == [1, 2, 3]
    for one in job.epochs:
        assert one.train_loss == pytest.approx(one.box_loss + one.cls_loss + one.dfl_loss, rel=1e-3)
        assert 0 <= one.mAP50_95 <= one.mAP50 <= 1
        assert one.seconds > 0
    assert job.epochs[-1].train_loss < job.epochs[0].train_loss
    assert (trained.epochs, trained.stopped, trained.final) == (EPOCHS, False, job.epochs[-1])
    assert trained.metrics == max(job.epochs, key=lambda one: one.mAP50_95)


def test_it_is_asked_to_stop_at_least_once_a_batch(whole: tuple[Job, "Trained"]) -> None:
    job, _ = whole
    assert [job.asked.count(done) for done in range(EPOCHS)] == [3, 3, 3]  # 2 batches to train, 1 to validate


def test_weights_hold_what_rebuilds_the_model_and_nothing_else(whole: tuple[Job, "Trained"]) -> None:
    from gpu_workers.trainer.weights import read_weights

    for path in (whole[1].best, whole[1].last):
        content = read_weights(path)
        assert (content["model_family"], content["size"], content["imgsz"]) == ("yolo9", "t", SIDE)
        assert content["names"] == {0: "blue", 1: "red"}
        assert {"metrics", "trained_at"} <= set(content)
        assert not {"optimizer", "config", "data"} & set(content)


@pytest.mark.parametrize("after", [1, 2])
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path, after: int
) -> None:
    job, rest = whole[0], Job(tmp_path)
    trained = rest.run(library, plan(), data, resume=job.folder / f"epoch{after}.pt")
    assert [one.epoch for one in rest.epochs] == list(range(after + 1, EPOCHS + 1))
    for one in rest.epochs:
        assert rest.losses(one.epoch) == pytest.approx(job.losses(one.epoch), abs=1e-6)
        assert one.lr == job.epochs[one.epoch - 1].lr
    assert trained.epochs == EPOCHS
    assert trained.metrics is not None
    assert trained.metrics.epoch == whole[1].metrics.epoch  # type: ignore[union-attr]
    assert trained.best.is_file()


def test_the_last_checkpoint_has_nothing_left_to_train(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path
) -> None:
    again = Job(tmp_path)
    trained = again.run(library, plan(), data, resume=whole[0].folder / f"epoch{EPOCHS}.pt")
    assert not again.asked
    assert not again.epochs
    assert (trained.epochs, trained.final, trained.metrics) == (EPOCHS, whole[1].final, whole[1].metrics)
    assert trained.best.is_file()


def test_stopped_in_the_second_epoch_it_keeps_the_first_and_is_the_same_run(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path
) -> None:
    job = Job(tmp_path)
    trained = job.run(library, plan(), data, stop=lambda job: job.asked.count(1) == 2)
    assert (trained.stopped, trained.epochs, job.asked[-1]) == (True, 1, 1)
    assert len(job.asked) == 5, "it stops where it was told to"
    assert job.losses(1) == whole[0].losses(1), "same seed, same losses"
    again = Job(tmp_path)
    library_says = again.run(library, plan(), data, stop=lambda _: True, resume=tmp_path / "epoch1.pt")
    assert (library_says.stopped, library_says.epochs, len(again.asked)) == (True, 1, 1)


def test_stopped_before_anything_there_is_nothing(library: "LibreYolo", data: Path, tmp_path: Path) -> None:
    trained = Job(tmp_path).run(library, plan(), data, stop=lambda _: True)
    assert (trained.stopped, trained.epochs, trained.metrics, trained.best.exists()) == (True, 0, None, False)


def test_another_seed_is_another_run(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path
) -> None:
    job = Job(tmp_path)
    job.run(library, plan(seed=4), data, stop=lambda job: bool(job.epochs))
    assert job.losses(1) != whole[0].losses(1)


def test_given_weights_are_begun_with(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path
) -> None:
    from gpu_workers.trainer.weights import read_weights

    standing = {"aux_weight": 0, "lr0": 1e-9}
    trained = Job(tmp_path).run(library, plan(epochs=1, pretrained=whole[1].best, extra=standing), data)
    begun, ended = (read_weights(path)["model"]["backbone.conv0.conv.weight"] for path in (whole[1].best, trained.last))
    assert (begun - ended).abs().max() < 1e-6


class Bomb:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.place}",)


@pytest.mark.parametrize("use", ["pretrained", "resume", "export"])
def test_a_pickle_that_runs_something_is_refused(library: "LibreYolo", data: Path, tmp_path: Path, use: str) -> None:
    import torch

    from gpu_workers.trainer.conversion import convert
    from gpu_workers.trainer.detector import BadWeights

    bomb = tmp_path / "bomb.pt"
    torch.save({"model_family": "yolo9", "size": "t", "model": Bomb(tmp_path / "went off")}, bomb)
    uses: dict[str, Callable[[], object]] = {
        "export": lambda: convert(library, bomb, "onnx", {}, tmp_path),
        "resume": lambda: Job(tmp_path).run(library, plan(), data, resume=bomb),
        "pretrained": lambda: Job(tmp_path).run(library, plan(pretrained=bomb), data),
    }
    with pytest.raises(BadWeights, match=r"bomb.pt holds more than weights"):
        uses[use]()
    assert not (tmp_path / "went off").exists()


def test_files_that_are_no_weights_of_the_model_are_refused(
    library: "LibreYolo", data: Path, whole: tuple[Job, "Trained"], tmp_path: Path
) -> None:
    from gpu_workers.trainer.detector import BadWeights

    (tmp_path / "text.pt").write_text("not weights")
    for bad in (plan(pretrained=tmp_path / "text.pt"), plan(pretrained=tmp_path / "none.pt"),
                plan(pretrained=whole[1].best, model="yolov8s")):  # fmt: skip
        with pytest.raises(BadWeights):
            Job(tmp_path).run(library, bad, data)
    with pytest.raises(BadWeights, match="no checkpoint"):
        Job(tmp_path).run(library, plan(), data, resume=whole[1].best)


def test_a_setting_that_is_none_is_refused(library: "LibreYolo", data: Path, tmp_path: Path) -> None:
    for name in ("project", "distill_model", "loggers", "lr"):
        with pytest.raises(InvalidInput, match=f"No setting {name}; there are"):
            Job(tmp_path).run(library, plan(extra={name: "x"}), data)


@pytest.mark.parametrize("kind", ["gpu", "host", "disk", "torch on a full disk"])
def test_failures_of_the_machine_have_their_names(library: "LibreYolo", data: Path, tmp_path: Path, kind: str) -> None:
    import torch

    from gpu_workers.trainer.detector import DiskFull, OutOfMemory

    failures: dict[str, tuple[Exception, type[Exception], str]] = {
        "gpu": (torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB."), OutOfMemory, "CUDA out of memory"),
        "host": (MemoryError(), OutOfMemory, "out of memory"),
        "disk": (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "No space left on device"),
        "torch on a full disk": (RuntimeError(SHORT_WRITE), DiskFull, "No space left on device"),
    }
    failure, told, words = failures[kind]

    def fail(_: Job) -> bool:
        raise failure

    with pytest.raises(told, match=f"^{words}$"):
        Job(tmp_path).run(library, plan(), data, stop=fail)


def test_what_the_caller_raises_comes_out_as_it_is(library: "LibreYolo", data: Path, tmp_path: Path) -> None:
    def lost(job: Job) -> bool:
        raise LookupError("another took over")

    with pytest.raises(LookupError, match="another took over"):
        Job(tmp_path).run(library, plan(), data, stop=lost)


def copy(data: Path, folder: Path) -> Path:
    return Path(shutil.copytree(data.parent, folder / "copy")) / data.name


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_that_is_none_is_named(library: "LibreYolo", data: Path, tmp_path: Path, split: str) -> None:
    from gpu_workers.trainer.detector import BadData

    own = copy(data, tmp_path)
    (own.parent / f"images/{split}/1.png").write_bytes(b"no image")
    with pytest.raises(BadData, match=r"1\.png cannot be read as an image"):
        Job(tmp_path).run(library, plan(), own)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "train: images/train\nval: images/none\nnames: [a]\ndownload: https://example.org/data.zip",
            "no images for `val`",
        ),
        ("train: ../../../etc\nval: images/val\nnames: [a]", "leads out of the dataset"),
        ("train: /etc\nval: images/val\nnames: [a]", "leads out of the dataset"),
        ("train: images/train\nval: images/val\nnames: {1: a}", "numbered from 0"),
        ("train: images/train\nval: images/val\nnc: 3\nnames: [a]", "1 names, but `nc` is 3"),
        ("train: images/train\nnames: [a]", "`val` is not the name of one folder"),
        ("just text", "has no `train`"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_dataset_that_says_something_else_is_refused(data: Path, tmp_path: Path, said: str, problem: str) -> None:
    from gpu_workers.trainer.detector import BadData
    from gpu_workers.trainer.layout import Layout

    own = copy(data, tmp_path)
    own.write_text(said)
    with pytest.raises(BadData, match=problem):
        Layout.read(own)


@pytest.mark.parametrize("options", [{"imgsz": SIDE}, {"imgsz": 90, "dynamic": True, "opset": 11, "simplify": False}])
def test_onnx_answers_as_its_source(
    library: "LibreYolo", whole: tuple[Job, "Trained"], tmp_path: Path, options: dict[str, Any]
) -> None:
    import onnx

    from gpu_workers.trainer.conversion import convert

    conversion = convert(library, whole[1].best, "onnx", options, tmp_path)
    imgsz = {64: 64, 90: 96}[options["imgsz"]]
    model, manifest = conversion.artifacts
    assert conversion.model_info["parity"]["ok"]  # type: ignore[index]
    assert conversion.model_info["parity"]["max_abs_diff"] < 1e-5  # type: ignore[index]
    assert conversion.model_info["file_size_bytes"] == model.stat().st_size
    assert (conversion.model_info["file_name"], conversion.model_info["file_extension"]) == ("best.onnx", ".onnx")
    described = verified("best.onnx", model.read_bytes(), manifest.read_bytes())
    assert (described.names, described.imgsz, described.letterbox) == (("blue", "red"), imgsz, "center")
    assert described.opset == onnx.load(model).opset_import[0].version == options.get("opset", 17)
    assert str(tmp_path).encode() not in model.read_bytes()
    assert json.loads(manifest.read_text())["metrics"]["epoch"] == whole[1].metrics.epoch  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"opset": 21}, "opset must be a whole number from 11 to 20, not 21"),
        ({"opset": 17.0}, "opset must be"),
        ({"batch_size": 33}, "batch_size must be a whole number from 1 to 32"),
        ({"imgsz": 5000}, "imgsz must be a whole number from 32 to 4096"),
        ({"dynamic": 1}, "dynamic must be true or false"),
        ({"half": True}, "onnx has no option half; it has imgsz, batch_size, dynamic, simplify, opset"),
    ],
)
def test_options_out_of_range_are_named(
    library: "LibreYolo", tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    from gpu_workers.trainer.conversion import convert

    with pytest.raises(InvalidInput, match=sentence):
        convert(library, tmp_path / "any.pt", "onnx", options, tmp_path)


def test_other_formats_are_told_what_works(library: "LibreYolo", tmp_path: Path) -> None:
    import torch

    from gpu_workers.trainer.conversion import convert

    with pytest.raises(InvalidInput, match="no conversion to 'coreml'; onnx works, and tensorrt"):
        convert(library, tmp_path / "any.pt", "coreml", {}, tmp_path)
    with pytest.raises(InvalidInput, match="precision must be fp16 or fp32"):
        convert(library, tmp_path / "any.pt", "trt", {"precision": "int8"}, tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(InvalidInput, match=r"tensorrt needs an NVIDIA GPU.*onnx works here"):
            convert(library, tmp_path / "any.pt", "trt", {}, tmp_path)


def test_another_answer_is_seen() -> None:
    from gpu_workers.trainer.conversion import ParityBroken, compared
    from gpu_workers.trainer.detector import OnnxForm

    rows = np.zeros((1, 6, 3), np.float32)
    wrong = rows.copy()
    wrong[0, 5, 1] = 0.01
    with pytest.raises(ParityBroken, match=r"differs from its source by 0\.01"):
        compared(lambda _: rows, lambda _: wrong, OnnxForm(SIDE), 1e-4)
    with pytest.raises(ParityBroken):
        compared(lambda _: rows, lambda _: rows * np.nan, OnnxForm(SIDE), 1e-4)


def test_boxes_kept_are_those_that_overlap_no_better_one() -> None:
    import torch

    from gpu_workers.trainer.torchvision_on_cpu import nms, with_nms

    vision = with_nms()
    torch.manual_seed(0)
    boxes, scores = torch.rand(60, 4), torch.rand(60)
    boxes[:, 2:] += boxes[:, :2]
    overlaps = vision.ops.box_iou(boxes, boxes)
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        if all(overlaps[index, better] <= 0.4 for better in kept):
            kept.append(index)
    assert nms(boxes, scores, 0.4).tolist() == vision.ops.nms(boxes, scores, 0.4).tolist() == kept
    assert nms(boxes[:0], scores[:0], 0.4).tolist() == []
