"""Temperatures beside scipy's optimum, and where there is none."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

from quintet.calibration.batch import Batch
from quintet.calibration.metrics import FLOOR, Counters
from quintet.calibration.temperature import HIGHEST, LOWEST, Temperature, fitted, scaled
from tests.calibration.some_rows import Rows, cifar, drawn, rows


def nll(probabilities: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    """By scipy and scikit-learn."""
    after = softmax(np.log(np.maximum(probabilities, FLOOR)) / temperature, axis=1)
    return float(log_loss(labels, after, labels=np.arange(probabilities.shape[1])))


@pytest.mark.parametrize("sharpened", [0.3, 0.8, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_it_is_the_optimum(classes: int, sharpened: float) -> None:
    probabilities, labels = drawn(np.random.default_rng(classes), 700, classes)
    batch = Batch(scaled(probabilities, 1 / sharpened), labels)
    told = fitted(batch)
    best = minimize_scalar(
        lambda inverse: nll(batch.probabilities, labels, 1 / inverse),
        bounds=(1 / HIGHEST, 1 / LOWEST),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert told.outcome == "fitted"
    assert told.value == pytest.approx(1 / best.x, rel=1e-5)
    assert told.nll_after == pytest.approx(best.fun, abs=1e-10)
    assert told.nll_before == pytest.approx(nll(batch.probabilities, labels, 1.0), abs=1e-10)
    assert told.value == pytest.approx(sharpened, rel=0.2)  # a calibrated model that was sharpened by as much


@pytest.mark.parametrize(
    ("row", "right", "outcome", "value"),
    [
        ([0.9, 0.05, 0.05], 100, "at_lower_bound", LOWEST),  # always right: no certainty is too great
        ([0.9, 0.05, 0.05], 0, "at_upper_bound", HIGHEST),  # always wrong: none is small enough
        ([1.0, 0.0, 0.0], 100, "at_lower_bound", LOWEST),
        ([1.0, 0.0, 0.0], 0, "at_upper_bound", HIGHEST),
        ([1 / 3, 1 / 3, 1 / 3], 50, "fitted", 1.0),  # no temperature changes anything
    ],
)
def test_without_an_optimum_it_is_bounded(row: list[float], right: int, outcome: str, value: float) -> None:
    labels = np.where(np.arange(100) < right, 0, 1)
    told = fitted(Batch(np.tile(row, (100, 1)), labels))
    assert str(told.outcome) == outcome
    assert told.value == pytest.approx(value)


def test_one_hot_rows_that_are_sometimes_wrong_are_cooled_to_their_accuracy() -> None:
    batch = Batch(np.tile([1.0, 0.0, 0.0], (100, 1)), np.where(np.arange(100) < 80, 0, 1))
    told = fitted(batch)
    assert told.outcome == "fitted"
    assert scaled(batch.probabilities, told.value)[0, 0] == pytest.approx(0.8)


def test_few_rows_are_not_fitted() -> None:
    assert fitted(Batch(*drawn(np.random.default_rng(0), 19))) == Temperature(rows=19)
    assert Temperature().value == 1.0


@given(rows(most=80), st.integers(1, 4))
def test_it_is_never_worse_nor_out_of_bounds(some: Rows, times: int) -> None:
    probabilities, labels = some
    told = fitted(Batch(np.repeat(probabilities, times, axis=0), np.repeat(labels, times)))
    assert LOWEST <= told.value <= HIGHEST
    if told.nll_before is not None and told.nll_after is not None:
        assert told.nll_after <= told.nll_before + 1e-9


def test_scaling_keeps_the_order_of_classes() -> None:
    probabilities, _ = drawn(np.random.default_rng(0), 500)
    assert np.array_equal(scaled(probabilities, 2.5).argsort(axis=1)[:, -1], probabilities.argsort(axis=1)[:, -1])
    assert scaled(probabilities, 1.0) == pytest.approx(probabilities, abs=1e-15)


def test_it_mends_a_real_model(shared_data: Path) -> None:
    probabilities, labels = cifar(shared_data)
    told = fitted(Batch(probabilities[:704].astype(np.float64), labels[:704]))
    before, after = Counters(), Counters()
    before.add(probabilities[704:], labels[704:])
    after.add(scaled(probabilities[704:].astype(np.float64), told.value), labels[704:])
    assert told.outcome == "fitted"
    assert 1.2 < told.value < 4
    assert before.ece is not None
    assert after.ece is not None
    assert after.ece < 0.5 * before.ece
