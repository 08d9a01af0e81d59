"""Files in bulk storage, each by its key, and a folder of this machine: whole or not at all, in both directions.

Adapters play `Files`; tests/contract holds them to it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    """`size` in bytes; `etag` is another text whenever the content is another one."""

    key: str
    size: int
    etag: str


class Files(Protocol):
    def list(self, prefix: str) -> Iterator[Stored]:
        """Those whose keys begin with `prefix`, in the order of keys. Raises Unavailable."""
        ...

    def find(self, key: str) -> Stored:
        """Raises NotFound."""
        ...

    def download(self, stored: Stored, target: Path) -> None:
        """Write exactly what was stored to `target`, or nothing.

        Raises NotFound, Conflict where it was changed since `stored` was seen, and Unavailable.
        """

    def upload(self, source: Path, key: str, *, content_type: str) -> None:
        """Returns once it is stored. Raises Unavailable."""

    def delete(self, key: str) -> None:
        """Nothing happens where it is not there."""
