"""What each Rasteriser promises."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray

from quintet.adapters.svg_image import ResvgRasteriser
from quintet.glucose.ports import Rasteriser
from quintet.kernel.errors import InvalidInput

DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" font-family="{family}" font-size="20">'
    '<rect width="200" height="100" fill="white"/>{content}</svg>'
)


@pytest.fixture(params=[ResvgRasteriser])
def rasteriser(request: pytest.FixtureRequest) -> Rasteriser:
    rasteriser: Rasteriser = request.param()
    return rasteriser


def pixels(png: bytes) -> NDArray[np.uint8]:
    """(height, width, 3)."""
    images = pytest.importorskip("PIL.Image")
    with images.open(BytesIO(png), formats=["PNG"]) as image:
        return np.array(image.convert("RGB"))


def drawing(content: str, family: str = "sans-serif") -> str:
    return DRAWING.format(content=content, family=family)


def test_a_drawing_becomes_a_png_pixel_for_unit(rasteriser: Rasteriser) -> None:
    image = pixels(rasteriser.png(drawing('<path d="M20,30L120,30L120,80L20,80Z" fill="#d55e00"/>')))
    assert image.shape == (100, 200, 3)
    assert (image[30:80, 20:120] == (0xD5, 0x5E, 0x00)).all()
    image[30:80, 20:120] = 255
    assert (image == 255).all()


@pytest.mark.parametrize("family", ["sans-serif", "Open Sans, verdana, arial, sans-serif"])
@pytest.mark.parametrize("words", ["Glucose", "70 – 180", "mmol/L", "(mg/dL) Ä %"])
def test_texts_are_drawn(rasteriser: Rasteriser, words: str, family: str) -> None:
    image = pixels(rasteriser.png(drawing(f'<text x="20" y="60">{words}</text>', family)))
    ink = np.argwhere((image < 128).all(axis=2))
    assert len(ink) > 20 * len(words)
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
    assert 40 <= top < bottom <= 66
    assert 19 <= left <= 24
    assert 5 * len(words) < right - left < 14 * len(words)


def test_bolder_texts_have_more_ink(rasteriser: Rasteriser) -> None:
    regular, bold = (
        pixels(rasteriser.png(drawing(f'<text x="20" y="60" font-weight="{weight}">Glucose</text>')))
        for weight in (400, 600)
    )
    assert (bold < 128).sum() > 1.2 * (regular < 128).sum()


@pytest.mark.parametrize("drawing", ["", "no drawing", "<svg", "<html/>", "\x00"])
def test_what_is_no_drawing_is_refused(rasteriser: Rasteriser, drawing: str) -> None:
    with pytest.raises(InvalidInput):
        rasteriser.png(drawing)


def test_the_same_drawing_is_the_same_picture_from_any_thread(rasteriser: Rasteriser) -> None:
    svg = drawing('<circle cx="100" cy="50" r="40" fill="#0072b2"/><text x="20" y="60">Glucose</text>')
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(rasteriser.png, [svg] * 8)) == {rasteriser.png(svg)}
