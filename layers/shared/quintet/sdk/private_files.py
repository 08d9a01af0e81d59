"""Files that their owner alone may read, written whole or not at all."""

import os
from pathlib import Path

from quintet.kernel.errors import Misconfigured, NotFound

PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """`path` as a folder that only its owner may look into; made where it is not there."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    _refuse_others(path, "chmod 700")
    return path


def write_private(path: Path, content: bytes) -> None:
    """Returns once `content` is on the disk: a power cut afterwards loses nothing of it."""
    waiting = path.with_name(f"{path.name}.new")
    waiting.unlink(missing_ok=True)
    _write_through(waiting, content)
    waiting.replace(path)
    _settle(path.parent)


def create_private(path: Path, content: bytes) -> None:
    """As `write_private`, but raises FileExistsError where there is such a file already."""
    _write_through(path, content)
    _settle(path.parent)


def read_private(path: Path) -> bytes:
    """Raises NotFound, and Misconfigured where others could read it, too."""
    try:
        _refuse_others(path, "chmod 600")
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None


def _write_through(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _settle(folder: Path) -> None:
    """A file's new name is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_others(path: Path, remedy: str) -> None:
    if path.stat().st_mode & OTHERS:
        raise Misconfigured(f"others than its owner have rights to {path}: {remedy} {path}")
