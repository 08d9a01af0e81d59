"""A session batch by batch: the same figures as all rows at once, bit by bit, and what it keeps."""

import json
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix

from quintet.calibration import evaluation
from quintet.calibration.batch import checked
from quintet.calibration.conformal import Score, true_scores
from quintet.calibration.evaluation import Evaluator, Given, Result, Stages
from quintet.calibration.metrics import Calibration, Counters, terms
from quintet.calibration.temperature import fitted, scaled
from quintet.calibration.utrace import evaluate
from quintet.kernel.errors import InvalidInput
from tests.calibration.some_rows import Rows, cifar, drawn, rows


def run(some: Rows, size: int = 64, stages: Stages | None = None, score: Score = "lac") -> Evaluator:
    evaluator = Evaluator(stages, score)
    for index, start in enumerate(range(0, len(some[1]), size)):
        evaluator.add(index, some[0][start : start + size], some[1][start : start + size])
    return evaluator


@settings(max_examples=50)
@given(rows(), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["lac", "aps"]))
def test_batches_say_what_all_rows_say(some: Rows, size: int, first: int, second: int, score: Score) -> None:
    stages = Stages(calibration_batches=first, uncertainty_batches=second)
    result = run(some, size, stages, score).result()
    alone = evaluate(*some, score=score, batch_size=size, calibration_batches=first, uncertainty_batches=second)
    assert result.utrace.model_dump_json() == alone.model_dump_json()
    json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_the_same_batches_give_the_same_bytes() -> None:
    some = drawn(np.random.default_rng(0), 2000)
    once, watched = run(some), Evaluator()
    for index, start in enumerate(range(0, 2000, 64)):
        watched.add(index, some[0][start : start + 64].copy(), some[1][start : start + 64].astype(np.int8))
        watched.result()  # asking changes nothing
    assert watched.result().model_dump_json() == once.result().model_dump_json()


def test_the_parts_are_those_of_their_rows() -> None:
    probabilities, labels = drawn(np.random.default_rng(1), 2000)
    result = run((probabilities, labels)).result()
    assert result.overall == counted(probabilities, labels)
    assert result.before == counted(probabilities[704:], labels[704:])
    assert result.after == counted(scaled(probabilities[704:], result.temperature.value), labels[704:])
    assert result.temperature.rows == 704
    assert (result.rows, result.batches, result.classes) == (2000, 32, 10)
    predicted = probabilities.argmax(axis=1)
    assert result.accuracy == accuracy_score(labels, predicted)
    assert result.confusion == tuple(map(tuple, confusion_matrix(labels, predicted).tolist()))
    assert sum(result.histogram) == 2000
    assert result.weaknesses == ()


