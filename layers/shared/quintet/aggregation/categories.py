"""Categorical columns of many owners as if they were one: a count a category.

Each owner sends `numOfNotNull`, a count for each category that the schema names, and `other` for records of none of
them.

What it reveals: how many records of the cohort are in each category. A count of 1 says that somebody is there, a
count as large as numOfNotNull that everybody is; nothing is rounded or suppressed. The original's `topValueCount` and
`numUniqueValues` tell less, but their sums over owners mean nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from math import log2

from quintet.aggregation.pooled import counted


@dataclass(frozen=True)
class Shares:
    """What is known of the records of all owners.

    `mode`, the most frequent category (of several the schema's first), is None without records and where `other`
    could hold a more frequent one; `median`, of ordered categories, the one of the lower middle record, is None where
    `other` is not empty; `unique` are the named categories that occur; `entropy` is Shannon's in bits, `other` taken
    for one category.
    """

    count: int
    counts: dict[str, int]
    other: int
    mode: str | None
    median: str | None
    unique: int
    entropy: float | None


@dataclass(frozen=True)
class Categories:
    names: tuple[str, ...]
    ordered: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return ("numOfNotNull", *self.names, "other")

    def elements(self, values: Iterable[str]) -> list[Decimal]:
        """An owner's part of its vector.

        >>> [int(count) for count in Categories(("a", "b")).elements(["b", "c", "b"])]
        [3, 0, 2, 1]
        """
        found = Counter(values)
        named = [found[name] for name in self.names]
        return [Decimal(count) for count in (found.total(), *named, found.total() - sum(named))]

    def statistics(self, sums: Sequence[Decimal]) -> Shares:
        """Of the owners' elements added up, as many as `fields`. Raises ValueError where they contradict each other."""
        count, *counts, other = counted(sums)
        if sum(counts) + other != count:
            raise ValueError(f"numOfNotNull is {count}, but categories and other hold {sum(counts) + other}")
        return Shares(
            count,
            dict(zip(self.names, counts, strict=True)),
            other,
            mode=self.names[counts.index(max(counts))] if max(counts) >= max(other, 1) else None,
            median=self._median(counts) if self.ordered and count and not other else None,
            unique=sum(map(bool, counts)),
            entropy=_entropy([*counts, other]),
        )

    def _median(self, counts: Sequence[int]) -> str:
        middle = (sum(counts) - 1) // 2
        return next(name for name, reached in zip(self.names, accumulate(counts), strict=True) if middle < reached)


def _entropy(counts: Sequence[int]) -> float | None:
    """In bits; None of nothing.

    >>> _entropy([2, 1, 1]), _entropy([7, 0])
    (1.5, 0.0)
    """
    if not sum(counts):
        return None
    shares = [count / sum(counts) for count in counts if count]
    return sum(-share * log2(share) for share in shares) + 0.0
