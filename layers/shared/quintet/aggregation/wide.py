"""Numbers too large for one element of a vector: two elements whose sums over the owners can be put together again.

An element has nine decimals in a word of 64 bits, so that with n owners it holds less than 2^63 / (n · 10^9) in
absolute value. A wide number is `hi` · 2^23 + `lo`, hi whole, lo in [0, 2^23) with nine decimals. Adding the owners'
his and los apart and joining the sums gives the sum of their numbers exactly, without carries in between; los of up
to 1,000 owners fit.

What it reveals: beside the sum of the numbers that of the los, whose excess over the sum's own lo says how many
carries were left undone. That is a whole number from 0 to n − 1 for the cohort as a whole, about the numbers' lower
digits.
"""

from decimal import Context, Decimal
from fractions import Fraction

DECIMALS = 9
"""Of an element."""

UNIT = 10**DECIMALS
BASE = 2**23

DIGITS = 60
"""Of decimal arithmetic at the owner's: enough that it is exact."""

_LONG = Context(prec=200)


def split(units: int) -> tuple[Decimal, Decimal]:
    """(hi, lo) of a number of units of 10^-9.

    >>> split(3 * 2**23 * UNIT + 500_000_000), split(-1)
    ((Decimal('3'), Decimal('0.500000000')), (Decimal('-1'), Decimal('8388607.999999999')))
    """
    hi, lo = divmod(units, BASE * UNIT)
    return Decimal(hi), element(lo)


def joined(hi: Decimal, lo: Decimal) -> Fraction:
    """The number, or the owners' sum of them.

    >>> joined(Decimal(-1), Decimal("8388608.5"))
    Fraction(1, 2)
    """
    return Fraction(hi) * BASE + Fraction(lo)


def element(units: int) -> Decimal:
    return Decimal(units).scaleb(-DECIMALS, _LONG)


def units_of(number: Fraction) -> int:
    """In units of 10^-9, half to even."""
    units: int = round(number * UNIT)
    return units