def counted(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    counters = Counters()
    counters.add(probabilities, labels)
    return counters.calibration()


def test_history_is_what_each_batch_told() -> None:
    probabilities, labels = drawn(np.random.default_rng(2), 1600)
    evaluator, told = Evaluator(), []
    for index in range(25):
        some = slice(64 * index, 64 * (index + 1))
        told.append(evaluator.add(2 * index, probabilities[some], labels[some]))
    result = evaluator.result()
    assert result.history == tuple(told)
    assert [metrics.index for metrics in told] == list(range(0, 50, 2))
    assert [metrics.stage for metrics in told].count("INITIAL_CALIBRATION") == 6  # those below index 11 that came
    assert [metrics.alpha for metrics in told[6:11]] == list(result.utrace.history.alphas)
    assert [metrics.set_size for metrics in told[11:]] == list(result.utrace.history.batch_setsizes)
    assert told[-1].ece == result.overall.ece
    assert [weakness.code for weakness in result.weaknesses] == ["short_calibration", "short_uncertainty"]


def test_a_batch_tells_its_own_means() -> None:
    metrics = Evaluator().add(30, [[0.5, 0.25, 0.25], [0.75, 0.125, 0.125]], [0, 1])
    assert (metrics.index, metrics.stage, metrics.rows) == (30, "PREDICTION_SET_CONSTRUCTION", 2)
    assert (metrics.accuracy, metrics.confidence) == (0.5, 0.625)
    assert metrics.nll == pytest.approx((np.log(2) + np.log(8)) / 2)
    assert metrics.brier == pytest.approx((0.375 + 1.34375) / 2)
    assert metrics.ece == pytest.approx((0.5 + 0.75) / 2)
    assert (metrics.alpha, metrics.uncertainty, metrics.coverage, metrics.set_size) == (None, None, None, None)


def test_batches_come_in_the_order_of_their_index() -> None:
    evaluator = run(drawn(np.random.default_rng(0), 192))
    before = evaluator.result()
    for index in (0, 2):
        with pytest.raises(ValueError, match="after batch 2"):
            evaluator.add(index, [[0.5, 0.5]], [0])
    with pytest.raises(InvalidInput, match="batch 3 has 2 classes, those before it 10"):
        evaluator.add(3, [[0.5, 0.5]], [0])
    with pytest.raises(InvalidInput, match="batch 3: row 0: a probability is negative"):
        evaluator.add(3, [[1.5, -0.5]], [0])
    assert evaluator.result() == before
    with pytest.raises(ValueError, match="batch -1"):
        Evaluator().add(-1, [[0.5, 0.5]], [0])


def test_a_batch_without_rows_is_counted_and_says_nothing() -> None:
    evaluator = run(drawn(np.random.default_rng(0), 704))
    for index, empty in ((11, np.empty((0, 0))), (25, np.empty((0, 10)))):
        metrics = evaluator.add(index, empty, np.empty(0, np.int64))
        assert metrics.model_dump(exclude_none=True) == {"index": index, "stage": metrics.stage, "rows": 0}
    result = evaluator.result()
    assert (result.rows, result.batches, result.before.rows) == (704, 13, 0)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_many_at_once_are_the_same_as_one_after_another(data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    score: Score = data.draw(st.sampled_from(["lac", "aps"]))
    stages = Stages(calibration_batches=data.draw(st.integers(0, 5)), uncertainty_batches=data.draw(st.integers(0, 3)))
    sizes = data.draw(st.lists(st.sampled_from([0, 1, 2, 7, 8, 9, 64, 64, 64, 65]), min_size=1, max_size=40))
    classes, kind = data.draw(st.integers(2, 20)), data.draw(st.sampled_from([np.float32, np.float64]))
    drawn_ones = [drawn(generator, size, classes) for size in sizes]
    given_ones: list[Given] = [
        (2 * i, laid_out(rows.astype(kind), i), labels) for i, (rows, labels) in enumerate(drawn_ones)
    ]
    alone, together = Evaluator(stages, score), Evaluator(stages, score)
    told = tuple(alone.add(*one) for one in given_ones)
    cuts = data.draw(st.lists(st.integers(0, len(sizes)), max_size=5).map(sorted))
    for start, stop in pairwise([0, *cuts, len(sizes)]):
        together.add_many(given_ones[start:stop])
        together.result()
    assert together.result().model_dump_json() == alone.result().model_dump_json()
    assert together.history() == told
    after = data.draw(st.integers(-1, 2 * len(sizes)))
    assert together.history(after) == tuple(batch for batch in told if batch.index > after)
    assert (together.batches, together.last) == (len(sizes), 2 * len(sizes) - 2)


@given(st.integers(2, 33), st.integers(1, 40), st.integers(0, 39))
def test_a_rows_figures_are_its_own_whatever_stands_beside_it(classes: int, count: int, at: int) -> None:
    rows, labels = drawn(np.random.default_rng(classes), 40, classes)
    some = slice(at, at + count)
    whole, part = checked(np.asfortranarray(rows), labels), checked(rows[some], labels[some])
    assert np.array_equal(terms(whole).losses[:, some], terms(part).losses)
    assert np.array_equal(scaled(whole.probabilities, 1.7)[some], scaled(part.probabilities, 1.7))
    for score in get_args(Score):
        assert np.array_equal(true_scores(whole, score)[some], true_scores(part, score))


def laid_out(rows: NDArray[Any], number: int) -> NDArray[Any]:
    """The same rows in C order, in Fortran order, or as every other one of an array's."""
    return [rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]][number % 3]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.sampled_from(["negative", "label", "shape", "classes", "order", "words"]))
