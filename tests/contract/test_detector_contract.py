"""What every detector promises to the training room."""

import numpy as np
import pytest

from quintet.adapters.memory_detector import FixedDetector
from quintet.kernel.errors import InvalidInput
from quintet.training.detector_ports import Detector, Floats
from tests.training.tiny_detectors import detector as onnx_detector
from tests.training.tiny_detectors import red_finder

DETECTORS: dict[str, Detector] = {
    "fixed": FixedDetector(),
    "fixed, sees nothing": FixedDetector(candidates=()),
    "fixed, two classes": FixedDetector(candidates=((0, 0, 9, 9, 0.9, 0.1),) * 3, names=("a", "b"), imgsz=(32, 96)),
    "onnx": onnx_detector(red_finder()),
    "onnx, batch of three": onnx_detector(red_finder(batch=3)),
    "onnx, any size": onnx_detector(red_finder(batch="batch", dynamic=True), imgsz=[96, 32]),
}


@pytest.fixture(params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> Detector:
    return DETECTORS[request.param]


def images(detector: Detector, count: int) -> Floats:
    return np.random.default_rng(0).random((count, 3, *detector.imgsz), dtype=np.float32)


class TestDetector:
    def test_tells_what_it_is(self, detector: Detector) -> None:
        assert detector.names
        assert min(detector.imgsz) > 0
        assert detector.padding in {"topleft", "center", "center_rounded"}
        assert isinstance(detector.one_class_a_box, bool)

    @pytest.mark.parametrize("count", [0, 1, 2, 7])
    def test_a_batch_in_is_a_batch_out(self, detector: Detector, count: int) -> None:
        output = detector.predict(images(detector, count))
        assert output.dtype == np.float32
        assert output.shape[:2] == (count, 4 + len(detector.names))

    def test_a_batch_is_a_loop(self, detector: Detector) -> None:
        batch = images(detector, 4)
        loop = np.concatenate([detector.predict(image[None]) for image in batch])
        assert detector.predict(batch) == pytest.approx(loop, abs=1e-4)

    def test_is_deterministic(self, detector: Detector) -> None:
        batch = images(detector, 2)
        assert np.array_equal(detector.predict(batch), detector.predict(batch))

    @pytest.mark.parametrize("wrong", [(2, 0, 0), (0, 1, 0), (0, 0, 32)])
    def test_refuses_images_of_another_shape(self, detector: Detector, wrong: tuple[int, int, int]) -> None:
        shape = tuple(side + more for side, more in zip((3, *detector.imgsz), wrong, strict=True))
        with pytest.raises(InvalidInput, match="shape"):
            detector.predict(np.zeros((1, *shape), dtype=np.float32))
