"""Image files as they come from cameras, phones and the net, and those that are none."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from quintet.adapters.pillow_images import PillowImages
from quintet.kernel.errors import InvalidInput, TooLarge

READER = PillowImages()
PHOTO = np.add.outer(np.arange(24), 2 * np.arange(32)).astype(np.uint8)[:, :, None] + np.array([0, 60, 120], np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


PHOTO_FILES = {
    "PNG": encoded(Image.fromarray(PHOTO)),
    "BMP": encoded(Image.fromarray(PHOTO), "BMP"),
    "WEBP": encoded(Image.fromarray(PHOTO), "WEBP", lossless=True),
    "JPEG": encoded(Image.fromarray(PHOTO), "JPEG", quality=95, subsampling=0),
}


@pytest.mark.parametrize("form", PHOTO_FILES)
def test_pixels_come_out_as_they_went_in(form: str) -> None:
    pixels = READER.read(PHOTO_FILES[form])
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    assert np.abs(pixels.astype(int) - PHOTO).max() <= (6 if form == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_says(orientation: int) -> None:
    turned = {
        1: PHOTO, 2: PHOTO[:, ::-1], 3: PHOTO[::-1, ::-1], 4: PHOTO[::-1], 5: PHOTO.transpose(1, 0, 2),
        6: PHOTO[::-1].transpose(1, 0, 2), 7: PHOTO[::-1, ::-1].transpose(1, 0, 2),
        8: PHOTO[:, ::-1].transpose(1, 0, 2),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    for form in ("PNG", "WEBP"):
        options = {"lossless": True} if form == "WEBP" else {}
        assert np.array_equal(READER.read(encoded(Image.fromarray(PHOTO), form, exif=exif, **options)), turned)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(READER.read(encoded(Image.fromarray(PHOTO), exif=exif)), PHOTO)


def test_exif_that_cannot_be_read_turns_nothing() -> None:
    broken = encoded(Image.fromarray(PHOTO), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(READER.read(broken), PHOTO)


def test_grey_is_three_times_the_same() -> None:
    pixels = READER.read(encoded(Image.fromarray(PHOTO[:, :, 0])))
    assert np.array_equal(pixels, np.repeat(PHOTO[:, :, :1], 3, axis=2))


def test_black_and_white() -> None:
    pixels = READER.read(encoded(Image.new("1", (5, 4), 1)))
    assert pixels.shape == (4, 5, 3)
    assert (pixels == 255).all()


def test_alpha_is_dropped() -> None:
    alpha = np.dstack([PHOTO, np.zeros((24, 32), np.uint8)])
    assert np.array_equal(READER.read(encoded(Image.fromarray(alpha))), PHOTO)
    grey = np.dstack([PHOTO[:, :, 0], np.full((24, 32), 7, np.uint8)])
    assert np.array_equal(READER.read(encoded(Image.fromarray(grey)))[:, :, 1], PHOTO[:, :, 0])


@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128])])
def test_palettes_are_looked_up(transparency: int | bytes | None) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
    assert READER.read(encoded(image, **options)).tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_sixteen_bits_are_cut_to_eight() -> None:
    deep = np.array([[0, 255, 256, 0x7FFF, 0x8000, 0xFFFF]], dtype=np.uint16)
    assert READER.read(encoded(Image.fromarray(deep)))[0, :, 0].tolist() == [0, 0, 1, 127, 128, 255]


def test_the_four_colours_of_print_become_three() -> None:
    image = Image.fromarray(PHOTO).convert("CMYK")
    assert np.abs(READER.read(encoded(image, "JPEG", quality=95)).astype(int) - PHOTO).max() < 40


@pytest.mark.parametrize("shape", [(1, 1), (20, 8000), (8000, 20)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    assert READER.read(encoded(Image.new("RGB", shape[::-1]))).shape == (*shape, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no bytes"),
        (b"not an image at all", "begins with the bytes 6e 6f 74 20"),
        (PHOTO_FILES["JPEG"][:300], "header is damaged: Truncated"),
        (encoded(Image.new("RGB", (4, 4)), "GIF"), "no JPEG, PNG, WebP or BMP"),
        (encoded(Image.new("RGB", (4, 4)), "TIFF"), "no JPEG, PNG, WebP or BMP"),
        (b'{"image": 1}', "no JPEG, PNG, WebP or BMP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG, WebP or BMP"),
        (PHOTO_FILES["JPEG"][:-40], "JPEG image is damaged: .*truncated"),
        (PHOTO_FILES["PNG"][:-40], "PNG image is damaged"),
        (PHOTO_FILES["BMP"][:200], "BMP image is damaged: .*truncated"),
        (PHOTO_FILES["PNG"][:20], "header is damaged|begins with the bytes"),
        (PHOTO_FILES["WEBP"][:30], "damaged|no JPEG"),
    ],
)
def test_what_is_no_whole_image_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        READER.read(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(8000, 8000), (10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)]
)
def test_bombs_are_refused_before_they_are_unpacked(width: int, height: int) -> None:
    with pytest.raises((TooLarge, InvalidInput), match=r"pixels|damaged"):
        READER.read(bomb(width, height))


def test_the_limit_is_told() -> None:
    with pytest.raises(TooLarge, match=r"at most 0 megapixels, this one has 32 × 24"):
        PillowImages(pixels=700).read(PHOTO_FILES["PNG"])
    assert PillowImages(pixels=24 * 32).read(PHOTO_FILES["PNG"]).shape == (24, 32, 3)


@settings(max_examples=300)
@given(some.sampled_from(sorted(PHOTO_FILES)), some.data())
def test_damage_of_any_kind_is_refused_or_read(form: str, data: some.DataObject) -> None:
    content = bytearray(PHOTO_FILES[form])
    for _ in range(data.draw(some.integers(1, 4))):
        content[data.draw(some.integers(0, len(content) - 1))] = data.draw(some.integers(0, 255))
    cut = data.draw(some.integers(0, len(content)))
    try:
        pixels = READER.read(bytes(content[:cut]))
    except (InvalidInput, TooLarge):
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
