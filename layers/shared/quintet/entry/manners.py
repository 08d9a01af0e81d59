"""What a room's HTTP door does otherwise than the house's doors do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.security.base import SecurityBase

from quintet.entry.answers import HOUSE_FORM, ErrorForm
from quintet.entry.identity import API_KEY

Part = dict[str, Any]


@dataclass(frozen=True)
class Admission:
    """Asked of every request before anything else of it is looked at, but for the `free` paths.

    `admit` may wait, and raises what refuses; `answers` are what it raises, in the words of an OpenAPI document.
    """

    admit: Callable[[Request], None]
    free: frozenset[str] = frozenset()
    answers: Part = field(default_factory=dict)


@dataclass(frozen=True)
class Manners:
    """`deferred` are the paths whose requests may become jobs; None: all. `describe` adds to the OpenAPI document, when
    it is asked for, what would take too long to say at each start.
    """

    errors: ErrorForm = HOUSE_FORM
    credentials: SecurityBase = API_KEY
    admission: Admission | None = None
    deferred: frozenset[str] | None = None
    describe: Callable[[Part], None] | None = None


HOUSE_MANNERS = Manners()
