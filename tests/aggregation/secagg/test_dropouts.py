"""Every owner drops out before any of the five rounds, or never: all 6^n patterns, for up to six owners."""

from collections import Counter
from copy import copy
from decimal import Decimal
from functools import cache
from itertools import product

import pytest

from quintet.aggregation.secagg.fixed_point import decode
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, MaskedInput, Shares, Unmasking
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.server import survivors_sum, unmasked
from quintet.kernel.errors import InvalidInput, PermissionDenied
from tests.aggregation.secagg.cohort import Cohort, drawn, easy

Left = tuple[str, ...]
NEVER = 5


class Tree:
    """What was said when only those of `left` were still there, round by round; each branch is walked once."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.advertisements = {name: cohort.owner(name).advertise() for name in cohort.clients}
        self.at = cache(self._at)
        self.shares = cache(self._shares)
        self.masked = cache(self._masked)
        self.confirmation = cache(self._confirmation)
        self.unmasking = cache(self._unmasking)
        self.refused = cache(self._refused)
        self.sum = cache(self._sum)

    def told(self, first: Left) -> list[Advertisement]:
        return [self.advertisements[name] for name in first]

    def boxes(self, name: str, first: Left, second: Left) -> dict[str, bytes]:
        return {other: self.shares(other, first).boxes[name] for other in second if other != name}

    def _at(self, name: str, *left: Left) -> Owner:
        """An owner that has gone through the rounds that these lists close; not to be used but by `forked`."""
        if not left:
            owner = self.cohort.owner(name)
            owner.advertise()
            return owner
        owner = forked(self.at(name, *left[:-1]))
        match left:
            case (first,):
                owner.share(self.told(first))
            case (first, second):
                owner.mask(self.boxes(name, first, second))
            case (_, _, third):
                owner.confirm(third)
        return owner

    def going_on(self, name: str, *left: Left) -> Owner:
        return forked(self.at(name, *left))

    def _shares(self, name: str, first: Left) -> Shares:
        return self.going_on(name).share(self.told(first))

    def _masked(self, name: str, first: Left, second: Left) -> MaskedInput:
        return self.going_on(name, first).mask(self.boxes(name, first, second))

    def _confirmation(self, name: str, first: Left, second: Left, third: Left) -> Confirmation:
        return self.going_on(name, first, second).confirm(third)

    def _unmasking(self, name: str, first: Left, second: Left, third: Left, fourth: Left) -> Unmasking:
        told = [self.confirmation(other, first, second, third) for other in fourth]
        return self.going_on(name, first, second, third).unmask(told)

    def outcome(self, *left: Left) -> str:
        """The sum as text, or in which round those who were still there refused to go on."""
        for place in range(NEVER - 1):
            if self.refused(*left[: place + 1]):
                return f"refused {place}"
        return self.sum(*left)

    def _refused(self, *left: Left) -> bool:
        """Whether too few are left; then each of them was asked to go on, and did not."""
        there = left[-1]
        if len(there) >= self.cohort.terms.threshold:
            return False
        step = (self.shares, self.masked, self.confirmation, self.unmasking)[len(left) - 1]
        for name in there:
            with pytest.raises(PermissionDenied, match="are needed"):
                step(name, *left)
        return True

    def _sum(self, *left: Left) -> str:
        first, second, third, _, fifth = left
        masked = [self.masked(name, first, second).words for name in third]
        total = survivors_sum(masked, self.cohort.size)
        commitments = {name: self.shares(name, first).commitment for name in second}
        advertised = {name: self.advertisements[name] for name in first}
        unmaskings = [self.unmasking(name, *left[:4]) for name in fifth]
        if len(fifth) < self.cohort.terms.threshold:
            with pytest.raises(
                InvalidInput, match=r"^the seed of [a-d] can't be put together: \d shares came, \d are needed$"
            ):
                unmasked(self.cohort.terms, advertised, commitments, third, total, unmaskings)
            return "refused 4"
        words = unmasked(self.cohort.terms, advertised, commitments, third, total, unmaskings)
        return " ".join(decode(words, self.cohort.terms.decimals))


def forked(owner: Owner) -> Owner:
    """The same owner a second time, to try another course of events: what no real one may ever do."""
    other, part, secrets = copy(owner), copy(owner._part), copy(owner._part._secrets)
    other._part, other._said = part, dict(owner._said)
    part._secrets, part._words, part._random = secrets, part._words.copy(), drawn(f"shares of {owner.client}")
    secrets.seed, secrets.held = bytearray(secrets.seed), dict(secrets.held)
    return other


def lists(pattern: tuple[int, ...], clients: Left) -> tuple[Left, ...]:
    """Who is still there after each of the five rounds."""
    return tuple(
        tuple(name for name, last in zip(clients, pattern, strict=True) if last > place) for place in range(NEVER)
    )


def expected(cohort: Cohort, left: tuple[Left, ...]) -> str:
    for place, there in enumerate(left):
        if len(there) < cohort.terms.threshold:
            return f"refused {place}"
    columns = zip(*(cohort.values[name] for name in left[2]), strict=True)
    return " ".join(plain(sum((Decimal(float(one)) for one in column), Decimal(0))) for column in columns)


def plain(number: Decimal) -> str:
    text = format(number.quantize(Decimal("1e-9")), "f").rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@pytest.mark.parametrize(
    ("count", "threshold"), [(2, 2), (3, 2), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4), (6, 4), (6, 5), (6, 6)]
)
def test_every_pattern_ends_with_the_survivors_exact_sum_or_refused(count: int, threshold: int) -> None:
    cohort = Cohort(count, threshold, size=1, policy=easy(1), minimum=1)
    tree, seen = Tree(cohort), Counter[str]()
    for pattern in product(range(NEVER + 1), repeat=count):
        left = lists(pattern, cohort.clients)
        outcome = tree.outcome(*left)
        assert outcome == expected(cohort, left), pattern
        seen[outcome.split()[0]] += 1
    assert seen.total() == 6**count
    assert seen["refused"] == 6**count - above(count, threshold)


def above(count: int, threshold: int) -> int:
    """Patterns in which so many stay to the end: whoever does not has five moments to go."""
    ways, chosen = 0, 1
    for gone in range(count - threshold + 1):
        ways += chosen * 5**gone
        chosen = chosen * (count - gone) // (gone + 1)
    return ways
