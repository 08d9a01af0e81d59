"""Images to train on, decoded once before: the library does so only when their turn comes, in an epoch."""

import struct
import zlib
from pathlib import Path

from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

PLUGINS = (BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
"""Imported here and not by Pillow when it needs them: that is not safe in threads."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
PIXELS = 64_000_000
"""The most that an image may have; a small file can hold very many."""

_BROKEN = (OSError, SyntaxError, ValueError, LookupError, EOFError, struct.error, zlib.error, OverflowError, TypeError)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def problem_of(path: Path) -> str | None:
    """What is wrong with an image, as a phrase."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS:
                return f"it has {width} × {height} pixels, more than {PIXELS / 1e6:.0f} million"
            image.draft("RGB", (width // 8, height // 8))
            image.load()
    except _BOMBS:
        return f"it has more than {PIXELS / 1e6:.0f} million pixels"
    except _BROKEN as error:
        return f"it cannot be decoded as an image ({reason(error, path)})"
    return None


def reason(error: BaseException, path: Path) -> str:
    said = str(error).replace(str(path), "it").rstrip(".")
    return "no known format" if "cannot identify" in said else said or type(error).__name__
