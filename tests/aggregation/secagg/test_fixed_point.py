"""Words for numbers: exact, or refused."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.secagg.fixed_point import decode, encode
from quintet.kernel.errors import InvalidInput

LIMIT = 2**63 - 1
EXACT = Context(prec=2000, rounding=ROUND_HALF_EVEN)
LARGEST = LIMIT / 10**9

within = st.floats(min_value=-LARGEST * 0.999999, max_value=LARGEST * 0.999999)
near_ties = st.builds(
    lambda whole, by: (whole + 0.5) / 1e9 * (1 + by * 2**-52), st.integers(-(2**40), 2**40), st.integers(-2, 2)
)
quarters = st.builds(lambda whole: whole / 4, st.integers(-(2**34), 2**34))
halves_of_a_unit = st.builds(lambda odd: (2 * odd + 1) * 2.0**-10, st.integers(-(2**40), 2**40))


def signed(values: Any, *, decimals: int = 9, owners: int = 1) -> list[int]:
    return list(encode(values, decimals=decimals, owners=owners).view(np.int64).tolist())


def exactly(value: float, decimals: int = 9) -> int:
    """The integer nearest to the float's own binary value, by arithmetic without floats."""
    return round(Fraction(value) * int(10**decimals))


@given(st.lists(st.one_of(within, near_ties, quarters, halves_of_a_unit), min_size=1, max_size=50))
def test_floats_are_rounded_from_their_exact_binary_value(values: list[float]) -> None:
    assert signed(np.array(values)) == [exactly(value) for value in values]
    assert signed(values) == signed([Fraction(value) for value in values])


@given(st.lists(near_ties, min_size=1), st.integers(0, 11))
def test_floats_are_exact_at_every_number_of_decimals(values: list[float], decimals: int) -> None:
    small = [value / 2**12 for value in values]
    assert signed(np.array(small), decimals=decimals) == [exactly(value, decimals) for value in small]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (2.0**-10 * 3, 2929688),  # 2929687.5: a tie, to the even one above
        (2.0**-10 * 5, 4882812),  # 4882812.5: to the even one below
        (-(2.0**-10) * 3, -2929688),
        (0.1 + 0.2, 300000000),
        (5e-10, 1),  # this float is a little above the half
        (1.5e-9, 1),  # this one a little below
        (0.0000000015000000000000001, 2),
        (2.5e-9, 3),  # this one too
        (5e-324, 0),
        (-0.0, 0),
        (8_589_934_591.999999999, 8589934592 * 10**9),
    ],
)
def test_ties_and_edges(value: float, word: int) -> None:
    assert signed(np.array([value])) == [word] == signed([Decimal(value)])


def test_a_hundred_thousand_floats_of_every_magnitude_are_all_exact() -> None:
    draw = np.random.default_rng(3)
    values = draw.uniform(-1, 1, 100_000) * 2.0 ** draw.uniform(-40, 33, 100_000)
    assert signed(values) == [exactly(value) for value in values.tolist()]


