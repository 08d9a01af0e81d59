"""Something happens at one step of the room: whoever makes it is killed, or somebody else acts first.

A step is a call of a port that has effects. What is killed says nothing; what was to be done comes again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.aggregation.job_room import JobRoom

Happening = Callable[[], None]
When = str
WHEN: tuple[When, ...] = ("before", "after")


class Killed(Exception):
    """Not an error of the house: nobody catches it."""


def killed() -> None:
    raise Killed


class Steps:
    """Counts the steps of a room while `watched`; `at` the given ones, before or after, something happens once."""

    def __init__(self, room: JobRoom, at: dict[tuple[int, When], Happening]) -> None:
        self.room, self.at = room, dict(at)
        self.count = 0
        self.names: list[str] = []

    @property
    def places(self) -> list[tuple[Any, str]]:
        room = self.room
        return [
            (room.stored, "write"),
            (room.memory, "record"),
            (room.memory, "write"),
            (room.objects, "put"),
            (room.nudges, "send"),
            (room.deliveries, "send"),
            (room.driver.aggregator, "start"),
            (room.driver.aggregator, "outcome"),
        ]

    @contextmanager
    def watched(self) -> Iterator[None]:
        for place, name in self.places:
            setattr(place, name, self._step(f"{type(place).__name__}.{name}", getattr(place, name)))
        try:
            yield
        finally:
            for place, name in self.places:
                delattr(place, name)

    def _step(self, named: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            self.count += 1
            number = self.count
            self.names.append(named)
            self.at.pop((number, "before"), lambda: None)()
            done = original(*args, **more)
            self.at.pop((number, "after"), lambda: None)()
            return done

        return step
