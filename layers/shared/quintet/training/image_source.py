"""Where the image of a request comes from: the bucket, the folder of uploads on one machine, or the request itself."""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from quintet.kernel.errors import InvalidInput, NotFound, PermissionDenied, QuintetError, TooLarge
from quintet.training.access import plain

MIB = 1024 * 1024

MayRead = Callable[[str], None]
"""Raises PermissionDenied for a key that is not the caller's."""


class Stored(Protocol):
    def size(self, key: str) -> int: ...
    def get(self, key: str) -> tuple[bytes, str]: ...


@dataclass(frozen=True)
class ImageSource:
    """`uploads` is the setting UPLOADS_DIR: the prefix of keys that relative paths are looked for under, too, and in
    `local` mode the folder that absolute paths must lead into. `limit` is in bytes.
    """

    objects: Stored
    uploads: str = "uploads"
    local: bool = False
    limit: int = 32 * MIB
    bucket: str = ""

    def read(self, path: str, may_read: MayRead) -> bytes:
        """The image file at `path`. Raises NotFound, PermissionDenied, InvalidInput, TooLarge."""
        if not path.strip() or not path.isprintable():
            raise InvalidInput("image_path must be the key of an image.")
        if path.startswith("s3://"):
            return self._from_bucket(plain(path, self.bucket), may_read)
        return self._from_disk(path) if path.startswith("/") else self._from_bucket(path, may_read)

    def _from_bucket(self, path: str, may_read: MayRead) -> bytes:
        refusals: list[QuintetError] = []
        for key in self._keys(path):
            try:
                may_read(key)
                self._check(self.objects.size(key))
                return self.objects.get(key)[0]
            except PermissionDenied as refusal:
                refusals.append(refusal)
            except NotFound:
                refusals.insert(0, NotFound(f"There is no image {path}.", key=key))
        raise refusals[0]

    def _keys(self, path: str) -> Iterator[str]:
        """As a key, and as a path in the folder of uploads."""
        plain = str(PurePosixPath(path))
        if ".." in PurePosixPath(path).parts:
            raise InvalidInput("image_path must not lead upwards (..).")
        yield plain
        prefix = self.uploads if not self.uploads.startswith("/") else PurePosixPath(self.uploads).name
        if PurePosixPath(prefix) not in PurePosixPath(plain).parents:
            yield str(PurePosixPath(prefix, plain))

    def _from_disk(self, path: str) -> bytes:
        folder, file = Path(self.uploads).resolve(), Path(path).resolve()
        if not self.local or folder not in file.parents:
            raise PermissionDenied(f"{path} names a file on a machine: upload the image and send its key.")
        try:
            self._check(file.stat().st_size)
            return file.read_bytes()
        except OSError as error:
            raise NotFound(f"There is no image {path}.") from error

    def inline(self, text: str) -> bytes:
        """The image that came with the request as base64 or as a data URL. Raises InvalidInput, TooLarge."""
        _, comma, rest = text.partition(",")
        encoded = rest if comma and text.startswith("data:") else text
        self._check(len(encoded) * 3 // 4 - 2)
        try:
            return base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput("The image is not valid base64.") from None

    def _check(self, size: int) -> None:
        if size > self.limit:
            raise TooLarge(f"An image may have at most {self.limit / MIB:.0f} MiB, this one has {size / MIB:.1f}.")