@given(st.lists(st.decimals(-(LIMIT // 10**9), LIMIT // 10**9, places=12), min_size=1, max_size=20))
def test_decimals_are_rounded_half_to_even(values: list[Decimal]) -> None:
    assert signed(values) == [int((one * 10**9).to_integral_value(context=EXACT)) for one in values]


@given(st.lists(st.integers(-(LIMIT // 10**9), LIMIT // 10**9), min_size=1, max_size=20))
def test_integers_of_every_kind_are_exact(values: list[int]) -> None:
    words = [value * 10**9 for value in values]
    assert signed(values) == signed(np.array(values, dtype=np.int64)) == words
    assert signed([*values, Decimal("0.5")]) == [*words, 500_000_000]
    assert signed(np.array(values, dtype=object)) == words


@pytest.mark.parametrize(
    "kind", [np.int8, np.uint8, np.int16, np.uint32, np.uint64, np.float16, np.float32, np.longdouble, np.bool_]
)
def test_numpys_kinds(kind: type[np.generic]) -> None:
    assert signed(np.array([0, 1, 1], dtype=kind)) == [0, 10**9, 10**9]
    assert signed(list(np.array([0, 1, 1], dtype=kind))) == [0, 10**9, 10**9]


@given(st.integers(-LIMIT - 1, LIMIT), st.integers(0, 18))
def test_a_text_is_the_exact_number(word: int, decimals: int) -> None:
    (text,) = decode(np.array([word], dtype=np.int64).view(np.uint64), decimals)
    assert Decimal(text).scaleb(decimals, context=EXACT) == word
    assert "E" not in text
    assert "." not in text or text[-1] not in "0."
    assert text != "-0"


@given(st.lists(st.decimals(-(10**9), 10**9, places=9), min_size=3, max_size=3))
def test_what_three_owners_encode_adds_up_to_what_is_read(values: list[Decimal]) -> None:
    words = [encode([value], decimals=9, owners=3) for value in values]
    assert Decimal(decode(words[0] + words[1] + words[2], 9)[0]) == sum(values)


@pytest.mark.parametrize("owners", [1, 2, 3, 20, 50, 1000])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_could_overflow_is_refused_and_what_could_not_is_not(owners: int, sign: int) -> None:
    most = LIMIT // owners
    good, bad = Decimal(sign * most).scaleb(-9), Decimal(sign * (most + 1)).scaleb(-9)
    assert signed([good], owners=owners) == [sign * most]
    assert abs(owners * signed([good], owners=owners)[0]) < 2**63
    for values in ([0, bad], [0, Fraction(bad)], np.array([0.0, float(bad) * (1 + 1e-15)])):
        with pytest.raises(InvalidInput, match=r"^element 1 \(from 0\) is too large"):
            encode(values, decimals=9, owners=owners)


@pytest.mark.parametrize("value", [10**10, -(10**10), 2**63, -(2**63) - 1, 2**64, 10**400])
def test_integers_that_could_overflow_are_refused(value: int) -> None:
    with pytest.raises(InvalidInput, match=r"^element 2 "):
        encode([1, 2, value], decimals=9, owners=1)


def test_integers_up_to_the_edge_with_no_decimals() -> None:
    assert signed([LIMIT, -LIMIT], decimals=0) == [LIMIT, -LIMIT]
    for values in ([-LIMIT - 1], np.array([2**63], dtype=np.uint64), np.array([-LIMIT - 1])):
        with pytest.raises(InvalidInput, match="too large"):
            encode(values, decimals=0, owners=1)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]
)
def test_what_is_not_finite_is_refused_with_its_place(value: Any) -> None:
    for values in (
        [0.0, 0.0, value],
        np.array([0.0, 0.0, value], dtype=type(value) if isinstance(value, float) else object),
    ):
        with pytest.raises(InvalidInput, match=r"^element 2 \(from 0\) is not a finite number"):
            encode(values, decimals=9, owners=3)


@pytest.mark.parametrize("value", ["1", None, b"1", 1j, [1], object()])
def test_what_is_no_number_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^element 1 \(from 0\) is of type \w+, which is no number"):
        encode([0.5, value], decimals=9, owners=3)


def test_values_have_one_dimension() -> None:
    with pytest.raises(InvalidInput, match="2 dimensions"):
        encode(np.zeros((2, 2)), decimals=9, owners=3)


def test_the_owners_values_are_not_touched_and_words_of_numpys_strides_are_right() -> None:
    values = np.arange(10.0)
    words = encode(values[::2], decimals=9, owners=3)
    words += np.uint64(1)
    assert values.tolist() == list(range(10))
    assert (words - np.uint64(1)).tolist() == [value * 10**9 for value in range(0, 10, 2)]
    whole = np.arange(3)
    encode(whole, decimals=0, owners=3)[:] = 7
    assert whole.tolist() == [0, 1, 2]


def test_more_decimals_than_the_fast_way_can() -> None:
    assert signed([0.1], decimals=18) == [exactly(0.1, 18)]
    assert signed(np.array([0.1]), decimals=18) == [exactly(0.1, 18)]
