"""A dataset's `data.yaml` → its splits and its classes.

path: .                      left out, or a folder of the machine where the dataset was made
train: images/train          also `train/images`, `../train/images`, or a list of one
val: images/val              left out: a part of `train` is set aside
nc: 3                        may be left out
names: [a, b, c]             or {0: a, 1: b, 2: c}
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from quintet.kernel.errors import InvalidInput

NAME = "data.yaml"
LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Description:
    """`train` and `val` are as written there."""

    names: tuple[str, ...]
    train: str
    val: str | None
    path: str

    @classmethod
    def parse(cls, content: bytes, key: str) -> "Description":
        """Raises InvalidInput that says what is wrong with the file at `key`."""
        said = parsed(content, key)
        train = place(said, "train", key)
        if train is None:
            raise InvalidInput(f"{key}: `train` is missing, the folder of the training images.")
        path = said.get("path")
        return cls(names(said, key), train, place(said, "val", key), path if isinstance(path, str) else "")


def parsed(content: bytes, key: str) -> dict[str, Any]:
    if len(content) > LIMIT:
        raise InvalidInput(f"{key} has {len(content)} bytes; a dataset's description has at most {LIMIT}.")
    try:
        said = yaml.safe_load(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput(f"{key} cannot be read as YAML: {first_line(error)}.") from error
    if not isinstance(said, dict):
        raise InvalidInput(f"{key} has no `train` and `names`.")
    return said


def place(said: dict[str, Any], split: str, key: str) -> str | None:
    """The folder of a split, as it is written."""
    given = said.get(split)
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if given in (None, ""):
        return None
    if not isinstance(given, str):
        raise InvalidInput(f"{key}: `{split}` is not the name of one folder.")
    return given


def names(said: dict[str, Any], key: str) -> tuple[str, ...]:
    """Class names by number."""
    given = said.get("names")
    if isinstance(given, dict):
        given = listed(given, key)
    if not isinstance(given, list) or not given or not all(isinstance(name, str | int | float) for name in given):
        raise InvalidInput(f"{key}: `names` is not a list of class names.")
    number = said.get("nc", len(given))
    if not isinstance(number, int):  # nested aliases would be written out without end
        raise InvalidInput(f"{key}: `nc` is not a number of classes.")
    if number != len(given):
        raise InvalidInput(f"{key}: there are {len(given)} names, but `nc` is {number}.")
    return tuple(map(str, given))


def listed(given: dict[Any, Any], key: str) -> list[Any]:
    numbers = [int(number) if isinstance(number, str) and number.isdigit() else number for number in given]
    numbered = dict(zip(numbers, given.values(), strict=True))
    if set(numbered) != set(range(len(given))):
        raise InvalidInput(f"{key}: `names` are not numbered from 0 without a gap.")
    return [numbered[number] for number in range(len(given))]


def candidates(split: str, given: str, path: str) -> list[str]:
    """Folders below the dataset's own where the images of `split` may lie, the likeliest first.

    >>> candidates("val", "../valid/images", "")[:2]
    ['valid/images', 'images/val']
    """
    written = [within(f"{path}/{given}"), within(given)]
    usual = [f"images/{split}", f"{split}/images"]
    return list(dict.fromkeys(folder for folder in [*written, *usual] if folder))


def within(folder: str) -> str:
    """`folder` without what leads out of the dataset's own."""
    return "/".join(part for part in PurePosixPath(folder).parts if part not in ("..", "/"))


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".:,")
