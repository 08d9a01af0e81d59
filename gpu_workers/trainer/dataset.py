"""A dataset in the bucket → a checked copy of it in a folder.

    <prefix>/data.yaml  <prefix>/images/train/….jpg  <prefix>/labels/train/….txt        or train/images, train/labels

Images are numbered in the order of their keys, so that no key can lead out of the folder. An image without labels is
one without objects. What is named in no split is left alone, the test images among it. Without `val`, every tenth
training image, by a hash of its key, is set aside for it.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

from gpu_workers.trainer import data_yaml, labels, pictures
from gpu_workers.trainer.data_yaml import Description
from gpu_workers.trainer.detector import DiskFull, failures_told
from gpu_workers.trainer.reins import Reins
from quintet.kernel.errors import InvalidInput, NotFound
from quintet.kernel.files import Files, Stored

AT_ONCE = 8
TOLD = 5
"""Problems that are told of; then the search ends."""

RESERVE = 256 * 1024 * 1024
"""Bytes of disk that a training needs besides its dataset."""


class Item(NamedTuple):
    image: Stored
    label: Stored | None

    @property
    def size(self) -> int:
        return self.image.size + (self.label.size if self.label else 0)


@dataclass(frozen=True)
class Dataset:
    """What lies in the bucket. `set_aside` says that `val` was taken from the training images."""

    prefix: str
    names: tuple[str, ...]
    train: tuple[Item, ...]
    val: tuple[Item, ...]
    set_aside: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in (*self.train, *self.val))

    def told(self) -> dict[str, object]:
        """For the configuration that is told of."""
        unlabelled = sum(item.label is None for item in self.train)
        aside = {"val_set_aside": "a tenth of the training images"} if self.set_aside else {}
        sizes = {"train_images": len(self.train), "val_images": len(self.val), "unlabelled_images": unlabelled}
        return {"s3_prefix": self.prefix, "classes": list(self.names), **sizes, "bytes": self.size, **aside}


def survey(files: Files, prefix: str) -> Dataset:
    """Raises InvalidInput for what can't be trained on, as far as the keys and `data.yaml` tell."""
    prefix = f"{prefix.rstrip('/')}/"
    stored = {one.key.removeprefix(prefix): one for one in files.list(prefix)}
    if not stored:
        raise InvalidInput(f"There is nothing in the bucket under {prefix}.")
    described = description(files, stored, prefix)
    train = split(stored, "train", described.train, described, prefix)
    if described.val is None:
        return Dataset(prefix, described.names, *set_aside(train, prefix), set_aside=True)
    val = split(stored, "val", described.val, described, prefix)
    return Dataset(prefix, described.names, train, val, set_aside=False)


def description(files: Files, stored: Mapping[str, Stored], prefix: str) -> Description:
    key = f"{prefix}{data_yaml.NAME}"
    if data_yaml.NAME not in stored:
        elsewhere = next((name for name in stored if name.endswith(f"/{data_yaml.NAME}")), None)
        hint = f" There is one in {prefix}{PurePosixPath(elsewhere).parent}/: name that folder." if elsewhere else ""
        raise InvalidInput(f"There is no {key}, which names the folders of the images and the classes.{hint}")
    if stored[data_yaml.NAME].size > data_yaml.LIMIT:
        raise InvalidInput(f"{key} is no description of a dataset: it has {stored[data_yaml.NAME].size} bytes.")
    with TemporaryDirectory() as folder:
        target = Path(folder) / data_yaml.NAME
        files.download(stored[data_yaml.NAME], target)
        return Description.parse(target.read_bytes(), key)


def split(stored: Mapping[str, Stored], name: str, given: str, described: Description, prefix: str) -> tuple[Item, ...]:
    """Images and labels of a split, from the first folder that has some. Raises InvalidInput."""
    for folder in data_yaml.candidates(name, given, described.path):
        images = [one for one in stored if one.startswith(f"{folder}/") and is_image(one)]
        if images:
            return tuple(Item(stored[image], stored.get(label_of(image))) for image in images)
    kinds = ", ".join(sorted(pictures.SUFFIXES))
    hint = " Leave `val` out to have a tenth of the training images set aside." if name == "val" else ""
    raise InvalidInput(f"{prefix}{data_yaml.NAME}: there are no images ({kinds}) in `{name}`, {given}.{hint}")


