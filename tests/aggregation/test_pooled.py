"""Sums over owners beside numpy's and pandas' figures of all their records in one place."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import mean, variance
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from quintet.aggregation.categories import Categories
from quintet.aggregation.decoding import Decoded
from quintet.aggregation.pooled import QUARTILES, Bins
from quintet.aggregation.vectors import quantile
from quintet.aggregation.wide import BASE, UNIT, joined, split
from quintet.kernel.errors import InvalidInput
from tests.aggregation.summing import aggregated, summed

OWNERS = 20
DATA = {"breast cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes}


def frame_of(name: str) -> pd.DataFrame:
    return DATA[name](as_frame=True).frame


def item(name: str, values: Sequence[float], bins: int = 64) -> dict[str, Any]:
    low, high = float(math.floor(min(values))), float(math.ceil(max(values)))
    if high - low > 50 * (max(values) - min(values)):
        low, high = min(values) * 0.9, max(values) * 1.1
    return {"name": name, "dataType": "NUMERIC", "encoding": "pooled", "low": low, "high": high, "bins": bins}


def parted(frame: pd.DataFrame, owners: int) -> list[dict[str, Any]]:
    """Unequal parts: some owners have a few records, one has none."""
    cuts = sorted(np.random.default_rng(6).integers(0, len(frame), owners - 2).tolist())
    edges = [0, 0, *cuts, len(frame)]
    return [{name: frame[name].iloc[start:end].tolist() for name in frame} for start, end in pairwise(edges)]


@pytest.mark.parametrize("name", DATA)
def test_real_data_split_among_twenty_owners(name: str) -> None:
    frame = frame_of(name)
    schema = [item(column, frame[column].tolist()) for column in frame]
    found = aggregated(schema, parted(frame, OWNERS))
    for column, described in zip(frame, schema, strict=True):
        assert_like_pandas(found[column]["pooled"], frame[column], described)


def assert_like_pandas(pooled: Decoded, whole: "pd.Series[float]", described: dict[str, Any]) -> None:
    assert pooled["count"] == whole.count()
    assert pooled["mean"] == pytest.approx(whole.mean(), rel=1e-9, abs=1e-12)
    assert pooled["variance"] == pytest.approx(whole.var(), rel=1e-9)
    assert pooled["standardDeviation"] == pytest.approx(whole.std(), rel=1e-9)
    width = (described["high"] - described["low"]) / described["bins"]
    for quartile, share in zip(pooled["quartiles"].values(), (0.25, 0.5, 0.75), strict=True):
        true = whole.quantile(share)
        assert quartile["low"] - 1e-12 <= true <= quartile["high"] + 1e-12
        assert abs(quartile["value"] - true) <= max(width, quartile["high"] - quartile["low"])
    counts, _ = np.histogram(whole, described["bins"], (described["low"], described["high"]))
    assert abs(np.array(pooled["histogram"]["counts"]) - counts).sum() <= 2


tenths = st.integers(-2000, 2000).map(lambda number: Decimal(number) / 10)
owners = st.lists(st.lists(tenths, max_size=8), min_size=1, max_size=30)


@given(owners, st.integers(1, 12))
def test_any_records_of_any_owners(parts: list[list[Decimal]], count: int) -> None:
    bins = Bins(Decimal(-100), Decimal(100), count)
    every = sorted(value for part in parts for value in part)
    known = bins.statistics([Decimal(text) for text in summed([bins.elements(part) for part in parts])])
    exact = [Fraction(value) for value in every]
    assert known.count == len(every)
    assert known.total == sum(exact)
    assert known.mean == (mean(exact) if exact else None)
    assert known.variance == (variance(exact) if len(exact) > 1 else None)
    assert (known.below, *known.counts, known.above) == by_hand(every, bins)
    for name, share in QUARTILES.items():
        low, value, high = known.quartiles[name].low, known.quartiles[name].value, known.quartiles[name].high
        if every:
            assert low is None or low <= quantile(every, share)
            assert high is None or quantile(every, share) <= high
        assert value is None or (low is not None and high is not None and low <= value <= high)


def by_hand(values: Sequence[Decimal], bins: Bins) -> tuple[int, ...]:
    counts = [0] * (bins.count + 2)
    for value in values:
        inside = [place for place, edge in enumerate(bins.edges[:-1]) if edge <= value]
        beyond = value > bins.high
        counts[bins.count + 1 if beyond else inside[-1] + 1 if inside else 0] += 1
    return tuple(counts)


def test_bins_are_closed_on_the_left_and_the_last_on_both_sides() -> None:
    bins = Bins(Decimal(0), Decimal(3), 3)
    values = map(Decimal, ["-0.001", "0", "0.999", "1", "2", "3", "3.001"])
    assert [int(count) for count in bins.elements(values)[5:]] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("low", [0, 1_600_000_000, -5_000_000_000_000])
def test_far_from_zero_nothing_cancels(low: int) -> None:
    bins = Bins(Decimal(low), Decimal(low + 1), 4)
    values = [Decimal(low) + Decimal(thousandth) / 1000 for thousandth in range(1000)]
    known = bins.statistics([Decimal(text) for text in summed([bins.elements(values[at::7]) for at in range(7)])])
    assert known.variance == variance([Fraction(value) for value in values])
    assert known.mean == Fraction(low) + Fraction(999, 2000)


def test_small_units_keep_their_variance() -> None:
    """With nine decimals of the records' own unit the squares would be gone."""
    values = [Decimal(one) / 10**9 for one in range(1, 100)]
    bins = Bins(Decimal(0), Decimal("1e-7"), 10)
    known = bins.statistics([Decimal(text) for text in summed([bins.elements(values[at::5]) for at in range(5)])])
    assert known.variance == variance([Fraction(value) for value in values])


