"""A mapping of limited size."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Beyond `size`, what was used least recently goes. Threads need a lock of their own around it.

    >>> two = Lru[str, int](2)
    >>> [two.put(key, value) for key, value in [("a", 1), ("b", 2)]], two.get("a")
    ([[], []], 1)
    >>> two.put("c", 3), two.get("b"), two.evictions
    (['b'], None, 1)
    """

    def __init__(self, size: int) -> None:
        self.evictions = 0
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: K) -> bool:
        return key in self._kept

    def keys(self) -> list[K]:
        return list(self._kept)

    def get(self, key: K) -> V | None:
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> list[K]:
        """The keys that had to go."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        gone = []
        while len(self._kept) > self._size:
            gone.append(self._kept.popitem(last=False)[0])
        self.evictions += len(gone)
        return gone

    def drop(self, key: K) -> bool:
        """Whether it was there."""
        return self._kept.pop(key, None) is not None

    def clear(self) -> None:
        self._kept.clear()