def is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in pictures.SUFFIXES


def label_of(image: str) -> str:
    """
    >>> label_of("images/train/a.jpg"), label_of("train/images/a.jpg"), label_of("train/a.jpg")
    ('labels/train/a.txt', 'train/labels/a.txt', 'train/a.txt')
    """
    *folders, name = image.split("/")
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        folders[last] = "labels"
    return "/".join([*folders, f"{PurePosixPath(name).stem}.txt"])


def set_aside(train: tuple[Item, ...], prefix: str) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Training and validation images: a tenth, at least one, the same ones whenever the keys are the same."""
    if len(train) < 2:
        raise InvalidInput(f"{prefix}: one image is too few to train on and to validate with.")
    drawn = sorted(train, key=lambda item: hashlib.sha256(item.image.key.encode()).digest())
    chosen = set(drawn[: max(1, len(train) // 10)])
    return tuple(item for item in train if item not in chosen), tuple(item for item in train if item in chosen)


def fetch(dataset: Dataset, files: Files, folder: Path, reins: Reins) -> Path:
    """Copy it to `folder`, check every label and image, and give the place of the copy's `data.yaml`.

    Raises InvalidInput that names file and line, DiskFull, Unavailable, and Stopped.
    """
    check_room(dataset, folder)
    with failures_told():
        problems = list(islice(_fetched(dataset, files, folder, reins), TOLD))
        if problems:
            more = "; there may be more" if len(problems) == TOLD else ""
            raise InvalidInput(f"{'; '.join(problems)}{more}.")
        return described(dataset, folder)


def check_room(dataset: Dataset, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if dataset.size + RESERVE > free:
        raise DiskFull(
            f"No space left on device: the dataset has {gigabytes(dataset.size)} and the disk of the task "
            f"{gigabytes(free)}, of which {gigabytes(RESERVE)} are for the training itself."
        )


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def described(dataset: Dataset, folder: Path) -> Path:
    target = folder / data_yaml.NAME
    content = {"path": ".", "train": "images/train", "val": "images/val", "nc": len(dataset.names),
               "names": list(dataset.names)}  # fmt: skip
    target.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return target


class Copy(NamedTuple):
    """Where an item goes."""

    item: Item
    image: Path
    label: Path


def _fetched(dataset: Dataset, files: Files, folder: Path, reins: Reins) -> Iterator[str]:
    """What is wrong, in the order of the dataset; each item is copied and looked at, a few at a time."""
    copies = [*_copies(dataset.train, folder, "train"), *_copies(dataset.val, folder, "val")]
    look = partial(_copied, files=files, classes=len(dataset.names), reins=reins)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dataset") as threads:
        try:
            for problems in threads.map(look, copies):
                yield from problems
        finally:
            threads.shutdown(cancel_futures=True)


def _copies(items: Iterable[Item], folder: Path, split: str) -> list[Copy]:
    images, texts = folder / "images" / split, folder / "labels" / split
    for place in (images, texts):
        place.mkdir(parents=True)
    return [
        Copy(item, images / f"{number:07d}{PurePosixPath(item.image.key).suffix.lower()}", texts / f"{number:07d}.txt")
        for number, item in enumerate(items)
    ]


def _copied(copy: Copy, *, files: Files, classes: int, reins: Reins) -> list[str]:
    reins.check()
    return [*_label_copied(copy, files, classes), *_image_copied(copy, files)]


def _label_copied(copy: Copy, files: Files, classes: int) -> list[str]:
    label = copy.item.label
    if label is None:
        copy.label.touch()
        return []
    if label.size > labels.LIMIT:
        return [f"{label.key}: it has {label.size} bytes, more than {labels.LIMIT}"]
    files.download(label, copy.label)
    found = labels.problems(copy.label.read_bytes(), classes)
    return [f"{label.key}, {problem}" for problem in islice(found, TOLD)]


def _image_copied(copy: Copy, files: Files) -> list[str]:
    try:
        files.download(copy.item.image, copy.image)
    except NotFound:
        return [f"{copy.item.image.key}: it was deleted meanwhile"]
    problem = pictures.problem_of(copy.image)
    return [f"{copy.item.image.key}: {problem}"] if problem else []
