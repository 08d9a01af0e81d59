"""Where an image may come from, and whose it must be."""

import base64
from pathlib import Path

import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.kernel.errors import InvalidInput, NotFound, PermissionDenied, TooLarge
from quintet.training.image_source import ImageSource


def ada(key: str) -> None:
    if not key.startswith(("ada/", "uploads/ada/")):
        raise PermissionDenied("not yours")


@pytest.fixture
def objects() -> MemoryObjects:
    objects = MemoryObjects()
    for key in ("ada/cat.png", "uploads/ada/dog.png", "bob/cat.png", "uploads/bob/dog.png"):
        objects.put(key, key.encode())
    return objects


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("ada/cat.png", "ada/cat.png"),
        ("./ada//cat.png", "ada/cat.png"),
        ("uploads/ada/dog.png", "uploads/ada/dog.png"),
        ("ada/dog.png", "uploads/ada/dog.png"),
    ],
)
def test_keys_and_relative_paths(objects: MemoryObjects, path: str, key: str) -> None:
    assert ImageSource(objects).read(path, ada) == key.encode()


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("bob/cat.png", PermissionDenied),
        ("uploads/bob/dog.png", PermissionDenied),
        ("bob/dog.png", PermissionDenied),
        ("ada/none.png", NotFound),
        ("uploads/ada/none.png", NotFound),
        ("uploads/ada/../bob/dog.png", InvalidInput),
        ("..", InvalidInput),
        ("", InvalidInput),
        (" ", InvalidInput),
        ("ada/\0.png", InvalidInput),
        ("ada/cat.png\n", InvalidInput),
        ("/etc/passwd", PermissionDenied),
    ],
)
def test_what_is_not_there_or_not_the_callers(objects: MemoryObjects, path: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        ImageSource(objects).read(path, ada)


def test_another_folder_of_uploads_is_another_prefix(objects: MemoryObjects) -> None:
    objects.put("incoming/ada/cow.png", b"cow")
    for setting in ("incoming", "incoming/", "/srv/incoming"):
        source = ImageSource(objects, uploads=setting)
        assert source.read("ada/cow.png", lambda _key: None) == b"cow"


def test_a_large_image_is_not_fetched(objects: MemoryObjects) -> None:
    with pytest.raises(TooLarge, match="at most"):
        ImageSource(objects, limit=5).read("ada/cat.png", ada)


def test_absolute_paths_only_in_local_mode_and_only_into_the_folder(objects: MemoryObjects, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "cat.png").write_bytes(b"cat")
    (tmp_path / "secret").write_bytes(b"secret")
    (uploads / "way-out").symlink_to(tmp_path / "secret")
    source = ImageSource(objects, uploads=str(uploads), local=True)
    assert source.read(str(uploads / "cat.png"), ada) == b"cat"
    for path in (tmp_path / "secret", uploads / "way-out", uploads / "../secret", uploads):
        with pytest.raises(PermissionDenied, match="upload the image"):
            source.read(str(path), ada)
    with pytest.raises(NotFound):
        source.read(str(uploads / "none.png"), ada)
    with pytest.raises(TooLarge):
        ImageSource(objects, uploads=str(uploads), local=True, limit=2).read(str(uploads / "cat.png"), ada)
    with pytest.raises(PermissionDenied):
        ImageSource(objects, uploads=str(uploads)).read(str(uploads / "cat.png"), ada)


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_inline_images(objects: MemoryObjects, head: str) -> None:
    content = bytes(range(256))
    text = base64.b64encode(content).decode()
    source = ImageSource(objects, limit=256)
    assert source.inline(head + text) == content
    assert source.inline(head + text[:100] + "\n" + text[100:]) == content


@pytest.mark.parametrize("text", ["%%%%", "abc", "äöü=", "data:image/png;base64,?"])
def test_what_is_no_base64(objects: MemoryObjects, text: str) -> None:
    with pytest.raises(InvalidInput, match="base64"):
        ImageSource(objects).inline(text)


def test_a_large_inline_image(objects: MemoryObjects) -> None:
    with pytest.raises(TooLarge):
        ImageSource(objects, limit=99).inline(base64.b64encode(bytes(110)).decode())
