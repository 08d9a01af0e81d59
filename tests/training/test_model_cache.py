"""Models are fetched once, and again when they have changed."""

from collections import Counter
from pathlib import Path

import pytest

from quintet.adapters import model_cache
from quintet.adapters.memory import MemoryObjects
from quintet.adapters.model_cache import CacheLimits, ModelCache
from quintet.kernel.errors import ModelUnavailable, NotFound

Model = tuple[str, bytes, bytes | None]


class CountedObjects(MemoryObjects):
    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def get(self, key: str) -> tuple[bytes, str]:
        self.asked[f"get {key}"] += 1
        return super().get(key)

    def size(self, key: str) -> int:
        return len(super().get(key)[0])

    def etag(self, key: str) -> str:
        self.asked[f"etag {key}"] += 1
        return str(hash(super().get(key)[0]))


def load(key: str, content: bytes, manifest: bytes | None) -> Model:
    return key, content, manifest


@pytest.fixture
def objects() -> CountedObjects:
    objects = CountedObjects()
    for name in "abcd":
        objects.put(f"{name}.onnx", name.encode() * 10)
    objects.put("a.onnx.json", b"{}")
    return objects


def cache(objects: MemoryObjects, folder: Path, **limits: float) -> ModelCache[Model]:
    return ModelCache(objects, load, folder / "models", CacheLimits(**limits))  # type: ignore[arg-type]


def test_a_model_is_fetched_and_loaded_once(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path)
    first = models.get("a.onnx")
    assert first == ("a.onnx", b"a" * 10, b"{}")
    assert models.get("a.onnx") is first
    assert objects.asked == {"get a.onnx": 1, "get a.onnx.json": 1, "etag a.onnx": 2, "etag a.onnx.json": 2}


def test_a_model_without_a_manifest(objects: CountedObjects, tmp_path: Path) -> None:
    assert cache(objects, tmp_path).get("b.onnx") == ("b.onnx", b"b" * 10, None)


@pytest.mark.parametrize("changed", ["a.onnx", "a.onnx.json"])
def test_what_changed_is_loaded_again(objects: CountedObjects, tmp_path: Path, changed: str) -> None:
    models = cache(objects, tmp_path)
    before = models.get("a.onnx")
    objects.put(changed, b"new")
    after = models.get("a.onnx")
    assert before != after
    assert b"new" in after
    assert models.get("a.onnx") is after


def test_a_manifest_that_comes_later_is_seen(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path)
    models.get("b.onnx")
    objects.put("b.onnx.json", b"later")
    assert models.get("b.onnx") == ("b.onnx", b"b" * 10, b"later")
    assert objects.asked["get b.onnx"] == 1


def test_a_model_may_be_believed_for_a_while(
    objects: CountedObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(model_cache, "stopwatch", lambda: now)
    models = cache(objects, tmp_path, believed=5)
    before = models.get("a.onnx")
    objects.put("a.onnx", b"new")
    now += 4.9
    assert models.get("a.onnx") is before
    assert objects.asked["etag a.onnx"] == 1
    now += 0.2
    assert models.get("a.onnx")[1] == b"new"


def test_a_model_that_is_gone_is_gone(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path)
    models.get("a.onnx")
    objects.delete("a.onnx")
    with pytest.raises(NotFound, match=r"no model a\.onnx"):
        models.get("a.onnx")


def test_so_many_are_kept_in_memory_and_the_others_on_disk(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path, models=2)
    first = models.get("a.onnx")
    models.get("b.onnx")
    assert models.get("a.onnx") is first
    models.get("c.onnx")
    assert models.get("a.onnx") is first
    assert models.get("b.onnx")[1] == b"b" * 10
    assert objects.asked["get b.onnx"] == 1


@pytest.mark.parametrize(("memory", "kept"), [(25, 2), (10, 1), (1, 1), (1000, 4)])
def test_so_many_bytes_are_kept_in_memory(objects: CountedObjects, tmp_path: Path, memory: int, kept: int) -> None:
    models = cache(objects, tmp_path, memory=memory)
    loaded = [models.get(f"{name}.onnx") for name in "abcd"]
    again = [models.get(f"{name}.onnx") for name in "dcba"[:kept]]
    assert all(one is other for one, other in zip(reversed(loaded), again, strict=False))


def test_so_many_bytes_are_kept_on_disk(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path, models=1, disk=25)
    for name in "abcd":
        models.get(f"{name}.onnx")
    assert sum(path.stat().st_size for path in (tmp_path / "models").iterdir()) == 20


def test_a_new_process_finds_the_files_of_the_one_before(objects: CountedObjects, tmp_path: Path) -> None:
    cache(objects, tmp_path).get("a.onnx")
    assert cache(objects, tmp_path).get("a.onnx")[1] == b"a" * 10
    assert objects.asked["get a.onnx"] == 1


def test_a_disk_that_takes_nothing_is_done_without(objects: CountedObjects, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    models = cache(objects, tmp_path, models=1)
    for name in "aba":
        assert models.get(f"{name}.onnx")[1] == name.encode() * 10
    assert objects.asked["get a.onnx"] == 2


def test_a_model_too_large_is_not_fetched(objects: CountedObjects, tmp_path: Path) -> None:
    models = cache(objects, tmp_path, model=9)
    with pytest.raises(ModelUnavailable, match="at most"):
        models.get("b.onnx")


def test_what_could_not_be_loaded_is_tried_again(objects: CountedObjects, tmp_path: Path) -> None:
    def refuse_the_old(key: str, content: bytes, manifest: bytes | None) -> Model:
        if content == b"a" * 10:
            raise ModelUnavailable("altered")
        return key, content, manifest

    models = ModelCache(objects, refuse_the_old, tmp_path)
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            models.get("a.onnx")
    objects.put("a.onnx", b"right")
    assert models.get("a.onnx")[1] == b"right"
