"""Images read by Pillow: JPEG, PNG, WebP and BMP, as upright RGB pixels."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_BROKEN = (OSError, SyntaxError, ValueError, LookupError, EOFError, struct.error, zlib.error, OverflowError, TypeError)
_ORIENTATION = 0x0112
_UNKNOWN = "This is no JPEG, PNG, WebP or BMP image"


@dataclass(frozen=True)
class PillowImages:
    """Alpha is dropped and 16 bits are cut to 8, as those who train read images. `pixels` is the most of an image."""

    pixels: int = 40_000_000

    def read(self, content: bytes) -> NDArray[np.uint8]:
        """(height, width, 3). Raises InvalidInput that says what is wrong, TooLarge."""
        with _quietly(), _opened(content) as image:
            self._check(*image.size)
            try:
                image.load()
                return np.ascontiguousarray(_rgb(_upright(image)))
            except _BROKEN as error:
                raise InvalidInput(f"The {image.format} image is damaged: {_reason(error)}.") from error

    def _check(self, width: int, height: int) -> None:
        if width * height > self.pixels:
            raise TooLarge(
                f"An image may have at most {self.pixels / 1e6:.0f} megapixels, "
                f"this one has {width} × {height} = {width * height / 1e6:.0f}."
            )


@contextmanager
def _quietly() -> Iterator[None]:
    """Damaged EXIF and the like, which Pillow warns of and passes over, are no matter; too many pixels are."""
    from PIL.Image import DecompressionBombWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", DecompressionBombWarning)
        yield


@contextmanager
def _opened(content: bytes) -> "Iterator[Image]":
    from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

    assert all((BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin))
    if not content:
        raise InvalidInput("The image is empty: it has no bytes.")
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"The image has too many pixels: {_reason(error)}.") from error
    except UnidentifiedImageError:
        raise InvalidInput(f"{_UNKNOWN}; it begins with the bytes {content[:8].hex(' ')}.") from None
    except _BROKEN as error:
        raise InvalidInput(f"{_UNKNOWN}, or its header is damaged: {_reason(error)}.") from error
    with image:
        yield image


def _upright(image: "Image") -> "Image":
    """The image turned as its EXIF orientation says; where EXIF can't be read, as it is."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _BROKEN:
        return image
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(image: "Image") -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        grey = (np.asarray(image).astype(np.int64).clip(0, 0xFFFF) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
