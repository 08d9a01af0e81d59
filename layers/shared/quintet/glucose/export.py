"""An export as somebody sent it, read no more often than is needed."""

import base64
import binascii
import hashlib
import threading
from dataclasses import dataclass, field
from functools import cached_property

from quintet.glucose.lru import Lru
from quintet.glucose.readers import read
from quintet.glucose.unified import UnifiedTrace
from quintet.kernel.errors import InvalidInput

REMEMBERED = 4096


@dataclass(frozen=True)
class Handles:
    """The handles of exports that were read here before, by the SHA-256 of their bytes. Nothing else is remembered."""

    _known: Lru[bytes, str] = field(default_factory=lambda: Lru(REMEMBERED))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, digest: bytes) -> str | None:
        with self._lock:
            return self._known.get(digest)

    def keep(self, digest: bytes, handle: str) -> None:
        with self._lock:
            self._known.put(digest, handle)


class Export:
    """`trace` and `handle` raise InvalidInput where the bytes are no export."""

    def __init__(self, content: bytes, handles: Handles) -> None:
        self._content = content
        self._handles = handles

    @cached_property
    def trace(self) -> UnifiedTrace:
        return read(self._content)

    @cached_property
    def handle(self) -> str:
        """The SHA-256 of the unified CSV, in hexadecimal."""
        digest = hashlib.sha256(self._content).digest()
        handle = self._handles.find(digest)
        if handle is None:
            handle = hashlib.sha256(self.trace.to_csv().encode()).hexdigest()
            self._handles.keep(digest, handle)
        return handle


def decode(csv_base64: str) -> bytes:
    """The bytes behind base64, which many tools break into lines. Raises InvalidInput."""
    try:
        return base64.b64decode("".join(csv_base64.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("csv_base64 is not base64: encode the file's bytes, as `base64 -w0 FILE` does") from None