def test_nobody_has_records() -> None:
    bins = Bins(Decimal(0), Decimal(1), 2)
    known = bins.statistics([Decimal(text) for text in summed([bins.elements([])] * 3)])
    assert [known.count, known.total, known.mean, known.variance] == [0, 0, None, None]
    assert known.quartiles["q2"].value is None


def test_one_record_has_a_mean_and_no_variance() -> None:
    bins = Bins(Decimal(0), Decimal(10), 5)
    known = bins.statistics([Decimal(text) for text in summed([bins.elements([Decimal(3)]), bins.elements([])])])
    assert [known.count, known.mean, known.variance] == [1, 3, None]
    assert known.quartiles["q1"].value == known.quartiles["q3"].value == 3


def test_records_in_the_middle_of_their_bins_have_numpys_quartiles() -> None:
    bins = Bins(Decimal(0), Decimal(8), 4)
    known = bins.statistics(bins.elements(map(Decimal, [1, 3, 5, 7])))
    assert [known.quartiles[name].value for name in QUARTILES] == np.quantile([1, 3, 5, 7], [0.25, 0.5, 0.75]).tolist()
    assert [known.quartiles["q1"].low, known.quartiles["q1"].high] == [0, 4]


def test_quartiles_outside_the_histogram_are_bounded_on_one_side() -> None:
    bins = Bins(Decimal(0), Decimal(10), 5)
    known = bins.statistics(bins.elements(map(Decimal, [-5, -4, 1, 20, 30])))
    q1, q2, q3 = known.quartiles.values()
    assert [q1.value, q1.low, q1.high] == [None, None, 0]
    assert [q2.value, q2.low, q2.high] == [1, 0, 2]
    assert [q3.value, q3.low, q3.high] == [None, 10, None]


@given(st.lists(st.integers(-(10**24), 10**24), min_size=1, max_size=50))
def test_wide_numbers_add_up_exactly(numbers: list[int]) -> None:
    his, los = zip(*map(split, numbers), strict=True)
    assert all(0 <= lo < BASE for lo in los)
    assert joined(sum(his, Decimal(0)), sum(los, Decimal(0))) == Fraction(sum(numbers), UNIT)


def test_a_thousand_owners_los_fit_a_word() -> None:
    _, largest = split(-1)
    assert largest * UNIT * 1000 < 2**63
    assert Decimal(summed([[largest]] * 1000)[0]) == largest * 1000


def test_a_value_that_sums_could_not_hold_is_refused() -> None:
    bins = Bins(Decimal(0), Decimal(100), 4)
    with pytest.raises(InvalidInput, match=r"too far from \[0, 100\]"):
        bins.elements([Decimal(1), Decimal(10**12)])


@given(st.lists(st.lists(st.sampled_from("abcxy"), max_size=9), min_size=1, max_size=9))
def test_categories_of_all_owners(parts: list[list[str]]) -> None:
    categories = Categories(("a", "b", "c"), ordered=True)
    known = categories.statistics([Decimal(text) for text in summed([categories.elements(part) for part in parts])])
    every = pd.Series([value for part in parts for value in part], dtype=str)
    assert known.count == len(every)
    assert known.counts == {name: int((every == name).sum()) for name in "abc"}
    assert known.other == int(every.isin(["x", "y"]).sum())
    assert known.unique == every[every.isin(list("abc"))].nunique()
    if len(every) and not known.other:
        assert known.mode == every.mode()[0]
        assert known.median == sorted(every)[(len(every) - 1) // 2]
        shares = every.value_counts(normalize=True)
        assert known.entropy == pytest.approx(-(shares * np.log2(shares)).sum())


def test_what_may_be_more_frequent_than_any_category_leaves_no_mode() -> None:
    known = Categories(("a", "b"), ordered=True).statistics([Decimal(one) for one in (5, 2, 0, 3)])
    assert (known.mode, known.median) == (None, None)
    assert Categories(("a",)).statistics([Decimal(0)] * 3).entropy is None
