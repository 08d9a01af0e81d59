"""Counters beside netcal's and scikit-learn's figures, and in any order."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, precision_recall_fscore_support

from quintet.calibration.classification import MOST_CLASSES, ClassCounts
from quintet.calibration.metrics import FLOOR, HISTOGRAM_BINS, Calibration, Counters
from tests.calibration.some_rows import Rows, drawn, rows

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden/netcal.json").read_text())


def counted(probabilities: NDArray[Any], labels: NDArray[Any], bins: int = 15) -> Counters:
    counters = Counters(bins)
    counters.add(probabilities, labels)
    return counters


@pytest.mark.parametrize("bins", [10, 15])
@pytest.mark.parametrize("case", GOLDEN)
def test_errors_are_netcals(case: str, bins: int) -> None:
    told = GOLDEN[case]
    counters = counted(np.array(told["thousandths"]) / 1000, np.array(told["labels"]), bins)
    ours = {"ece": counters.ece, "mce": counters.mce, "ace": counters.ace}
    assert ours == pytest.approx(told["errors"][str(bins)], abs=1e-12)


@given(rows(), st.lists(st.integers(0, 40), max_size=4), st.randoms())
def test_any_cut_in_any_order_gives_the_same(some: Rows, cuts: list[int], random: Any) -> None:
    probabilities, labels = some
    parts = list(zip(np.split(probabilities, sorted(cuts)), np.split(labels, sorted(cuts)), strict=True))
    random.shuffle(parts)
    merged = Counters()
    for part in parts:
        merged = merged.merge(counted(*part))
    assert merged.calibration() == counted(probabilities, labels).calibration()


def test_order_does_not_show_in_sums_that_float64_rounds() -> None:
    probabilities, labels = drawn(np.random.default_rng(0), 10_000)
    order = np.random.default_rng(1).permutation(10_000)
    assert counted(probabilities[order], labels[order]).calibration() == counted(probabilities, labels).calibration()


def test_what_is_taken_away_again_leaves_no_trace() -> None:
    first, second = drawn(np.random.default_rng(0), 50), drawn(np.random.default_rng(1), 70)
    both = counted(*first).merge(counted(*second))
    assert both.without(counted(*first)).calibration() == counted(*second).calibration()
    with pytest.raises(ValueError, match="15 and of 10 bins"):
        both.merge(Counters(10))


@pytest.mark.parametrize("classes", [2, 10, 300])
def test_losses_and_means_are_scikit_learns(classes: int) -> None:
    probabilities, labels = drawn(np.random.default_rng(classes), 6000, classes)
    told = counted(probabilities, labels).calibration()
    every = np.arange(classes)
    assert told.nll == pytest.approx(log_loss(labels, probabilities, labels=every), abs=1e-11)
    scale = 2 if classes == 2 else 1  # its Brier score halves that of two classes
    brier = brier_score_loss(labels, probabilities if classes > 2 else probabilities[:, 1], labels=every)
    assert told.brier == pytest.approx(scale * brier, abs=1e-11)
    assert told.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
    assert told.confidence == pytest.approx(probabilities.max(axis=1).mean(), abs=1e-12)


def test_a_true_class_of_no_probability_costs_the_floor() -> None:
    assert counted(np.array([[1.0, 0.0]]), np.array([1])).nll == pytest.approx(-np.log(FLOOR))


def test_the_diagram_and_the_histogram_hold_every_row_once() -> None:
    probabilities, labels = drawn(np.random.default_rng(2), 5000)
    counters, confidence = counted(probabilities, labels), probabilities.max(axis=1)
    told = counters.calibration()
    assert counters.histogram.tolist() == np.histogram(confidence, HISTOGRAM_BINS, (0, 1))[0].tolist()
    for bar in told.bins:
        inside = (confidence >= bar.low) & (confidence < bar.high)
        assert bar.rows == inside.sum()
        if bar.rows:
            assert bar.confidence == pytest.approx(confidence[inside].mean(), abs=1e-12)
            assert bar.accuracy == np.mean(probabilities.argmax(axis=1)[inside] == labels[inside])
    assert (told.bins[0].rows, told.bins[0].accuracy) == (0, None)  # ten classes are never all below 1/15


def test_certainty_and_a_little_more_are_in_the_last_bin() -> None:
    counters = counted(np.array([[1.0, 0.0], [1.005, 0.0]]), np.array([0, 0]))
    assert counters.rows.tolist() == [0] * 14 + [2]
    assert counters.confidence == 1.0


def test_without_rows_nothing_is_said() -> None:
    told = Counters().calibration()
    figures = told.model_dump(exclude={"bins", "rows"})
    assert set(figures.values()) == {None}
    assert (told.rows, len(told.bins)) == (0, 15)
    assert counted(np.empty((0, 10)), np.empty(0, np.int64)).calibration() == told
    assert Calibration.model_validate_json(told.model_dump_json()) == told


def test_sums_outgrow_64_bits() -> None:
    counters = counted(np.array([[0.6, 0.4]]), np.array([0]))
    for _ in range(60):
        counters = counters.merge(counters)
    assert counters.total == 2**60
    assert counters.confidence == pytest.approx(0.6, abs=1e-12)
    assert counters.nll == pytest.approx(-np.log(0.6), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 10, MOST_CLASSES + 1])
def test_scores_are_scikit_learns_weighted(classes: int) -> None:
    generator = np.random.default_rng(classes)
    labels, predicted = generator.integers(0, classes, 500), generator.integers(0, max(classes // 2, 2), 500)
    counts = ClassCounts(classes)
    for start in range(0, 500, 64):
        counts.add(labels[start : start + 64], predicted[start : start + 64])
    expected = precision_recall_fscore_support(labels, predicted, average="weighted", zero_division=0)[:3]
    assert counts.scores() == pytest.approx(expected)
    assert counts.accuracy() == np.mean(labels == predicted)


def test_the_matrix_is_by_truth_and_prediction() -> None:
    counts = ClassCounts(3)
    counts.add(np.array([0, 0, 2]), np.array([0, 1, 1]))
    assert counts.confusion() == ((1, 1, 0), (0, 0, 0), (0, 1, 0))
    assert ClassCounts(MOST_CLASSES + 1).confusion() is None
