"""The order in which computations are taken: the more urgent first, and the newest first among equals."""

from typing import Any

from quintet.glucose.computation import Computation, Stage
from quintet.glucose.ports import Priority


class WaitingLine:
    """Computations with different keys. It knows no lock: its owner has one.

    >>> line = WaitingLine()
    >>> for name in ("older", "newer"):
    ...     line.put(Computation(name, lambda cancellation: None, Priority.BACKGROUND))
    >>> line.put(Computation("urgent", lambda cancellation: None, Priority.INTERACTIVE))
    >>> [line.take().key for _ in range(len(line))]
    ['urgent', 'newer', 'older']
    """

    def __init__(self) -> None:
        self._ranks: dict[Priority, dict[str, Computation[Any]]] = {priority: {} for priority in sorted(Priority)}

    def __len__(self) -> int:
        return sum(map(len, self._ranks.values()))

    def count(self, priority: Priority) -> int:
        return len(self._ranks[priority])

    def put(self, computation: Computation[Any]) -> None:
        """Join as the newest of its priority."""
        computation.stage = Stage.QUEUED
        self._ranks[computation.priority][computation.key] = computation

    def remove(self, computation: Computation[Any]) -> None:
        del self._ranks[computation.priority][computation.key]

    def move(self, computation: Computation[Any], priority: Priority) -> None:
        self.remove(computation)
        computation.priority = priority
        self.put(computation)

    def take(self) -> Computation[Any] | None:
        """The next; None where nobody stands here."""
        for rank in self._ranks.values():
            if rank:
                return rank.popitem()[1]
        return None

    def most_dispensable(self) -> Computation[Any] | None:
        """The oldest of the least urgent that nobody waits for."""
        ranks = reversed(self._ranks.values())
        return next((one for rank in ranks for one in rank.values() if not one.waiters), None)

    def clear(self) -> None:
        for rank in self._ranks.values():
            rank.clear()
