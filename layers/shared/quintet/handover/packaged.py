"""The models that come with the program: what an empty deployment answers with, at once.

They lie in a folder as `manifest.json` with its files, one model there and one in each folder within, and need no
signature: whoever could change them could change the program.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from quintet.handover.errors import ModelAltered
from quintet.handover.manifest import Manifest, check_file

PACKAGED = "1.0.0"
"""The version that is active where none was ever switched to."""

FOLDER = Path(__file__).parent / "model"


@dataclass(frozen=True)
class Packaged:
    folder: Path = FOLDER

    def manifest(self, version: str) -> Manifest | None:
        return next((manifest for manifest, _ in self._all if manifest.version == version), None)

    def of_kind(self, kind: str) -> Manifest | None:
        return next((manifest for manifest, _ in self._all if manifest.kind == kind), None)

    def manifests(self) -> list[Manifest]:
        return [manifest for manifest, _ in self._all]

    def files(self, version: str) -> dict[str, bytes]:
        """Raises ModelAltered where one is missing or altered: the program was not built whole."""
        return next(dict(_files(manifest, folder)) for manifest, folder in self._all if manifest.version == version)

    @cached_property
    def _all(self) -> list[tuple[Manifest, Path]]:
        folders = [self.folder, *sorted(path.parent for path in self.folder.glob("*/manifest.json"))]
        return [(_manifest(folder), folder) for folder in folders if (folder / "manifest.json").is_file()]


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    except ValidationError as error:
        raise ModelAltered("The packaged model's manifest can't be read: build the program again.") from error


def _files(manifest: Manifest, folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in manifest.files:
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise ModelAltered(f"The packaged model's {name} is missing: build the program again.") from error
        check_file(manifest, name, content)
        yield name, content
