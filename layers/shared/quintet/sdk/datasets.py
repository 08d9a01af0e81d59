"""The vectors that an owner's agent holds for jobs to come: on the owner's disk, and nowhere else."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from quintet.aggregation.secagg.fixed_point import encode
from quintet.aggregation.secagg.terms import DECIMALS
from quintet.kernel.errors import InvalidInput, NotFound
from quintet.sdk.private_files import private_folder, read_private, write_private

KINDS = ("int", "float")
MOST_DECIMALS = 1100
"""As many as the smallest float has, written out; a number of a billion of them is as short to send as any."""


@dataclass(frozen=True)
class Datasets:
    """One file a job in `folder`, which only its owner may look into."""

    folder: Path

    def write(self, job: str, vector: Sequence[Decimal]) -> None:
        write_private(self._file(job), as_json(vector))

    def read(self, job: str) -> list[Decimal] | None:
        try:
            return numbers(parsed(read_private(self._file(job))))
        except NotFound:
            return None

    def forget(self, job: str) -> None:
        self._file(job).unlink(missing_ok=True)

    def _file(self, job: str) -> Path:
        return private_folder(self.folder) / f"{hashlib.sha256(job.encode()).hexdigest()}.json"


def parsed(body: bytes) -> Any:
    """JSON, decimals exactly as they are written. Raises InvalidInput."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON") from None


def vector_sent(body: Any) -> list[Decimal]:
    """Of {"type": "int"|"float", "data": […]}; both kinds keep their decimals. Raises InvalidInput."""
    if not isinstance(body, dict):
        raise InvalidInput('the body must be an object like {"type": "float", "data": [1, 2.5]}')
    if body.get("type") not in KINDS:
        raise InvalidInput('type: must be "int" or "float"')
    if not isinstance(body.get("data"), list) or not body["data"]:
        raise InvalidInput("data: must be a list of numbers, one at least")
    return numbers(body["data"])


def numbers(data: Sequence[Any]) -> list[Decimal]:
    """Raises InvalidInput, which names the place from 0, for what can't be summed."""
    found = [_number(value, place) for place, value in enumerate(data)]
    encode(found, decimals=DECIMALS, owners=1)
    return found


def as_json(vector: Sequence[Decimal]) -> bytes:
    """A list of JSON's numbers, with all their decimals.

    >>> as_json([Decimal(1), Decimal("2.50"), Decimal("1E+3")])
    b'[1, 2.50, 1000]'
    """
    return f"[{', '.join(f'{value:f}' for value in vector)}]".encode()


def _number(value: Any, place: int) -> Decimal:
    """A text of a number counts, too, as it did in the original."""
    try:
        number = Decimal(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None:
        raise InvalidInput(f"data: element {place} is no number")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
        raise InvalidInput(f"data: element {place} has more than {MOST_DECIMALS} decimals")
    return number
