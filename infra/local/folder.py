"""The folder of one local cloud: what lasts (endpoints), what a running cloud needs (run/), and its lock."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from infra.local.progress import Progress


@dataclass(frozen=True)
class Folder:
    path: Path

    @property
    def key(self) -> str:
        """Eight letters that tell this cloud from others on the machine."""
        return sha256(str(self.path.resolve()).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def records(self) -> Path:
        return self.run / "processes"

    @property
    def endpoints(self) -> Path:
        return self.path / "endpoints.json"

    @contextmanager
    def lock(self, progress: Progress) -> Iterator[None]:
        """One command at a time changes a cloud; the kernel frees the lock of one that was killed."""
        with exclusive(self.path / "lock", progress):
            yield

    def clear(self) -> None:
        """Forget the running cloud; environments and builds stay."""
        shutil.rmtree(self.run, ignore_errors=True)
        self.endpoints.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"Waiting for another command that works in {path.parent}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_json(path: Path, value: object) -> None:
    """Whole or not at all, for the owner's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.half")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(json.dumps(value, indent=2) + "\n")
    half.replace(path)


def read_json(path: Path) -> Any:
    """The value, or None where there is none that can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
