"""Rows in memory, held to the same contract as those in DynamoDB."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Any

from quintet.adapters.dynamodb import as_texts, check_size, to_fields
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Change, Create, Place, Remove, Write, check

_Stored = tuple[dict[str, str], datetime | None]


class MemoryRows:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stored: dict[Place, _Stored] = {}
        self._lock = Lock()

    def write(self, *step: Write) -> None:
        check(step)
        with self._lock:
            after = dict(self._stored)
            for one in step:
                self._do(one, after)
            self._stored = after

    def read(self, place: Place) -> dict[str, Any]:
        with self._lock:
            standing = self._standing(place, self._stored)
        if standing is None:
            raise NotFound("there is no such record", place=place)
        return _values(standing[0])

    def list(
        self, partition: str, *, prefix: str = "", after: str = "", limit: int = 1000, newest_first: bool = False
    ) -> list[tuple[str, dict[str, Any]]]:
        with self._lock:
            stored = dict(self._stored)
        names = sorted(
            (place.name for place in stored if place.partition == partition), key=str.encode, reverse=newest_first
        )
        found = ((name, self._standing(Place(partition, name), stored)) for name in names)
        wanted = [
            (name, _values(standing[0]))
            for name, standing in found
            if standing and name.startswith(prefix) and name.encode() > after.encode()
        ]
        return wanted[:limit]

    def _do(self, one: Write, stored: dict[Place, _Stored]) -> None:
        standing = self._standing(one.place, stored)
        if isinstance(one, Remove):
            stored.pop(one.place, None)
        elif isinstance(one, Create):
            if standing is not None:
                raise Conflict("there is such a record already", place=one.place)
            stored[one.place] = (to_fields(one.record), one.expires_at)
        else:
            stored[one.place] = _amended(one, standing)

    def _standing(self, place: Place, stored: Mapping[Place, _Stored]) -> _Stored | None:
        found = stored.get(place)
        is_over = found is not None and found[1] is not None and found[1] <= self._clock.now()
        return None if is_over else found


def _values(fields: Mapping[str, str]) -> dict[str, Any]:
    """Decoded anew where somebody could change what others hold, too."""
    return {name: json.loads(text) if text[0] in "[{" else _scalar(text) for name, text in fields.items()}


@lru_cache(maxsize=4096)
def _scalar(text: str) -> Any:
    return json.loads(text)


def _amended(change: Change, standing: _Stored | None) -> _Stored:
    fields = standing[0] if standing else None
    if fields is None or any(fields.get(name, "null") != text for name, text in as_texts(change.expect).items()):
        raise Conflict("the record has changed meanwhile", place=change.place)
    after = {**fields, **as_texts(change.changes)}
    check_size(after)
    return after, change.expires_at or (standing[1] if standing else None)
