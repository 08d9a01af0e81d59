"""Secrets of 32 bytes in shares, any `threshold` of which give it back and fewer of which say nothing.

Shamir, How to share a secret (CACM 22(11), 1979), over the integers modulo the least prime above 2^256.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

from quintet.aggregation.secagg.identity import Random
from quintet.kernel.errors import InvalidInput

PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33
COEFFICIENT_BYTES = 48  # modulo the prime each value is within 2^-127 of equally likely


def split(secret: bytes, points: Sequence[int], threshold: int, random: Random) -> list[bytes]:
    """A share of 33 bytes (big-endian) for each point: the value there of a polynomial whose value at 0 is the secret.

    The points are distinct and at least 1. Raises InvalidInput where the secret has not 32 bytes.
    """
    if len(secret) != SECRET_BYTES:
        raise InvalidInput(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    drawn = random(COEFFICIENT_BYTES * (threshold - 1))
    places = range(0, len(drawn), COEFFICIENT_BYTES)
    higher = [int.from_bytes(drawn[place : place + COEFFICIENT_BYTES], "big") % PRIME for place in places]
    coefficients = [int.from_bytes(secret, "big"), *higher]
    return [value_at(coefficients, point).to_bytes(SHARE_BYTES, "big") for point in points]


def value_at(coefficients: Sequence[int], point: int) -> int:
    """By Horner's rule, the constant coefficient first."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % PRIME
    return value


def combined(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """The secret, from the first `threshold` shares (point → 33 bytes). Raises InvalidInput where they make none."""
    if len(shares) < threshold:
        raise InvalidInput(f"only {len(shares)} of {threshold} shares")
    chosen = dict(islice(shares.items(), threshold))
    value = interpolated(weights(tuple(chosen), 0), list(chosen.values()))
    if value >> (8 * SECRET_BYTES):
        raise InvalidInput("the shares do not belong together")
    return value.to_bytes(SECRET_BYTES, "big")


def weights(points: Sequence[int], at: int) -> list[int]:
    """Lagrange's: what each point's value counts for the polynomial's value `at` another."""
    return [weight(points, point, at) for point in points]


def weight(points: Sequence[int], point: int, at: int) -> int:
    above, below = 1, 1
    for other in points:
        if other != point:
            above = above * (at - other) % PRIME
            below = below * (point - other) % PRIME
    return above * pow(below, -1, PRIME) % PRIME


def interpolated(counts: Sequence[int], shares: Sequence[bytes]) -> int:
    return sum(count * number(share) for count, share in zip(counts, shares, strict=True)) % PRIME


def number(share: bytes) -> int:
    """A share as an element of the field. Raises InvalidInput where it is none."""
    value = int.from_bytes(share, "big")
    if len(share) != SHARE_BYTES or value >= PRIME:
        raise InvalidInput("a share is no element of the field")
    return value
