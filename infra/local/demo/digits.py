"""A small detection dataset: real handwritten digits pasted into real photographs, with exact boxes.

Both come with scikit-learn: the optical digits of E. Alpaydin and C. Kaynak (1998), and two photographs under CC BY.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

NAMES = ("zero", "one", "two")
SIDE = 96
INK = (255, 240, 40)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """A photograph with digits in it. A label is class, x_center, y_center, width, height, relative to the image."""

    image: Pixels
    labels: list[tuple[int, float, float, float, float]]

    def png(self) -> bytes:
        file = io.BytesIO()
        Image.fromarray(self.image).save(file, "PNG")
        return file.getvalue()

    def text(self) -> str:
        return "".join(f"{one} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for one, x, y, w, h in self.labels)


def dataset(train: int, val: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """The files of a dataset in YOLO's layout, by their path."""
    random = np.random.default_rng(seed)
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
    yield "data.yaml", f"path: .\ntrain: images/train\nval: images/val\nnc: {len(NAMES)}\nnames:\n{names}".encode()
    for part, count in (("train", train), ("val", val)):
        for number in range(count):
            made = scene(random)
            yield f"images/{part}/{number:04d}.png", made.png()
            yield f"labels/{part}/{number:04d}.txt", made.text().encode()


def scene(random: np.random.Generator) -> Scene:
    """One to three digits that do not touch, on a piece of a photograph."""
    image, labels = piece(random), []
    corners = random.permutation([(0, 0), (0, 1), (1, 0), (1, 1)])[: random.integers(1, 4)]
    for row, column in corners:
        one, digit = drawn(random)
        height, width = digit.shape
        y = row * SIDE // 2 + int(random.integers(0, SIDE // 2 - height + 1))
        x = column * SIDE // 2 + int(random.integers(0, SIDE // 2 - width + 1))
        place = image[y : y + height, x : x + width]
        ink = digit[..., None] / 255
        place[:] = (place * (1 - ink) + np.array(INK) * ink).astype(np.uint8)
        labels.append((one, (x + width / 2) / SIDE, (y + height / 2) / SIDE, width / SIDE, height / SIDE))
    return Scene(image, labels)


def piece(random: np.random.Generator) -> Pixels:
    """A darkened piece of one of the photographs, SIDE pixels square."""
    photograph = PHOTOGRAPHS[int(random.integers(len(PHOTOGRAPHS)))]
    y, x = (int(random.integers(0, size - 2 * SIDE)) for size in photograph.shape[:2])
    part = photograph[y : y + 2 * SIDE : 2, x : x + 2 * SIDE : 2]
    return np.asarray(part * 0.6, np.uint8)


def drawn(random: np.random.Generator) -> tuple[int, Pixels]:
    """A digit's class and its ink (0 … 255), cut to its box and enlarged."""
    one = int(random.integers(len(NAMES)))
    choice = np.flatnonzero(DIGITS.target == one)
    raw = np.asarray(DIGITS.images[random.choice(choice)] * 255 / 16, np.uint8)
    side = int(random.integers(30, SIDE // 2))
    large = np.asarray(Image.fromarray(raw).resize((side, side), Image.Resampling.BICUBIC))
    rows, columns = np.flatnonzero(large.max(1) > 100), np.flatnonzero(large.max(0) > 100)
    return one, large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


DIGITS = load_digits()
PHOTOGRAPHS: list[Pixels] = load_sample_images().images
