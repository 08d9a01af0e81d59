"""What the cache keeps of a trace, and what says whether it still holds."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from quintet.glucose.analysis import Analysis
from quintet.glucose.errors import MalformedData
from quintet.kernel.ids import new_id

SCHEMA = 1


class Place(NamedTuple):
    """Whose trace, and which."""

    owner: str
    handle: str


class Mark(NamedTuple):
    """What all servers know of a place; whatever they hold is served only where its version stands here.

    `epoch` is another one after each erasure, so that a computation from before is known for one. Without a version
    nothing is known of the place, or, where it was `erased`, nothing may be believed of it.
    """

    epoch: str
    version: str = "-"
    minutes: int = 0
    erased: bool = False

    @property
    def stands(self) -> bool:
        return self.version != "-"

    def to_bytes(self) -> bytes:
        return f"{self.epoch} {self.version} {self.minutes} {self.erased:d}".encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Mark":
        """What can't be read stands for an erasure.

        >>> Mark.from_bytes(Mark("ab", "cd", 540).to_bytes())
        Mark(epoch='ab', version='cd', minutes=540, erased=False)
        """
        try:
            epoch, version, minutes, erased = content.decode().split()
            return cls(epoch, version, int(minutes), bool(int(erased)))
        except ValueError:
            return cls("unreadable", erased=True)


def first_mark() -> Mark:
    return Mark(new_id())


def erasure() -> Mark:
    return Mark(new_id(), erased=True)


@dataclass(frozen=True, eq=False)
class Entry:
    """An analysis, the version that it was stored as, and its end."""

    analysis: Analysis
    version: str
    expires_at: datetime

    @property
    def minutes(self) -> int:
        return self.analysis.minutes

    def to_bytes(self) -> bytes:
        body = self.analysis.to_bytes()
        header = {
            "schema": SCHEMA, "version": self.version, "expires_at": self.expires_at.isoformat(), "sha256": _sum(body),
        }  # fmt: skip
        return json.dumps(header).encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, content: bytes) -> "Entry":
        """Raises MalformedData for what is damaged, or of another schema."""
        head, _, body = content.partition(b"\n")
        try:
            header = json.loads(head)
            sound = header["schema"] == SCHEMA and header["sha256"] == _sum(body)
            version, expires_at = str(header["version"]), datetime.fromisoformat(header["expires_at"])
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise MalformedData("These bytes are no entry of this version.")
        return cls(Analysis.from_bytes(body), version, expires_at)


def _sum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
