"""Checkpoints of a job in the bucket: the latest one is what another task goes on from.

    checkpoints/<caller>/<job>/<run>/<epoch>-<attempt>.pt         what the library wrote
                                     <epoch>-<attempt>.pt.json    its epoch, size and SHA-256, written after it

A checkpoint without its description, or unlike it, is none; the one before is taken then, so two are kept.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_workers.trainer.detector import failures_told
from gpu_workers.trainer.newest import NewestWins
from quintet.kernel.errors import Conflict, NotFound, Unavailable
from quintet.kernel.files import Files, Stored
from quintet.training.jobs import Job

KEPT = 2
SETTLE_SECONDS = 55.0
"""Of the two minutes that a task has between the word and the end."""


class Described(BaseModel):
    model_config = ConfigDict(frozen=True)

    schema_version: int = Field(1, alias="schema")
    epoch: int
    size: int
    sha256: str


class Resumed(NamedTuple):
    epoch: int
    path: Path


@dataclass(frozen=True)
class Checkpoints:
    """Those of one run of a job; `attempt` is that of the task that writes."""

    files: Files
    prefix: str
    attempt: int
    log: Logger

    @classmethod
    def of(cls, job: Job, files: Files, log: Logger) -> "Checkpoints":
        prefix = f"checkpoints/{quote(job.caller, safe='')}/{quote(job.job_id, safe='')}/{job.run}/"
        return cls(files, prefix, job.attempt, log)

    def latest(self, folder: Path) -> Resumed | None:
        """The newest whole one, in `folder`."""
        for description in self._descriptions():
            if found := self._whole(description, folder):
                return found
            self.log.warning("a damaged checkpoint is left out", extra={"key": description.key})
        return None

    def keep(self, epoch: int, path: Path) -> None:
        """Store one; older ones than the last two go."""
        key = f"{self.prefix}{epoch:04d}-{self.attempt:04d}.pt"
        self.files.upload(path, key, content_type="application/octet-stream")
        description = path.with_suffix(".json")
        said = {"schema": 1, "epoch": epoch, "size": path.stat().st_size, "sha256": sha256_of(path)}
        description.write_text(json.dumps(said))
        self.files.upload(description, f"{key}.json", content_type="application/json")
        for old in self._descriptions()[KEPT:]:
            self._forget(old.key)

    def forget(self) -> None:
        """All of them: the job is done."""
        for stored in self.files.list(self.prefix):
            self.files.delete(stored.key)

    def _descriptions(self) -> list[Stored]:
        """Newest first: by epoch, then by attempt."""
        return [stored for stored in self.files.list(self.prefix) if stored.key.endswith(".pt.json")][::-1]

    def _whole(self, description: Stored, folder: Path) -> Resumed | None:
        target = folder / Path(description.key).with_suffix("").name
        try:
            said = self._read(description, target.with_suffix(".json"))
            self.files.download(self.files.find(description.key.removesuffix(".json")), target)
        except (NotFound, Conflict, ValidationError):
            return None
        same = target.stat().st_size == said.size and sha256_of(target) == said.sha256
        return Resumed(said.epoch, target) if same else None

    def _read(self, description: Stored, target: Path) -> Described:
        self.files.download(description, target)
        return Described.model_validate_json(target.read_bytes())

    def _forget(self, description: str) -> None:
        self.files.delete(description)
        self.files.delete(description.removesuffix(".json"))


class Copy(NamedTuple):
    epoch: int
    path: Path


class Keeper:
    """Stores checkpoints in the background, from copies: the library soon writes over what it wrote."""

    def __init__(self, checkpoints: Checkpoints, folder: Path, on_failure: Callable[[Exception], None]) -> None:
        self._checkpoints = checkpoints
        self._folder = folder
        self._uploads: NewestWins[Copy] = NewestWins(self._upload, self._discard, on_failure)

    def offer(self, epoch: int, path: Path) -> None:
        """Raises DiskFull."""
        copy = Copy(epoch, self._folder / f"epoch-{epoch}.pt")
        with failures_told():
            shutil.copyfile(path, copy.path)
        self._uploads.offer(copy)

    def settle(self, seconds: float = SETTLE_SECONDS) -> bool:
        return self._uploads.settle(seconds)

    def close(self) -> None:
        self._uploads.close()

    def _upload(self, copy: Copy) -> None:
        try:
            self._checkpoints.keep(*copy)
        except Unavailable as error:
            said = {"epoch": copy.epoch, "reason": error.message}
            self._checkpoints.log.warning("the checkpoint could not be stored", extra=said)
        finally:
            self._discard(copy)

    def _discard(self, copy: Copy) -> None:
        copy.path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
