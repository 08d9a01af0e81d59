"""Numbers as 64-bit words, so that sums modulo 2^64 are exact.

A number x is the integer nearest to x·10^decimals (a tie goes to the even one), in two's complement. A float counts
with its exact binary value, not with the shorter decimal it is printed as. Whatever all owners together could let
overflow is refused beforehand.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.aggregation.secagg.masks import Words
from quintet.aggregation.secagg.rounding import refuse, rounded
from quintet.kernel.errors import InvalidInput

Numbers = Sequence[Any] | NDArray[Any]
"""One-dimensional: ints, floats, Decimals, Fractions, NumPy's numbers, or a mix of them."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

REACH = 2**63
EXACT_DECIMALS = 11  # 5^11 has 26 bits, and so half of a float's 53 times it is exact
LOW_BITS = np.int64(2**27 - 1)
ORDINARY = 2.0**62
WHOLE = 2.0**53
"""From here on floats have no places after the point."""


def encode(values: Numbers, *, decimals: int, owners: int) -> Words:
    """(size,) words. Raises InvalidInput, with the element's place from 0, for what is no number, is not finite, or
    where `owners` such elements together could reach 2^63.

    >>> encode([1, -0.5, 2.6e-9], decimals=9, owners=3).astype("int64").tolist()
    [1000000000, -500000000, 3]
    """
    limit = (REACH - 1) // owners
    given = numbers(values)
    if given.dtype.kind == "f" and given.dtype.itemsize <= 8 and decimals <= EXACT_DECIMALS:
        return of_floats(given.astype(np.float64), decimals, limit).view(np.uint64)
    if given.dtype.kind in "iub":
        return of_integers(given, decimals, limit).view(np.uint64)
    words = [rounded(one, place, decimals, limit) for place, one in enumerate(given)]
    return np.array(words, dtype=np.int64).view(np.uint64)


def numbers(values: Numbers) -> NDArray[Any]:
    """As an array of what the elements have in common; of objects where that would lose something."""
    given = np.asarray(values) if hasattr(values, "dtype") else listed(list(values))
    if given.ndim != 1:
        raise InvalidInput(f"the values have {given.ndim} dimensions instead of one")
    return given


def listed(values: list[Any]) -> NDArray[Any]:
    kinds = set(map(type, values))
    if kinds == {float}:
        return np.array(values, dtype=np.float64)
    if kinds <= {int, bool} and all(-REACH <= one < REACH for one in values):
        return np.array(values, dtype=np.int64)
    given = np.empty(len(values), dtype=object)
    given[:] = values
    return given


def of_integers(given: NDArray[Any], decimals: int, limit: int) -> Integers:
    scale = 10**decimals
    beyond = np.flatnonzero((given > limit // scale) | (given < -(limit // scale)))
    if len(beyond):
        raise refuse(int(beyond[0]), decimals, limit)
    return given.astype(np.int64) * np.int64(scale)


def of_floats(given: Floats, decimals: int, limit: int) -> Integers:
    """Those near the edge of what 64 bits hold, and those that are not finite, are looked at one by one."""
    with np.errstate(invalid="ignore", over="ignore"):
        product, error = scaled(given, 10.0**decimals)
        ordinary = np.abs(product) < ORDINARY
    words = nearest(np.where(ordinary, product, 0.0), np.where(ordinary, error, 0.0))
    for place in np.flatnonzero(~ordinary):
        words[place] = rounded(float(given[place]), int(place), decimals, limit)
    beyond = np.flatnonzero(np.abs(words) > limit)
    if len(beyond):
        raise refuse(int(beyond[0]), decimals, limit)
    return words


def scaled(given: Floats, scale: float) -> tuple[Floats, Floats]:
    """Two floats whose sum is exactly the product (Dekker, Numerische Mathematik 18, 1971)."""
    head = (given.view(np.int64) & ~LOW_BITS).view(np.float64)
    above, below = head * scale, (given - head) * scale
    product = above + below
    return product, below - (product - above)


def nearest(product: Floats, error: Floats) -> Integers:
    """The integer nearest to the sum of both. `error` is what the float nearest to that sum leaves of it."""
    whole = np.rint(product)
    rest = product - whole
    carry = (rest - 0.5 > -error).astype(np.int64) - (rest + 0.5 < -error)
    further = np.rint(error).astype(np.int64)
    return whole.astype(np.int64) + np.where(np.abs(product) < WHOLE, carry, further)


def decode(words: NDArray[np.uint64], decimals: int) -> list[str]:
    """Exact decimal texts, without exponent or trailing zeros.

    >>> decode(np.array([45_000_000_000_000, 12_500_000_000, 2**64 - 1], dtype=np.uint64), 9)
    ['45000', '12.5', '-0.000000001']
    """
    return [text(word, decimals) for word in words.view(np.int64).tolist()]


def text(word: int, decimals: int) -> str:
    whole, rest = divmod(abs(word), 10**decimals)
    sign = "-" if word < 0 else ""
    return f"{sign}{whole}.{rest:0{decimals}d}".rstrip("0") if rest else f"{sign}{whole}"
