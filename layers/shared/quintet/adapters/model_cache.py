"""Models of the bucket in the memory of this process, read again when they have changed."""

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, Protocol, TypeVar

from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import ModelUnavailable, NotFound

MIB = 1024 * 1024
M = TypeVar("M")
Load = Callable[[str, bytes, bytes | None], M]
"""A model of its key, its file and, where there is one, the manifest beside it."""


class Stored(Protocol):
    def etag(self, key: str) -> str: ...
    def size(self, key: str) -> int: ...
    def get(self, key: str) -> tuple[bytes, str]: ...


@dataclass(frozen=True)
class CacheLimits:
    """`believed` is how many seconds a model counts as unchanged without a look; 0: each time is looked."""

    models: int = 4
    memory: int = 256 * MIB
    disk: int = 384 * MIB
    model: int = 192 * MIB
    believed: float = 0


class Version(NamedTuple):
    """ETags; that of the manifest is empty where there is none."""

    model: str
    manifest: str


@dataclass
class Kept(Generic[M]):
    model: M
    version: Version
    size: int
    looked: float


class ModelFiles:
    """Model files in a folder of this machine, the least recently used ones gone when they exceed `limit` bytes.

    What can't be written or read is no error: it is fetched again.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def get(self, key: str, etag: str) -> bytes | None:
        path = self._path(key, etag)
        try:
            content = path.read_bytes()
            path.touch()
        except OSError:
            return None
        return content

    def put(self, key: str, etag: str, content: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            if len(content) <= self._limit:
                self._write(self._path(key, etag), content)
        except OSError:
            return

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all: another process of this machine may look at any moment."""
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
            try:
                part.write(content)
                part.close()
                Path(part.name).replace(path)
            finally:
                Path(part.name).unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        taken = sum(path.stat().st_size for path in files) + wanted
        for path in files:
            if taken <= self._limit:
                return
            taken -= path.stat().st_size
            path.unlink()

    def _path(self, key: str, etag: str) -> Path:
        return self._folder / hashlib.sha256(f"{key}\0{etag}".encode()).hexdigest()


class ModelCache(Generic[M]):
    """`load` makes a model of its files. In memory the least recently used ones go, beyond `limits`."""

    def __init__(self, objects: Stored, load: Load[M], folder: Path, limits: CacheLimits | None = None) -> None:
        self._objects = objects
        self._load = load
        self._limits = limits or CacheLimits()
        self._files = ModelFiles(folder, self._limits.disk)
        self._kept: OrderedDict[str, Kept[M]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> M:
        """The model at `key` as it is now, its manifest at `key`.json. Raises NotFound, ModelUnavailable, and what
        `load` raises.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or not self._fresh(kept):
                kept = self._current(key, kept)
                self._kept[key] = kept
            self._kept.move_to_end(key)
            self._shrink()
            return kept.model

    def _fresh(self, kept: Kept[M]) -> bool:
        return stopwatch() - kept.looked < self._limits.believed

    def _current(self, key: str, kept: Kept[M] | None) -> Kept[M]:
        version = self._version(key)
        if kept and kept.version == version:
            return Kept(kept.model, version, kept.size, stopwatch())
        self._kept.pop(key, None)
        content = self._files.get(key, version.model) or self._fetched(key, version.model)
        manifest = self._objects.get(f"{key}.json")[0] if version.manifest else None
        return Kept(self._load(key, content, manifest), version, len(content), stopwatch())

    def _version(self, key: str) -> Version:
        try:
            etag = self._objects.etag(key)
        except NotFound:
            self._kept.pop(key, None)
            raise NotFound(f"There is no model {key}.", key=key) from None
        return Version(etag, self._etag_of_manifest(f"{key}.json"))

    def _etag_of_manifest(self, key: str) -> str:
        try:
            return self._objects.etag(key)
        except NotFound:
            return ""

    def _fetched(self, key: str, etag: str) -> bytes:
        size, limit = self._objects.size(key), self._limits.model
        if size > limit:
            raise ModelUnavailable(f"The model {key} has {size / MIB:.0f} MiB; at most {limit / MIB:.0f} are run here.")
        content, _ = self._objects.get(key)
        self._files.put(key, etag, content)
        return content

    def _shrink(self) -> None:
        """The one used last always stays."""
        while len(self._kept) > 1 and self._too_many():
            self._kept.popitem(last=False)

    def _too_many(self) -> bool:
        taken = sum(kept.size for kept in self._kept.values())
        return len(self._kept) > self._limits.models or taken > self._limits.memory