def test_those_before_a_wrong_one_are_added_and_none_after_it(at: int, wrong: str) -> None:
    rows, labels = drawn(np.random.default_rng(at), 64 * 31)
    batches: list[Given] = [(i, rows[64 * i :][:64], labels[64 * i :][:64]) for i in range(31)]
    index, good, true = batches[at]
    batches[at] = {
        "negative": (index, -np.asarray(good), true),
        "label": (index, good, np.full(64, 10)),
        "shape": (index, good, np.asarray(true)[1:]),
        "classes": (index, np.full((64, 4), 0.25), np.zeros(64, np.int64)),
        "order": (-1, good, true),
        "words": (index, np.full((64, 10), "0.1"), true),
    }[wrong]
    if wrong == "classes" and at == 0:
        batches[0] = (0, [[1.0]], [0])
    alone, together = Evaluator(), Evaluator()
    for batch in batches[:at]:
        alone.add(*batch)
    with pytest.raises((InvalidInput, ValueError)) as one:
        alone.add(*batches[at])
    with pytest.raises(type(one.value)) as many:
        together.add_many(batches)
    assert str(many.value) == str(one.value)
    assert together.batches == at
    assert together.result() == alone.result()


def test_large_batches_are_the_same_too() -> None:
    """Sums of many likely rows outgrow what a float tells exactly."""
    rows, labels = drawn(np.random.default_rng(0), 45_000, 3, sharpness=0.02)
    ends = [0, 704, 900, 20_900, 40_900, 41_000, 45_000]
    batches: list[Given] = [(10 * i, rows[a:b], labels[a:b]) for i, (a, b) in enumerate(pairwise(ends))]
    alone, together = Evaluator(), Evaluator()
    for batch in batches:
        alone.add(*batch)
    together.add_many(batches)
    assert together.result().model_dump_json() == alone.result().model_dump_json()


def test_of_nothing_nothing_is_said() -> None:
    result = Evaluator().result()
    assert (result.rows, result.classes, result.accuracy, result.confusion) == (0, None, None, None)
    codes = ["no_calibration", "no_uncertainty", "no_prediction_sets", "temperature_not_fitted", "few_rows"]
    assert [weakness.code for weakness in result.weaknesses] == codes
    assert {name for name, figure in result.summary().items() if figure is not None} == {
        "rows",
        "batches",
        "calibration_rows",
        "temperature",
    }


def test_a_model_that_is_always_right_is_said_to_leave_the_temperature_open() -> None:
    result = run((np.tile([0.75, 0.25], (2000, 1)), np.zeros(2000, np.int64))).result()
    assert result.weaknesses[0].code == "temperature_at_bound"
    assert result.weaknesses[0].figures == {"temperature": 0.1, "rows": 704}


def test_many_classes_have_no_matrix() -> None:
    result = run(drawn(np.random.default_rng(0), 500, classes=101)).result()
    assert result.confusion is None
    assert result.f1 is not None


def test_the_temperature_is_fitted_to_the_first_rows_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    some = drawn(np.random.default_rng(3), 2000)
    monkeypatch.setattr(evaluation, "MOST_FITTED", 1000)
    result, few = run(some).result(), fitted(checked(some[0][:100], some[1][:100]))
    assert result.temperature == few
    assert result.before == counted(some[0][704:], some[1][704:])


def test_what_is_kept_does_not_grow_with_the_rows() -> None:
    short, long = (run(drawn(np.random.default_rng(0), 64 * batches), 64) for batches in (40, 400))
    a_batch = (len(pickle.dumps(long)) - len(pickle.dumps(short))) / 360
    assert a_batch < 200  # bytes; its rows have 5,632
    assert len(pickle.dumps(short)) < 20_000


def test_rows_may_be_overwritten_after_they_were_given() -> None:
    some = drawn(np.random.default_rng(0), 2000)
    evaluator, place, labels = Evaluator(), np.empty((64, 10)), np.empty(64, np.int64)
    for index in range(31):
        place[:], labels[:] = some[0][64 * index :][:64], some[1][64 * index :][:64]
        evaluator.add(index, place, labels)
    place[:] = 0
    labels[:] = 0
    assert evaluator.result() == run((some[0][: 31 * 64], some[1][: 31 * 64])).result()


def test_real_outputs_are_told_as_they_are(shared_data: Path) -> None:
    result = run(cifar(shared_data)).result()
    figures = result.summary()
    assert figures["accuracy"] == pytest.approx(0.93, abs=0.01)
    assert result.before.ece is not None
    assert result.after.ece is not None
    assert result.after.ece < 0.5 * result.before.ece < 0.05
    assert (result.after.nll or 9) < (result.before.nll or 0)
    assert result.after.accuracy == result.before.accuracy
    assert result.weaknesses == ()
