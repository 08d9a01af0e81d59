"""One number of any kind as an integer: exactly rounded, half to even."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from math import isfinite
from numbers import Integral, Rational
from typing import Any

import numpy as np

from quintet.kernel.errors import InvalidInput

WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def rounded(one: Any, place: int, decimals: int, limit: int) -> int:
    """The integer nearest to one·10^decimals. Raises InvalidInput, with the place, unless it is within the limit."""
    match one:
        case Decimal():
            word = of_decimal(one, place, decimals, limit)
        case float() | np.floating():
            word = of_ratio(ratio(one, place), decimals)
        case Integral() | np.bool_():
            word = int(one) * 10**decimals
        case Rational():
            word = of_ratio(Fraction(one), decimals)
        case _:
            raise InvalidInput(f"element {place} (from 0) is of type {type(one).__name__}, which is no number")
    if abs(word) > limit:
        raise refuse(place, decimals, limit)
    return word


def of_decimal(one: Decimal, place: int, decimals: int, limit: int) -> int:
    if not one.is_finite():
        raise infinite(place)
    try:
        return int(one.quantize(Decimal((0, (1,), -decimals)), context=WIDE).scaleb(decimals, context=WIDE))
    except InvalidOperation:
        raise refuse(place, decimals, limit) from None


def ratio(one: float | np.floating[Any], place: int) -> Fraction:
    if not isfinite(one):
        raise infinite(place)
    return Fraction(*one.as_integer_ratio())


def of_ratio(one: Fraction, decimals: int) -> int:
    return round(one * int(10**decimals))


def infinite(place: int) -> InvalidInput:
    return InvalidInput(f"element {place} (from 0) is not a finite number: leave it out or give a number for it")


def refuse(place: int, decimals: int, limit: int) -> InvalidInput:
    largest = limit // 10**decimals
    return InvalidInput(
        f"element {place} (from 0) is too large to be summed exactly: with {decimals} decimals and so many owners "
        f"it must stay within ±{largest}"
    )
