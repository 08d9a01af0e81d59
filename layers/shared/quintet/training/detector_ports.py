"""What finding objects in images needs from the world."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Padding = Literal["topleft", "center", "center_rounded"]
"""Where an image lies in an input of another shape; its size is rounded down in the first two."""


class ImageReader(Protocol):
    """Turns the bytes of an image file into pixels."""

    def read(self, content: bytes) -> Pixels:
        """(height, width, 3), RGB, upright. Raises InvalidInput that says what is wrong, TooLarge."""
        ...


class Detector(Protocol):
    """A trained model, and how its library prepares images for it and reads what it says."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of their ids."""
        ...

    @property
    def imgsz(self) -> tuple[int, int]:
        """Height and width of its input, in pixels."""
        ...

    @property
    def padding(self) -> Padding:
        """Where an image lies in an input of another shape."""
        ...

    @property
    def one_class_a_box(self) -> bool:
        """Whether a box counts for its likeliest class alone, or for every class above the threshold."""
        ...

    def predict(self, batch: Floats) -> Floats:
        """(b, 3, height, width) RGB from 0 to 1 -> (b, 4 + classes, n): a column is one candidate, its corners
        x1, y1, x2, y2 in pixels of the input, then one score a class. Raises InvalidInput, ModelUnavailable.
        """
        ...


class Models(Protocol):
    """The detectors in the bucket."""

    def get(self, key: str) -> Detector:
        """The model at `key` as it is now; of a `.pt` file, its ONNX sibling.

        Raises NotFound, InvalidInput for a key that can be no model's, and ModelUnavailable for a file that is not
        what its manifest says or can't be told how to read.
        """
        ...
