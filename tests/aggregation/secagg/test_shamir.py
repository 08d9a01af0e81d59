"""Any `threshold` shares give the secret back; fewer say nothing about it."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.secagg.shamir import PRIME, SHARE_BYTES, combined, interpolated, number, split, weights
from quintet.kernel.errors import InvalidInput
from tests.aggregation.secagg.cohort import drawn
from tests.aggregation.secagg.uniformity import evenly

secrets = st.binary(min_size=32, max_size=32)
counts = st.integers(1, 8).flatmap(lambda count: st.tuples(st.just(count), st.integers(1, count)))


def test_the_field_is_that_of_the_least_prime_above_all_secrets() -> None:
    """By sixty-four bases of Miller's and Rabin's test."""
    assert PRIME == 2**256 + 297
    assert probably_prime(PRIME)
    assert not any(probably_prime(number) for number in range(2**256 + 1, PRIME, 2))


def probably_prime(number: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(passes(number, base, odd, twos) for base in range(2, 66))


def passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


@given(secrets, counts, st.integers(0, 99))
def test_every_choice_of_enough_shares_gives_the_secret(secret: bytes, parties: tuple[int, int], draw: int) -> None:
    count, threshold = parties
    shares = split(secret, range(1, count + 1), threshold, drawn(str(draw)))
    assert all(len(share) == SHARE_BYTES for share in shares)
    for points in combinations(range(1, count + 1), threshold):
        assert combined({point: shares[point - 1] for point in points}, threshold) == secret


@given(secrets, st.integers(0, 99))
def test_a_share_that_was_changed_gives_another_secret_or_none(secret: bytes, draw: int) -> None:
    shares = split(secret, [1, 2, 3], 3, drawn(str(draw)))
    changed = ((number(shares[0]) + 1) % PRIME).to_bytes(SHARE_BYTES, "big")
    assert combined_or_none({1: changed, 2: shares[1], 3: shares[2]}) != secret


def combined_or_none(shares: dict[int, bytes]) -> bytes | None:
    try:
        return combined(shares, 3)
    except InvalidInput:
        return None


@given(secrets, secrets, st.integers(0, 99))
def test_one_share_too_few_fits_every_secret(secret: bytes, other: bytes, draw: int) -> None:
    """To t − 1 shares there is exactly one polynomial for each secret: nothing can be told from them."""
    shares = split(secret, [1, 2, 3, 4], 3, drawn(str(draw)))
    points = (0, 1, 2)
    known = [other.rjust(SHARE_BYTES, b"\0"), *shares[:2]]
    forged = interpolated(weights(points, 3), known).to_bytes(SHARE_BYTES, "big")
    assert combined({1: shares[0], 2: shares[1], 3: forged}, 3) == other


def test_shares_below_the_threshold_are_spread_evenly_whatever_the_secret() -> None:
    """Two of three shares of two very different secrets: the bytes of both, and of their difference, are even."""
    random = drawn("even")
    dealt = [split(secret, [1, 2, 3], 3, random)[:2] for secret in (bytes(32), b"\xff" * 32) for _ in range(2000)]
    assert evenly(b"".join(share[1:] for pair in dealt[:2000] for share in pair))
    assert evenly(b"".join(share[1:] for pair in dealt[2000:] for share in pair))
    apart = [(number(first) - number(second)) % PRIME for first, second in dealt]
    assert evenly(b"".join(one.to_bytes(SHARE_BYTES, "big")[1:] for one in apart))


def test_too_few_shares_and_shares_of_no_field_are_refused() -> None:
    shares = split(bytes(32), [1, 2, 3], 2, drawn("few"))
    with pytest.raises(InvalidInput, match="only 1 of 2"):
        combined({1: shares[0]}, 2)
    for wrong in (b"\xff" * SHARE_BYTES, PRIME.to_bytes(SHARE_BYTES, "big"), bytes(32), bytes(34)):
        with pytest.raises(InvalidInput, match="no element of the field"):
            combined({1: shares[0], 2: wrong}, 2)
    with pytest.raises(InvalidInput, match="32 bytes"):
        split(bytes(31), [1, 2], 2, drawn("short"))
