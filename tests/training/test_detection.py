"""From the bytes of an image to boxes, through a real model whose answers are known."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.model_cache import ModelCache
from quintet.adapters.pillow_images import PillowImages
from quintet.kernel.errors import InvalidInput, ModelUnavailable, NotFound
from quintet.training.detection import Detections, detect, found
from quintet.training.detector_ports import Detector
from quintet.training.manifest import onnx_key
from quintet.training.messages import DetectionOptions, inference_completed
from tests.training.tiny_detectors import detector, fixed_answer, loaded, manifest, red_finder

Box = tuple[int, int, int, int]
IMAGES = PillowImages()
OPTIONS = DetectionOptions()


def picture(height: int, width: int, box: Box | None = None) -> np.ndarray:
    """Grey, with all of `box` (x1, y1, x2, y2) red."""
    pixels = np.full((height, width, 3), 90, dtype=np.uint8)
    if box:
        left, top, right, down = box
        pixels[top:down, left:right] = (255, 0, 0)
    return pixels


def png(pixels: np.ndarray, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    return stream.getvalue()


def seen(image: bytes, finder: Detector, **options: float) -> Detections:
    return detect(image, finder, IMAGES, model_path="models/tiny.pt", options=DetectionOptions(**options))


def test_the_documents_message_with_exact_boxes() -> None:
    answer = seen(png(picture(64, 64, (16, 8, 48, 24))), detector(red_finder()))
    assert inference_completed("job-1", detections=answer.model_dump(mode="json")) == {
        "type": "inference_completed",
        "job_id": "job-1",
        "annotations": [
            {
                "class_id": 0,
                "class_name": "red",
                "confidence": 0.875,
                "x_center": 0.5,
                "y_center": 0.25,
                "width": 0.5,
                "height": 0.25,
            }
        ],
        "total_detections": 1,
        "model_info": {"model_path": "models/tiny.pt", "confidence_threshold": 0.25, "iou_threshold": 0.45},
    }
    assert list(answer.model_dump()["annotations"][0]) == [
        "class_id", "class_name", "confidence", "x_center", "y_center", "width", "height",
    ]  # fmt: skip


def test_in_pixels() -> None:
    (one,) = found(picture(64, 128, (20, 10, 60, 50)), detector(red_finder(size=(64, 128))), OPTIONS)
    assert one.bbox_xyxy == (20, 10, 60, 50)
    assert one.bbox == (40, 30, 40, 40)
    assert one.image_size == (128, 64)


@pytest.mark.parametrize("padding", ["topleft", "center", "center_rounded"])
@pytest.mark.parametrize("size", [(64, 64), (32, 96), (160, 64)])
@pytest.mark.parametrize("shape", [(64, 64), (480, 640), (333, 500), (1080, 150), (20, 20)])
def test_boxes_are_found_at_any_size(shape: tuple[int, int], size: tuple[int, int], padding: str) -> None:
    height, width = shape
    box = (width // 4, height // 4, width - width // 8, height - height // 8)
    finder = detector(red_finder(size=size), letterbox=padding)
    scale = min(size[0] / height, size[1] / width)
    (one,) = found(picture(height, width, box), finder, OPTIONS)
    assert one.bbox_xyxy == pytest.approx(box, abs=1.5 / scale + 0.5)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, (16, 8, 48, 24)), (3, (16, 40, 48, 56)), (6, (40, 16, 56, 48)), (8, (8, 16, 24, 48))],
)
def test_boxes_are_those_of_the_upright_photo(orientation: int, expected: Box) -> None:
    answer = seen(png(picture(64, 64, (16, 8, 48, 24)), orientation), detector(red_finder()))
    (one,) = answer.annotations
    left, top = one.x_center - one.width / 2, one.y_center - one.height / 2
    assert tuple(64 * side for side in (left, top, left + one.width, top + one.height)) == expected


def test_nothing_to_see() -> None:
    answer = seen(png(picture(64, 64)), detector(red_finder()))
    assert answer.annotations == ()
    assert answer.total_detections == 0


@pytest.mark.parametrize("shape", [(1, 1), (20, 8000), (8000, 20)])
def test_odd_shapes_are_seen_whole(shape: tuple[int, int]) -> None:
    (one,) = seen(png(picture(*shape, (0, 0, shape[1], shape[0]))), detector(red_finder())).annotations
    assert (one.x_center, one.y_center, one.width, one.height) == pytest.approx((0.5, 0.5, 1, 1))


def test_thresholds_are_kept_to_and_told() -> None:
    image, finder = png(picture(64, 64, (16, 8, 48, 24))), detector(red_finder())
    assert [one.class_name for one in seen(image, finder, conf=0.1).annotations] == ["red", "blue"]
    assert seen(image, finder, conf=0.9, iou=0.7).total_detections == 0
    assert seen(image, finder, conf=0.9, iou=0.7).model_info.iou_threshold == 0.7
    assert seen(image, detector(red_finder(), one_class_a_box=True), conf=0.1).total_detections == 1


def many(count: int, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    low = generator.uniform(-5, 60, (2, count))
    return np.vstack([low, low + generator.uniform(1, 9, (2, count)), generator.random((2, count))]).astype(np.float32)


def test_ten_thousand_candidates() -> None:
    answer = seen(png(picture(640, 480)), detector(fixed_answer(many(10_000))), conf=0.01, iou=0.9)
    assert answer.total_detections == len(answer.annotations) == 300
    confidences = [one.confidence for one in answer.annotations]
    assert confidences == sorted(confidences, reverse=True)
    for one in answer.annotations:
        assert one.x_center - one.width / 2 + 1e-9 >= 0
        assert one.x_center + one.width / 2 <= 1 + 1e-9
        assert one.y_center - one.height / 2 + 1e-9 >= 0
        assert one.y_center + one.height / 2 <= 1 + 1e-9


def test_candidates_that_are_no_numbers_are_left_out() -> None:
    columns = many(40)
    columns[0, ::2] = np.nan
    columns[4:, 1] = np.inf
    answer = seen(png(picture(64, 64)), detector(fixed_answer(columns)), conf=0, iou=1)
    clean = seen(png(picture(64, 64)), detector(fixed_answer(columns[:, 3::2])), conf=0, iou=1)
    assert answer == clean
    assert answer.total_detections > 0


def test_a_model_that_knows_no_numbers_is_broken() -> None:
    with pytest.raises(ModelUnavailable, match="nothing but NaN: convert it again"):
        seen(png(picture(64, 64)), detector(fixed_answer(np.full((6, 5), np.nan))))


@pytest.mark.parametrize("damage", [lambda image: image[:-30], lambda _: b"", lambda _: b"GIF89a"])
def test_a_corrupt_image_is_refused_with_the_reason(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidInput, match=r"damaged|no bytes|no JPEG"):
        seen(damage(png(picture(64, 64))), detector(red_finder()))


class TestModelsOfABucket:
    KEY = "models/ada/best.pt"

    @pytest.fixture
    def objects(self) -> MemoryObjects:
        return MemoryObjects()

    @pytest.fixture
    def models(self, objects: MemoryObjects, tmp_path: Path) -> ModelCache[Any]:
        return ModelCache(objects, loaded, tmp_path)

    @staticmethod
    def upload(objects: MemoryObjects, content: bytes, **described: Any) -> None:
        objects.put("models/ada/best.onnx", content)
        objects.put("models/ada/best.onnx.json", manifest(content, **described))

    def test_a_pt_file_means_its_onnx_sibling(self, objects: MemoryObjects, models: ModelCache[Any]) -> None:
        self.upload(objects, red_finder())
        image = png(picture(64, 64, (16, 8, 48, 24)))
        assert seen(image, models.get(onnx_key(self.KEY))).annotations[0].class_name == "red"

    def test_a_changed_model_answers_at_once(self, objects: MemoryObjects, models: ModelCache[Any]) -> None:
        self.upload(objects, red_finder())
        image = png(picture(64, 64, (16, 8, 48, 24)))
        seen(image, models.get(onnx_key(self.KEY)))
        self.upload(objects, red_finder(), names=["crimson", "navy"])
        assert seen(image, models.get(onnx_key(self.KEY))).annotations[0].class_name == "crimson"
        self.upload(objects, fixed_answer(np.zeros((6, 3))))
        assert seen(image, models.get(onnx_key(self.KEY))).total_detections == 0

    def test_an_altered_model_is_not_run(self, objects: MemoryObjects, models: ModelCache[Any]) -> None:
        self.upload(objects, red_finder())
        objects.put("models/ada/best.onnx", red_finder() + b"\0")
        with pytest.raises(ModelUnavailable, match="upload both files again"):
            models.get(onnx_key(self.KEY))

    def test_a_model_that_is_not_there(self, models: ModelCache[Any]) -> None:
        with pytest.raises(NotFound, match=r"no model models/ada/best\.onnx"):
            models.get(onnx_key(self.KEY))

    @pytest.mark.parametrize("key", ["best", "models/best.engine", "models/best.onnx.json", ""])
    def test_what_can_be_no_model(self, key: str) -> None:
        with pytest.raises(InvalidInput, match=r"\.onnx file"):
            onnx_key(key)
