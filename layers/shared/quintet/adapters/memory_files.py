"""Files in memory, held to the same contract as those in S3."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from quintet.adapters.memory import MemoryObjects
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.files import Stored


@dataclass(frozen=True)
class MemoryFiles:
    objects: MemoryObjects = field(default_factory=MemoryObjects)

    def list(self, prefix: str) -> Iterator[Stored]:
        yield from (self.find(key) for key in sorted(self.objects.keys(), key=str.encode) if key.startswith(prefix))

    def find(self, key: str) -> Stored:
        try:
            return Stored(key, self.objects.size(key), self.objects.etag(key))
        except NotFound:
            raise NotFound(f"There is no {key} in the bucket.", key=key) from None

    def download(self, stored: Stored, target: Path) -> None:
        if self.find(stored.key) != stored:
            raise Conflict(f"{stored.key} was changed while it was being read.", key=stored.key)
        target.write_bytes(self.objects.get(stored.key)[0])

    def upload(self, source: Path, key: str, *, content_type: str) -> None:
        self.objects.put(key, source.read_bytes(), content_type=content_type)

    def delete(self, key: str) -> None:
        self.objects.delete(key)


@dataclass
class MemoryResultFiles:
    """Result files by their names; `content` is what they hold."""

    content: dict[str, bytes] = field(default_factory=dict)

    def address(self, name: str) -> str:
        return f"memory:/{name}"

    def create(self, name: str, content: bytes, *, content_type: str) -> bool:
        return self.content.setdefault(name, content) == content

    def replace(self, name: str, content: bytes, *, content_type: str) -> None:
        self.content[name] = content
