"""What an owner has begun, on its own disk: an owner that dies in mid-round goes on as the very same one.

A part is written before what it leads to is sent. It holds the seed of all that is random in the part, and what the
server gave in each round; from these, and the same values, every message comes out again bit for bit. So no second
masked input with other content can ever be sent for a job, however often the owner dies: that would give the
server the difference of two vectors. Once the session has ended, only the fact that the owner was in it is kept, and
a digest of the values.

The seed opens the masks to whoever can read it, and the messages besides: the file is its owner's alone, as the
identity's is.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quintet.aggregation.secagg.terms import Round, Terms
from quintet.kernel.errors import Conflict, Misconfigured, NotFound
from quintet.sdk.private_files import PRIVATE, private_folder, read_private, write_private

MASKED: frozenset[Round] = frozenset({"mask", "confirm", "unmask"})
LONGEST_NAME = 200


class Part(BaseModel):
    """An owner's part in a job's session. `given` has, for each round begun, what the server gave beforehand; `values`
    is the digest of the owner's vector.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    written_as: Literal[1] = Field(default=1, alias="schema")
    job: str
    client: str
    terms: Terms
    values: str
    seed: str = Field(repr=False)
    given: dict[Round, Any] = {}
    ended: bool = False

    @property
    def masked(self) -> bool:
        """Whether a masked input may have left this machine."""
        return not MASKED.isdisjoint(self.given)

    def insist_on(self, values: str) -> None:
        """Raises Conflict where other values than these have been masked."""
        if self.masked and self.values != values:
            raise Conflict(f"{self.client} has begun job {self.job} with other values: go on with those")

    def with_round(self, name: Round, given: Any) -> "Part":
        return self.model_copy(update={"given": {**self.given, name: given}})

    def at_its_end(self) -> "Part":
        """Of its secrets nothing is left; that it was masked is."""
        return self.model_copy(update={"seed": "", "given": dict.fromkeys(self.given), "ended": True})


class Journal:
    """One file a job in `folder`, which only its owner may look into."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self, job: str) -> Iterator[None]:
        """No other process or thread takes part in `job` meanwhile. Raises Conflict where one does."""
        descriptor = os.open(self._file(job).with_suffix(".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Conflict(f"another process of this owner takes part in job {job}: wait for it, or end it") from None
        finally:
            os.close(descriptor)

    def read(self, job: str) -> Part | None:
        """Raises Misconfigured where the file can't be read: without it nobody knows what was sent."""
        file = self._file(job)
        try:
            return Part.model_validate_json(read_private(file))
        except NotFound:
            return None
        except ValidationError:
            raise Misconfigured(
                f"{file} is damaged, and with it what was sent for job {job}: take part in a job of another name"
            ) from None

    def write(self, part: Part) -> None:
        """Returns once it is durable."""
        write_private(self._file(part.job), part.model_dump_json(by_alias=True).encode())

    def end(self, job: str) -> None:
        """Whatever was begun for it is over; nothing happens where nothing was."""
        part = self.read(job)
        if part is not None and not part.ended:
            self.write(part.at_its_end())

    def _file(self, job: str) -> Path:
        name = quote(job, safe="")
        if len(name) > LONGEST_NAME:
            name = hashlib.sha256(job.encode()).hexdigest()
        return private_folder(self._folder) / f"{name}.part"
