"""The model files of a caller: which there are, and what is known of each from the manifest of its ONNX file."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from quintet.kernel.errors import InvalidInput, NotFound, PermissionDenied
from quintet.training.access import Access, plain
from quintet.training.formats import PRECISIONS, formats

if TYPE_CHECKING:
    from quintet.training.manifest import DetectorManifest

MIB = 1024 * 1024
SUFFIXES = frozenset({".pt", ".onnx"})
LOOKED_AT = 5000
"""Objects of a folder that are looked at."""


class Shelf(Protocol):
    def get(self, key: str) -> tuple[bytes, str]: ...
    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]: ...


class ModelFile(NamedTuple):
    key: str
    size: int
    modified: datetime

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.key)

    @property
    def sibling(self) -> str:
        """The ONNX file of the same model."""
        return str(self.path.with_suffix(".onnx"))


@dataclass(frozen=True)
class Catalog:
    objects: Shelf
    access: Access
    models_dir: str
    tensorrt: bool

    def models(self, caller: str, *, limit: int) -> list[dict[str, Any]]:
        """The caller's model files, newest first."""
        there = {one.key: one for folder in self.folders(caller) for one in self._files(folder)}
        models = [one for one in there.values() if one.path.suffix in SUFFIXES and self.may_use(caller, one.key)]
        newest = sorted(models, key=lambda one: (one.modified, one.key), reverse=True)[:limit]
        return [self._line(one, there) for one in newest]

    def info(self, caller: str, name: str) -> dict[str, Any]:
        """What is known of a model. Raises NotFound, InvalidInput, PermissionDenied."""
        keys = list(self._meant(caller, name))
        for key in keys:
            around = {one.key: one for one in self._files(f"{PurePosixPath(key).with_suffix('')}.")}
            if key in around:
                return self._described(around[key], around)
        raise NotFound(f"Model not found: {name}")

    def folders(self, caller: str) -> list[str]:
        """Where the caller's models may lie; none within another."""
        granted = [f"{folder.strip('/')}/" for folder in self.access.grants.get(caller, ())]
        mine = [folder for folder in granted if folder.startswith(("models/", f"{self._home}/"))]
        wanted = {f"models/{caller}/", *mine}
        return sorted(one for one in wanted if not any(one != other and one.startswith(other) for other in wanted))

    def may_use(self, caller: str, key: str) -> bool:
        try:
            return self.access.key(caller, key) == key
        except (PermissionDenied, InvalidInput):
            return False

    @property
    def _home(self) -> str:
        return self.models_dir.strip("/")

    def _files(self, prefix: str) -> list[ModelFile]:
        return [ModelFile(*one) for one in self.objects.list(prefix, LOOKED_AT)]

    def _meant(self, caller: str, name: str) -> Iterable[str]:
        """The keys that `name` may stand for: itself, or a file in the caller's folder or that of all models."""
        given = plain(name, self.access.bucket)
        refusal: PermissionDenied | None = None
        homes = [f"models/{caller}/{given}", *([f"{self._home}/{given}"] if "/" not in given else [])]
        try:
            homes.insert(0, self.access.key(caller, given))
        except PermissionDenied as error:
            refusal = error
        for key in homes:
            yield key if PurePosixPath(key).suffix in SUFFIXES else f"{key}.pt"
        if refusal and "/" in given:
            raise refusal

    def _line(self, file: ModelFile, there: Mapping[str, ModelFile]) -> dict[str, Any]:
        manifest = self._manifest(file, there)
        return {
            "name": file.path.name,
            "path": file.key,
            "size_mb": file.size / MIB,
            "size_bytes": file.size,
            "modified": file.modified,
            "onnx_path": file.sibling if file.sibling in there else None,
            "manifest": summary(manifest) if manifest else None,
        }

    def _described(self, file: ModelFile, around: Mapping[str, ModelFile]) -> dict[str, Any]:
        manifest = self._manifest(file, around)
        side = max(manifest.height_and_width) if manifest else 640
        offered = formats(tensorrt=self.tensorrt)
        return {
            "name": file.path.name,
            "size_bytes": file.size,
            "modified": file.modified,
            "onnx_path": file.sibling if file.sibling in around else None,
            "model_path": file.key,
            "model_size_mb": file.size / MIB,
            "classes": len(manifest.names) if manifest else None,
            "class_names": list(manifest.names) if manifest else [],
            "imgsz": manifest.imgsz if manifest else None,
            "metrics": manifest.metrics if manifest else {},
            "manifest": manifest.model_dump(mode="json", by_alias=True) if manifest else None,
            "supported_formats": offered["supported_formats"] if file.path.suffix == ".pt" else [],
            "supported_precisions": list(PRECISIONS),
            "recommended_settings": recommended(side),
        }

    def _manifest(self, file: ModelFile, there: Mapping[str, ModelFile]) -> "DetectorManifest | None":
        """That of the file or of its ONNX sibling; None where there is none that can be read."""
        from pydantic import ValidationError

        from quintet.training.manifest import DetectorManifest, manifest_key

        key = manifest_key(file.sibling)
        if key not in there:
            return None
        with suppress(ValidationError, NotFound):
            return DetectorManifest.model_validate_json(self.objects.get(key)[0])
        return None


def summary(manifest: "DetectorManifest") -> dict[str, Any]:
    return {
        "model": manifest.model,
        "family": manifest.family,
        "classes": len(manifest.names),
        "imgsz": manifest.imgsz,
        "metrics": manifest.metrics,
        "trained_at": manifest.trained_at,
    }


def recommended(side: int) -> dict[str, Any]:
    return {
        "onnx": {"imgsz": side, "batch_size": 1, "dynamic": False, "simplify": True, "opset": 17},
        "tensorrt": {"imgsz": side, "batch_size": 1, "precision": "fp16", "workspace": 4},
    }
