"""Rows and objects interrupted at one of their side effects: the process dies there, or others get in between."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from quintet.aggregation.ports import Objects, Rows
from quintet.kernel.rows import Place, Write

Moment = Literal["before", "after"]


class Crash(BaseException):
    """The process is gone; nothing in it gets to catch this."""


@dataclass
class Fate:
    """Counts side effects from 1. At number `at` the process dies, or `instead` happens; then all is calm."""

    at: int = 0
    moment: Moment = "before"
    instead: Callable[[], None] | None = None
    count: int = 0
    struck: list[str] = field(default_factory=list)

    def around(self, effect: str, do: Callable[[], None]) -> None:
        self.count += 1
        now = self.count == self.at
        if now and self.moment == "before":
            self._strike(effect)
        do()
        if now and self.moment == "after":
            self._strike(effect)

    def _strike(self, effect: str) -> None:
        self.struck.append(effect)
        if self.instead is None:
            raise Crash(effect)
        self.instead()


@dataclass
class InterruptedRows:
    rows: Rows
    fate: Fate

    def write(self, *step: Write) -> None:
        names = sorted({one.place.name for one in step})
        self.fate.around(f"write {names[0]}", lambda: self.rows.write(*step))

    def read(self, place: Place) -> dict[str, Any]:
        return self.rows.read(place)

    def list(
        self, partition: str, *, prefix: str = "", after: str = "", limit: int = 1000, newest_first: bool = False
    ) -> list[tuple[str, dict[str, Any]]]:
        return self.rows.list(partition, prefix=prefix, after=after, limit=limit, newest_first=newest_first)


@dataclass
class InterruptedObjects:
    objects: Objects
    fate: Fate

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self.fate.around(f"put {key}", lambda: self.objects.put(key, body, content_type=content_type))

    def delete(self, key: str) -> None:
        self.fate.around(f"delete {key}", lambda: self.objects.delete(key))

    def get(self, key: str) -> tuple[bytes, str]:
        return self.objects.get(key)

    def part(self, key: str, start: int, length: int) -> bytes:
        return self.objects.part(key, start, length)

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        return self.objects.list(prefix, limit)
