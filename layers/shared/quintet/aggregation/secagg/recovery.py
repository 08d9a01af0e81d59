"""Putting owners' secrets together from shares, some of which may be wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice

from quintet.aggregation.secagg import shamir
from quintet.aggregation.secagg.terms import Terms
from quintet.kernel.errors import InvalidInput

ATTEMPTS = 1000
"""Choices of shares that are tried for one secret: one or two wrong ones among forty are always found."""


class Recovery:
    """The secrets of one session, one after the other. Who gave a share that did not fit is asked last from then on."""

    def __init__(self, terms: Terms) -> None:
        self._threshold = terms.threshold
        self._points = {client: place for place, client in enumerate(terms.clients, start=1)}
        self._suspects: set[str] = set()
        self._weights: dict[tuple[int, ...], list[int]] = {}

    def secret(self, what: str, shares: Mapping[str, bytes], fits: Callable[[bytes], bool]) -> bytes:
        """The secret that `fits`, from shares by who gave them. Raises InvalidInput, which names `what`."""
        count, need = len(shares), self._threshold
        if count < need:
            raise InvalidInput(f"{what} can't be put together: {count} shares came, {need} are needed")
        order = sorted(shares, key=lambda client: (client in self._suspects, client))
        for chosen in islice(choices(order, need), ATTEMPTS):
            found = self._combined({client: shares[client] for client in chosen})
            if found is not None and fits(found):
                self._suspect(order, chosen, shares)
                return found
            if count > need and not self._apart(chosen, shares):
                raise InvalidInput(f"{what} can't be put together: all {count} shares agree on another one")
        raise InvalidInput(f"{what} can't be put together: no {need} of the {count} shares that came fit")

    def _combined(self, chosen: Mapping[str, bytes]) -> bytes | None:
        try:
            value = shamir.interpolated(self._weigh(chosen, 0), list(chosen.values()))
        except InvalidInput:
            return None
        return None if value >> (8 * shamir.SECRET_BYTES) else value.to_bytes(shamir.SECRET_BYTES, "big")

    def _weigh(self, chosen: Iterable[str], at: int) -> list[int]:
        points = tuple(self._points[client] for client in chosen)
        if (*points, at) not in self._weights:
            self._weights[*points, at] = shamir.weights(points, at)
        return self._weights[*points, at]

    def _suspect(self, order: Sequence[str], chosen: Sequence[str], shares: Mapping[str, bytes]) -> None:
        """Where the first choice did not do, those who stand apart from the one that did."""
        if chosen != tuple(order[: self._threshold]):
            self._suspects.update(self._apart(chosen, shares))

    def _apart(self, chosen: Sequence[str], shares: Mapping[str, bytes]) -> list[str]:
        """Whose share is not on the polynomial through those of `chosen`."""
        try:
            values = [shares[client] for client in chosen]
            there = {client: self._value(chosen, client, values) for client in shares if client not in chosen}
        except InvalidInput:
            return list(chosen)
        return [client for client, value in there.items() if shares[client] != value]

    def _value(self, chosen: Sequence[str], client: str, values: Sequence[bytes]) -> bytes:
        value = shamir.interpolated(self._weigh(chosen, self._points[client]), values)
        return value.to_bytes(shamir.SHARE_BYTES, "big")


def choices(clients: Sequence[str], count: int) -> Iterator[tuple[str, ...]]:
    """Every choice of `count` of them, those first that leave out few of the first.

    >>> list(choices("abcd", 3))
    [('a', 'b', 'c'), ('b', 'c', 'd'), ('a', 'c', 'd'), ('a', 'b', 'd')]
    """
    seen: set[tuple[str, ...]] = set()
    for left_out in range(len(clients) - count + 1):
        for out in combinations(clients, left_out):
            chosen = tuple(client for client in clients if client not in out)[:count]
            if chosen not in seen:
                seen.add(chosen)
                yield chosen
