"""An image in a model's input: scaled with its aspect kept, the rest grey, and the way back for boxes.

Sizes and pixels are those of the libraries that train: libreyolo's YOLOv9 puts the image into the top left corner or
the centre, as a model was trained, and rounds its size down; ultralytics centres it and rounds to the nearest. Both
interpolate linearly between the four nearest pixels, also where an image is shrunk. The way back differs from theirs
in that it uses the scale of each axis as it came out after rounding, where they divide both by the ratio before it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.errors import InvalidInput
from quintet.training.detector_ports import Floats, Padding, Pixels

GREY = 114
_ONE = 1 << 11

Boxes = NDArray[np.float64]
Positions = NDArray[np.intp]
Weights = NDArray[np.int32]


class Placement(NamedTuple):
    """An image of `height` × `width` lies in the input as `inner_height` × `inner_width`, from (`top`, `left`)."""

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int

    def placed(self, boxes: Boxes) -> Boxes:
        """Corners (n, 4) in pixels of the image -> in pixels of the input."""
        return boxes * self._scale + self._offset

    def restored(self, boxes: Boxes) -> Boxes:
        """Corners (n, 4) in pixels of the input -> in pixels of the image.

        >>> place(100, 200, (64, 64)).restored(np.array([[0.0, 0.0, 64.0, 32.0]])).tolist()
        [[0.0, 0.0, 200.0, 100.0]]
        """
        return (boxes - self._offset) / self._scale

    @property
    def _scale(self) -> Boxes:
        across, down = self.inner_width / self.width, self.inner_height / self.height
        return np.array([across, down, across, down])

    @property
    def _offset(self) -> Boxes:
        return np.array([self.left, self.top, self.left, self.top], dtype=np.float64)


def place(height: int, width: int, imgsz: tuple[int, int], padding: Padding = "topleft") -> Placement:
    """Where an image goes in an input of `imgsz` (height, width). At least one pixel of it is left each way.

    >>> place(480, 640, (640, 640))
    Placement(height=480, width=640, inner_height=480, inner_width=640, top=0, left=0)
    >>> place(480, 640, (640, 640), "center").top
    80
    """
    if height < 1 or width < 1:
        raise InvalidInput(f"An image of {width} × {height} pixels has nothing in it.")
    ratio = min(imgsz[0] / height, imgsz[1] / width)
    rounded = round if padding == "center_rounded" else int
    inner = max(rounded(height * ratio), 1), max(rounded(width * ratio), 1)
    if padding == "topleft":
        return Placement(height, width, *inner, 0, 0)
    return Placement(height, width, *inner, (imgsz[0] - inner[0]) // 2, (imgsz[1] - inner[1]) // 2)


def letterboxed(image: Pixels, imgsz: tuple[int, int], padding: Padding = "topleft") -> tuple[Floats, Placement]:
    """(h, w, 3) pixels -> (3, *imgsz) from 0 to 1, and where the image went."""
    where = place(image.shape[0], image.shape[1], imgsz, padding)
    canvas = np.full((*imgsz, 3), GREY, dtype=np.uint8)
    down, across = where.top + where.inner_height, where.left + where.inner_width
    canvas[where.top : down, where.left : across] = resized(image, where.inner_height, where.inner_width)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1), dtype=np.float32) / np.float32(255), where


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """(h, w, 3) -> (height, width, 3), linear between the four nearest pixels.

    OpenCV's fixed-point arithmetic to the bit, since a model is trained on what that makes: 11 bits of weight across,
    of which 7 are left when the lines are mixed.
    """
    if image.shape[:2] == (height, width):
        return image
    above, below, down = _neighbours(image.shape[0], height)
    before, after, across = _neighbours(image.shape[1], width)
    lines = image.reshape(len(image), -1)
    columns = _in_colours(before), _in_colours(after), np.repeat(across, 3)
    upper, lower = _along(lines[above], *columns), _along(lines[below], *columns)
    upper *= _ONE - down[:, None]
    lower *= down[:, None]
    upper >>= 16
    lower >>= 16
    return ((upper + lower + 2) >> 2).astype(np.uint8).reshape(height, width, 3)


def _along(lines: Pixels, before: Positions, after: Positions, weight: Weights) -> Weights:
    """Between two pixels of each line, in units of 1/128."""
    first, second = lines.take(before, axis=1).astype(np.int32), lines.take(after, axis=1).astype(np.int32)
    second -= first
    second *= weight
    first *= _ONE
    first += second
    first >>= 4
    return first


def _in_colours(pixels: Positions) -> Positions:
    """Positions of pixels in a line -> of their three values."""
    return (3 * pixels[:, None] + np.arange(3)).ravel()


def _neighbours(size: int, wanted: int) -> tuple[Positions, Positions, Weights]:
    """For each of `wanted` pixels the two of `size` that it lies between, and the weight of the second."""
    middles = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    before = np.floor(middles).astype(np.intp)
    weight = np.rint((middles - before) * _ONE).astype(np.int32)
    return before.clip(0, size - 1), (before + 1).clip(0, size - 1), weight
