"""The way of an image into a model's input, and of boxes back."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from quintet.kernel.errors import InvalidInput
from quintet.training.detector_ports import Padding
from quintet.training.letterbox import GREY, letterboxed, place, resized

PADDINGS = some.sampled_from(["topleft", "center", "center_rounded"])
SIDES = some.integers(1, 5000)
SIZES = some.tuples(some.integers(1, 40).map(lambda n: 32 * n), some.integers(1, 40).map(lambda n: 32 * n))


@given(SIDES, SIDES, SIZES, PADDINGS, arrays(np.float64, (3, 4), elements=some.floats(-10, 5000)))
def test_boxes_come_back_as_they_went(
    height: int, width: int, size: tuple[int, int], padding: Padding, boxes: np.ndarray
) -> None:
    where = place(height, width, size, padding)
    assert where.restored(where.placed(boxes)) == pytest.approx(boxes, rel=1e-9, abs=1e-6)
    assert where.placed(where.restored(boxes)) == pytest.approx(boxes, rel=1e-9, abs=1e-6)


@given(SIDES, SIDES, SIZES, PADDINGS)
def test_the_image_fills_one_axis_and_keeps_its_aspect(
    height: int, width: int, size: tuple[int, int], padding: Padding
) -> None:
    where = place(height, width, size, padding)
    ratio = min(size[0] / height, size[1] / width)
    assert 0 <= where.top <= where.top + where.inner_height <= size[0]
    assert 0 <= where.left <= where.left + where.inner_width <= size[1]
    assert abs(where.inner_height - height * ratio) < 1
    assert abs(where.inner_width - width * ratio) < 1
    whole = where.placed(np.array([[0, 0, width, height]], dtype=float))[0]
    assert whole == pytest.approx(
        [where.left, where.top, where.left + where.inner_width, where.top + where.inner_height]
    )


@pytest.mark.parametrize(
    ("height", "width", "size", "padding", "inner", "corner"),
    [
        (480, 640, (320, 320), "topleft", (240, 320), (0, 0)),
        (480, 640, (320, 320), "center", (240, 320), (40, 0)),
        (375, 500, (640, 640), "center", (480, 640), (80, 0)),
        (427, 500, (640, 640), "center", (546, 640), (47, 0)),
        (427, 500, (640, 640), "center_rounded", (547, 640), (46, 0)),
        (333, 500, (640, 640), "topleft", (426, 640), (0, 0)),
        (100, 100, (320, 640), "topleft", (320, 320), (0, 0)),
        (100, 100, (320, 640), "center", (320, 320), (0, 160)),
        (1, 1, (640, 640), "topleft", (640, 640), (0, 0)),
        (8000, 20, (640, 640), "topleft", (640, 1), (0, 0)),
        (20, 8000, (640, 640), "center", (1, 640), (319, 0)),
    ],
)
def test_known_places(
    height: int, width: int, size: tuple[int, int], padding: Padding, inner: tuple[int, int], corner: tuple[int, int]
) -> None:
    where = place(height, width, size, padding)
    assert (where.inner_height, where.inner_width) == inner
    assert (where.top, where.left) == corner


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(InvalidInput):
        place(0, 5, (64, 64))


@pytest.mark.parametrize("padding", ["topleft", "center"])
@pytest.mark.parametrize("shape", [(1, 1), (20, 8000), (8000, 20), (64, 64), (37, 53), (2000, 3001)])
def test_what_is_not_the_image_is_grey(shape: tuple[int, int], padding: Padding) -> None:
    pixels, where = letterboxed(np.zeros((*shape, 3), dtype=np.uint8), (64, 96), padding)
    assert pixels.shape == (3, 64, 96)
    assert pixels.dtype == np.float32
    assert pixels.flags["C_CONTIGUOUS"]
    inside = pixels[:, where.top : where.top + where.inner_height, where.left : where.left + where.inner_width]
    assert (inside == 0).all()
    assert (pixels == np.float32(GREY / 255)).sum() == pixels.size - inside.size


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels, _ = letterboxed(image, (64, 64))
    assert np.array_equal((pixels * 255).round().astype(np.uint8).transpose(1, 2, 0), image)


def by_hand(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Linear between the four nearest pixels, one pixel at a time."""
    rows, columns = image.shape[:2]
    answer = np.empty((height, width, 3))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(v), int(u)
            down, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = image[top, left] * (1 - u + left) + image[top, right] * (u - left)
            lower = image[down, left] * (1 - u + left) + image[down, right] * (u - left)
            answer[y, x] = upper * (1 - v + top) + lower * (v - top)
    return answer


@settings(max_examples=50)
@given(some.data(), some.integers(1, 30), some.integers(1, 30), some.integers(1, 30), some.integers(1, 30))
def test_pixels_are_those_of_the_formula(
    data: some.DataObject, rows: int, columns: int, height: int, width: int
) -> None:
    image = data.draw(arrays(np.uint8, (rows, columns, 3)))
    assert np.abs(resized(image, height, width) - by_hand(image, height, width)).max() < 1.2


@given(some.integers(0, 255), SIDES.filter(lambda side: side < 500), SIDES.filter(lambda side: side < 500))
def test_one_colour_stays_one_colour(value: int, height: int, width: int) -> None:
    assert (resized(np.full((7, 9, 3), value, dtype=np.uint8), height, width) == value).all()


@pytest.mark.parametrize(
    ("size", "digest"),
    [
        ((20, 29), "df7f5b0923209e1b"),
        ((74, 106), "0ef9039be12284e3"),
        ((18, 26), "2d712a4e4d4b5a68"),
        ((64, 3), "eed28438eccbab81"),
        ((1, 640), "001800447154cd42"),
    ],
)
def test_pixels_are_opencvs_to_the_bit(size: tuple[int, int], digest: str) -> None:
    """The digests are of what OpenCV 5.0.0 makes of the same image with INTER_LINEAR."""
    image = np.random.default_rng(7).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    assert hashlib.sha256(resized(image, *size).tobytes()).hexdigest()[:16] == digest
