"""Result files in a folder or under a prefix of a bucket: whole or not at all, and none in the place of another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import Misconfigured, Unavailable
from quintet.kernel.ids import new_id

S3 = "s3://"
_PART_NAME = "object storage"
_TAKEN = {"PreconditionFailed", "412"}
_AT_ONCE = "ConditionalRequestConflict"


def result_files(place: str) -> "FolderFiles | S3PrefixFiles":
    """Those of `place`: a folder, or s3://bucket/prefix. Raises Misconfigured."""
    if not place.startswith(S3):
        return FolderFiles(Path(place))
    bucket, _, prefix = place.removeprefix(S3).partition("/")
    if not bucket:
        raise Misconfigured(f"{place} names no bucket: write s3://bucket/prefix")
    return S3PrefixFiles(bucket, prefix.strip("/"))


@dataclass(frozen=True)
class FolderFiles:
    """The folder is made where it is not there."""

    folder: Path

    def address(self, name: str) -> str:
        return str(self.folder / name)

    def create(self, name: str, content: bytes, *, content_type: str) -> bool:
        target = self.folder / name
        with self._part(content) as part:
            try:
                os.link(part, target)
            except FileExistsError:
                return target.read_bytes() == content
            except OSError:  # a file system that knows no links
                return _moved(part, target, content)
        return True

    def replace(self, name: str, content: bytes, *, content_type: str) -> None:
        with self._part(content) as part:
            part.replace(self.folder / name)

    @contextmanager
    def _part(self, content: bytes) -> Iterator[Path]:
        """The content under a name that nobody looks for, and durable."""
        part = self.folder / f".{new_id()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield part
        except OSError as error:
            raise Unavailable(f"{self.folder} can't be written to: {error.strerror}", reason=str(error)) from error
        finally:
            with suppress(OSError):
                part.unlink()


@dataclass(frozen=True)
class S3PrefixFiles:
    bucket: str
    prefix: str

    def address(self, name: str) -> str:
        return f"{S3}{self.bucket}/{self._key(name)}"

    def create(self, name: str, content: bytes, *, content_type: str) -> bool:
        s3 = client("s3")
        try:
            with translated(_PART_NAME):
                s3.put_object(
                    Bucket=self.bucket, Key=self._key(name), Body=content, ContentType=content_type, IfNoneMatch="*"
                )
        except s3.exceptions.ClientError as error:
            return self._stands(name, content, error)
        return True

    def replace(self, name: str, content: bytes, *, content_type: str) -> None:
        with translated(_PART_NAME):
            client("s3").put_object(Bucket=self.bucket, Key=self._key(name), Body=content, ContentType=content_type)

    def _stands(self, name: str, content: bytes, error: Exception) -> bool:
        """Whether the content stands already, after S3 refused to store it where something does."""
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code == _AT_ONCE:
            raise Unavailable("another file of this name is being stored just now", name=name) from error
        if code not in _TAKEN:
            raise error
        with translated(_PART_NAME):
            there = client("s3").get_object(Bucket=self.bucket, Key=self._key(name))
            return bool(there["Body"].read() == content)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _moved(part: Path, target: Path, content: bytes) -> bool:
    if target.exists():
        return target.read_bytes() == content
    part.rename(target)
    return True
