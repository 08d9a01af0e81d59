"""Detectors in ONNX files: ours, and those that libreyolo and ultralytics export."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quintet.adapters.onnx_detector import OnnxDetector
from quintet.kernel.errors import InvalidInput, ModelUnavailable
from quintet.training.manifest import verified
from tests.training.tiny_detectors import detector, fixed_answer, libreyolo, loaded, manifest, red_finder, ultralytics

ANSWER = np.array([[10, 30], [12, 34], [20, 44], [22, 50], [0.75, 0.1], [0.1, 0.5]], dtype=np.float32)
KEY = "models/tiny.onnx"


def two_inputs() -> bytes:
    made = onnx.load_from_string(fixed_answer(ANSWER))
    made.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [1, 2]))
    content: bytes = made.SerializeToString()
    return content


def images(count: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.zeros((count, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 2, 4, "batch"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_images_whatever_the_batch_of_the_model(batch: int | str, count: int) -> None:
    made = detector(red_finder(batch=batch))
    pictures = images(count)
    for index in range(count):
        pictures[index, 0, 5, index : index + 8] = 1
    found = made.predict(pictures)
    assert found.shape == (count, 6, 1)
    assert found[:, :4, 0].tolist() == [[index, 5, index + 8, 6] for index in range(count)]


def test_no_images() -> None:
    assert detector(red_finder(batch="batch")).predict(images(0)).shape == (0, 6, 1)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 32, 64), (1, 64, 64, 3)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="shape"):
        detector(red_finder()).predict(np.zeros(shape, dtype=np.float32))


def test_the_size_is_the_files_and_else_the_manifests() -> None:
    assert detector(red_finder(size=(32, 96)), imgsz=640).imgsz == (32, 96)
    assert detector(red_finder(dynamic=True), imgsz=128).imgsz == (128, 128)
    free = detector(red_finder(dynamic=True), imgsz=[96, 160])
    assert free.imgsz == (96, 160)
    assert free.predict(images(1, 96, 160)).shape == (1, 6, 1)


def test_half_precision() -> None:
    made = detector(fixed_answer(ANSWER, half=True))
    assert made.predict(images(2)).dtype == np.float32
    assert made.predict(images(2))[1] == pytest.approx(ANSWER, rel=1e-3)


def test_ultralytics_export_tells_itself_how_it_is_read() -> None:
    centres = np.array([[15], [17], [10], [10], [0.9], [0.1]], dtype=np.float32)
    made = OnnxDetector(fixed_answer(centres, metadata=ultralytics()))
    assert (made.names, made.imgsz, made.padding, made.one_class_a_box) == (
        ("red", "blue"),
        (64, 64),
        "center_rounded",
        True,
    )
    assert made.predict(images(1))[0, :, 0] == pytest.approx([10, 12, 20, 22, 0.9, 0.1])


def test_libreyolo_export_tells_itself_how_it_is_read() -> None:
    made = OnnxDetector(fixed_answer(ANSWER, metadata=libreyolo()))
    assert (made.names, made.imgsz, made.padding, made.one_class_a_box) == (
        ("red", "blue"),
        (64, 64),
        "topleft",
        False,
    )
    assert np.array_equal(made.predict(images(1))[0], ANSWER)
    assert OnnxDetector(fixed_answer(ANSWER, metadata=libreyolo(letterbox_pad="center"))).padding == "center"


def test_the_manifest_counts_more_than_the_metadata() -> None:
    content = fixed_answer(ANSWER, metadata=ultralytics(names="{0: 'a', 1: 'b'}"))
    made = loaded(KEY, content, manifest(content))
    assert made.names == ("red", "blue")
    assert np.array_equal(made.predict(images(1))[0], ANSWER)
    assert loaded(KEY, content, manifest(content, output="cxcywh_pixels")).predict(images(1))[0, 0, 0] == 0


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "has no manifest"),
        ({"names": "{0: 'a', 1: 'b'}", "stride": "32"}, "has no manifest"),
        (ultralytics(task="segment"), "has no manifest"),
        (ultralytics(task="classify"), "has no manifest"),
        (ultralytics(end2end="True"), "export it with nms=False"),
        (libreyolo(nms="true"), "export it with nms=False"),
        (libreyolo(model_family="yolox"), "family yolox"),
        (ultralytics(names="{0: 'red', 1: 'blue', 2: 'green'}"), "does not fit 4 coordinates and 3 classes"),
        (ultralytics(names="__import__('os').abort()"), "names cannot be read"),
        (ultralytics(names="(" * 5000), "names cannot be read"),
        (ultralytics(names="["  + "1," * 100_000 + "]"), "names cannot be read"),
        (ultralytics(names="7"), "names cannot be read"),
        (ultralytics(names="{'x': 'red'}"), "names cannot be read"),
        (ultralytics(imgsz="huge"), "imgsz cannot be read"),
        (ultralytics(imgsz="[1, 2, 3]"), "imgsz cannot be read"),
        (libreyolo(imgsz_h="?"), "imgsz cannot be read"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_tell_is_refused_with_the_way_out(metadata: dict[str, str], reason: str) -> None:
    with pytest.raises(ModelUnavailable, match=reason):
        OnnxDetector(fixed_answer(ANSWER, metadata=metadata))


@pytest.mark.parametrize(
    ("content", "described", "reason"),
    [
        (b"no model at all", {}, "cannot be loaded"),
        (fixed_answer(ANSWER)[:300], {}, "cannot be loaded"),
        (fixed_answer(ANSWER), {"names": ["red"]}, "does not fit"),
        (fixed_answer(ANSWER.T), {}, "does not fit"),
        (red_finder(dynamic=True), {"imgsz": 100_000}, "not run here"),
        (red_finder(dynamic=True), {"imgsz": 0}, "not run here"),
        (red_finder(batch=100_000), {}, "not run here"),
        (two_inputs(), {}, "not just images"),
    ],
)
def test_a_file_that_is_not_as_described_is_refused(content: bytes, described: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelUnavailable, match=reason):
        detector(content, **described)


@pytest.mark.parametrize(
    "beside", [b"", b"{", b"[]", b'{"schema": 2}', manifest(b"x", imgsz="big"), manifest(b"x", names=[])]
)
def test_a_manifest_that_cannot_be_read(beside: bytes) -> None:
    with pytest.raises(ModelUnavailable, match=r"tiny\.onnx\.json cannot be read"):
        verified(KEY, b"x", beside)


def test_a_manifest_of_another_file() -> None:
    content = fixed_answer(ANSWER)
    with pytest.raises(ModelUnavailable, match=r"models/tiny.onnx is not the one .* upload both files again"):
        loaded(KEY, content, manifest(content + b" "))
