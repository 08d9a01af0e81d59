"""A dataset's YAML → where its images lie, each place inside the folder of the YAML.

What else such a file may say, an address or a script to download from above all, never reaches a library.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gpu_workers.trainer.detector import BadData

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Layout:
    train: Path
    val: Path
    names: tuple[str, ...]

    @classmethod
    def read(cls, dataset_yaml: Path) -> "Layout":
        """Raises BadData."""
        said, folder = parsed(dataset_yaml), dataset_yaml.resolve().parent
        root = folder / str(said.get("path") or ".")
        root = root if root.is_dir() else folder  # a `path` of the machine where the dataset was made
        return cls(images(folder, root, said, "train"), images(folder, root, said, "val"), names(said))

    def write(self, target: Path) -> Path:
        """The same dataset as a YAML of absolute places, which any of the libraries reads."""
        content = {"train": str(self.train), "val": str(self.val), "nc": len(self.names), "names": list(self.names)}
        target.write_text(yaml.safe_dump({"path": str(self.train.parent)} | content, sort_keys=False))
        return target


def parsed(dataset_yaml: Path) -> dict[str, Any]:
    try:
        said = yaml.safe_load(dataset_yaml.read_text())
    except FileNotFoundError as error:
        raise BadData(f"The dataset has no {dataset_yaml.name}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadData(f"{dataset_yaml.name} cannot be read as YAML.") from error
    if not isinstance(said, dict):
        raise BadData(f"{dataset_yaml.name} has no `train`, `val` and `names`.")
    return said


def images(folder: Path, root: Path, said: dict[str, Any], split: str) -> Path:
    """The folder of a split's images. Raises BadData."""
    place = said.get(split)
    if not isinstance(place, str):
        raise BadData(f"The dataset's `{split}` is not the name of one folder.")
    found = (root / place).resolve()
    if not found.is_relative_to(folder):
        raise BadData(f"The dataset's `{split}` leads out of the dataset.")
    if not found.is_dir() or not any(file.suffix.lower() in IMAGES for file in found.rglob("*")):
        raise BadData(f"There are no images for `{split}` in {place}.")
    return found


def names(said: dict[str, Any]) -> tuple[str, ...]:
    """Class names by number. Raises BadData."""
    given = said.get("names")
    if isinstance(given, dict) and sorted(given) == list(range(len(given))):
        given = [given[number] for number in range(len(given))]
    if not isinstance(given, list) or not given:
        raise BadData("The dataset's `names` are not a list of class names, nor numbered from 0 without a gap.")
    if said.get("nc", len(given)) != len(given):
        raise BadData(f"The dataset has {len(given)} names, but `nc` is {said['nc']}.")
    return tuple(map(str, given))
