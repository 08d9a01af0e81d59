"""The optional library behind the same port. Skipped where it is not installed, which is the default."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpu_workers.trainer.detector import BadWeights, TrainingPlan, UnknownModel
from tests.training.trainer.rectangles import SIDE, Job, rectangles

if TYPE_CHECKING:
    from gpu_workers.trainer.ultralytics_detector import Ultralytics

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries that train and export


@pytest.fixture(scope="module")
def library() -> "Ultralytics":
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "ultralytics")):
        pytest.skip("an extra, see gpu_workers/trainer/requirements-ultralytics.txt")
    from gpu_workers.trainer.ultralytics_detector import Ultralytics

    return Ultralytics()


def plan(**changes: Any) -> TrainingPlan:
    return TrainingPlan("yolov8n", 2, batch=8, imgsz=SIDE, device="cpu", extra={"nbs": 8}, **changes)


def test_it_trains_stops_goes_on_and_exports(library: "Ultralytics", tmp_path: Path) -> None:
    from gpu_workers.trainer.conversion import convert

    data = rectangles(tmp_path / "data")
    first = Job(tmp_path / "first")
    first.folder.mkdir()
    stopped = first.run(library, plan(), data, stop=lambda job: bool(job.epochs))
    assert (stopped.stopped, stopped.epochs, first.asked) == (True, 1, [0, 0, 0, 1])

    rest = Job(tmp_path)
    trained = rest.run(library, plan(), data, resume=first.folder / "epoch1.pt")
    assert [one.epoch for one in rest.epochs] == [2]
    assert (trained.epochs, trained.stopped, trained.final) == (2, False, rest.epochs[-1])
    assert rest.epochs[0].train_loss == pytest.approx(sum(rest.losses(2)[1:]))
    assert library.model_of(trained.best) == "yolov8n"

    done = Job(tmp_path / "done")
    assert done.run(library, plan(), data, resume=tmp_path / "epoch2.pt").epochs == 2
    assert not done.asked

    conversion = convert(library, trained.best, "onnx", {"imgsz": SIDE, "dynamic": True}, tmp_path)
    assert conversion.model_info["parity"]["ok"]  # type: ignore[index]
    with pytest.raises(BadWeights, match="not of yolo11n"):
        Job(tmp_path).run(library, TrainingPlan("yolo11n", 1, pretrained=trained.best), data)


def test_names_are_its_own(library: "Ultralytics") -> None:
    assert library.resolves("yolov8n.pt") == "yolov8n"
    with pytest.raises(UnknownModel, match="yolov8, yolo11 and yolo12"):
        library.resolves("yolov9t")
