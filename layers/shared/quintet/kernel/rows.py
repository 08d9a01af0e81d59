"""Rows: control state that changes in all-or-nothing steps.

A row stands in a partition, under a name that orders it there, and holds a record of JSON values. A step is a tuple of
`Create`, `Change` and `Remove`: all of them happen, or none. Adapters play `Rows`; tests/contract holds them to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol


class Place(NamedTuple):
    partition: str
    name: str


@dataclass(frozen=True)
class Create:
    """Stands in the way of the whole step where there is such a row already."""

    place: Place
    record: Mapping[str, Any]
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """Sets fields of a row that is there and whose `expect`ed fields have these values."""

    place: Place
    changes: Mapping[str, Any]
    expect: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Remove:
    """Nothing stands in its way, a row that is not there neither."""

    place: Place


Write = Create | Change | Remove

STEP_LIMIT = 100
"""Writes in a step, DynamoDB's limit of a transaction."""


def check(step: Sequence[Write]) -> None:
    """Raises ValueError for what can be no step: nothing, a row twice, or more than STEP_LIMIT writes."""
    if not 1 <= len(step) <= STEP_LIMIT:
        raise ValueError(f"a step has 1 to {STEP_LIMIT} writes")
    if len({one.place for one in step}) < len(step):
        raise ValueError("a step writes no row twice")


class Rows(Protocol):
    def write(self, *step: Write) -> None:
        """Do all of `step` or nothing.

        Raises Conflict where a Create or Change stands against what is there, Unavailable, and TooLarge for a record
        beyond the adapters' limit.
        """

    def read(self, place: Place) -> dict[str, Any]:
        """The record as of now. Raises NotFound."""
        ...

    def list(
        self, partition: str, *, prefix: str = "", after: str = "", limit: int = 1000, newest_first: bool = False
    ) -> list[tuple[str, dict[str, Any]]]:
        """(name, record) of the rows whose names begin with `prefix` and come after `after`, in the order of names."""
        ...
