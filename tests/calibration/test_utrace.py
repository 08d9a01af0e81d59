"""U-TraCE beside its definitions, at its edges, and what it promises."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.calibration.batch import Batch
from quintet.calibration.conformal import Score, bound, quantile, sets, true_scores
from quintet.calibration.utrace import Evaluation, Stages, Utrace, evaluate
from quintet.kernel.errors import InvalidInput
from tests.calibration import naive_utrace
from tests.calibration.some_rows import Rows, cifar, drawn, rows

SCORES: tuple[Score, ...] = ("lac", "aps")


@settings(max_examples=300)
@given(rows(), st.sampled_from(SCORES), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3))
def test_it_is_its_definition(given_rows: Rows, score: Score, size: int, first: int, second: int) -> None:
    ours = of(given_rows, score, size, first, second)
    theirs = naive_utrace.told(given_rows[0].tolist(), given_rows[1].tolist(), score, size, first, second)
    assert ours.history.uncertainty == pytest.approx(theirs.uncertainties, abs=1e-12)
    same_choice(ours, theirs)


def same_choice(ours: Evaluation, theirs: naive_utrace.Told) -> None:
    """Where two risks bound equally well, rounding may choose either; all else follows from the choice."""
    if list(ours.history.alphas) == theirs.alphas:
        assert list(ours.history.batch_coverage) == theirs.coverages
        assert list(ours.history.batch_setsizes) == theirs.sizes
    assert ours.accuracy == theirs.accuracy


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("classes", [2, 10, 37])
def test_it_is_its_definition_without_ties(score: Score, classes: int) -> None:
    some = drawn(np.random.default_rng(classes), 330, classes)
    ours, theirs = of(some, score, 16, 5, 6), naive_utrace.told(some[0].tolist(), some[1].tolist(), score, 16, 5, 6)
    assert list(ours.history.alphas) == theirs.alphas
    assert ours.history.uncertainty == pytest.approx(theirs.uncertainties, abs=1e-12)
    assert list(ours.history.batch_coverage) == theirs.coverages
    assert list(ours.history.batch_setsizes) == theirs.sizes
    assert len(theirs.coverages) == 10
    assert ours.accuracy == theirs.accuracy


def test_the_figures_are_means_over_batches() -> None:
    told = of(drawn(np.random.default_rng(3), 2000), "lac", 64, 11, 10)
    assert told.uncertainty == pytest.approx(np.mean(told.history.uncertainty))
    assert told.alpha == pytest.approx(np.mean([alpha for alpha in told.history.alphas if alpha is not None]))
    assert told.coverage == pytest.approx(np.mean(told.history.batch_coverage))
    assert told.uncertainty_std == pytest.approx(np.std(told.history.uncertainty))
    assert told.max_set_size == max(told.history.batch_setsizes)
    assert [len(told.history.alphas), len(told.history.batch_coverage)] == [10, math.ceil(2000 / 64) - 21]
    assert (told.calibration_rows, told.smallest_alpha, told.weaknesses) == (704, 1 / 705, ())


def test_the_last_batch_of_the_second_stage_sets_the_threshold() -> None:
    some = drawn(np.random.default_rng(4), 2000)
    told, last = of(some, "lac", 64, 11, 10), Batch(some[0][20 * 64 : 21 * 64], some[1][20 * 64 : 21 * 64])
    scores = np.sort(true_scores(Batch(some[0][:704], some[1][:704]), "lac"))
    alpha = bound(scores, last).alpha
    assert alpha == told.history.alphas[-1] != told.history.alphas[-2]
    assert alpha is not None
    assert told.quantile == quantile(scores, alpha)


def test_among_equal_bounds_the_first_is_taken() -> None:
    # sets of one class, of two and of four, so that 1 · 1/4 stands against 1/2 · 2/4 and 1/4 · 3/4
    scores, batch = np.array([0.5, 0.75, 1.0]), Batch(np.array([[0.5, 0.25, 0.125, 0.125]]), np.array([0]))
    assert bound(scores, batch) == (0.75, 0.75)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1))
def test_the_threshold_of_any_risk_is_its_definition(scores: list[float], alpha: float) -> None:
    assert quantile(np.array(scores), alpha) == naive_utrace.threshold(scores, alpha)


def test_a_class_at_the_threshold_is_in_the_set() -> None:
    probabilities = np.array([[0.75, 0.25]])
    assert sets(probabilities, 0.25, "lac").tolist() == [[True, False]]
    assert sets(probabilities, 0.2, "lac").tolist() == [[False, False]]  # a set may be empty
    assert sets(probabilities, 1.0, "aps").tolist() == [[True, True]]


def test_a_batch_that_covers_nothing_has_no_alpha_and_leaves_the_threshold() -> None:
    utrace = Utrace(Stages(calibration_batches=1, uncertainty_batches=2))
    utrace.add(0, Batch(np.tile([0.875, 0.125], (30, 1)), np.zeros(30, np.int64)))
    utrace.add(1, Batch(np.tile([0.875, 0.125], (4, 1)), np.zeros(4, np.int64)))
    step = utrace.add(2, Batch(np.tile([0.75, 0.25], (4, 1)), np.ones(4, np.int64)))
    told = utrace.evaluation()
    assert (step.uncertainty, step.alpha) == (1.0, None)
    assert told.alpha == told.history.alphas[0] == pytest.approx(1 / 31)
    assert told.uncertainty == pytest.approx((1 / 31 + 1) / 2)
    assert told.quantile == 0.125
    assert told.weaknesses[0].model_dump() == {"code": "undecided_batches", "figures": {"batches": 1, "of": 2}}


@pytest.mark.parametrize(
    ("batches", "codes"),
    [
        (0, ["no_calibration", "no_uncertainty", "no_prediction_sets"]),
        (1, ["short_calibration", "coarse_alpha", "no_uncertainty", "no_prediction_sets"]),
        (10, ["short_calibration", "no_uncertainty", "no_prediction_sets"]),
        (11, ["no_uncertainty", "no_prediction_sets"]),
        (20, ["short_uncertainty", "no_prediction_sets"]),
        (21, ["no_prediction_sets"]),
        (22, []),
    ],
)
def test_too_few_batches_say_less_and_why(batches: int, codes: list[str]) -> None:
    some = drawn(np.random.default_rng(batches), 8 * batches)
    told = of(some, "lac", 8, 11, 10)
    assert [weakness.code for weakness in told.weaknesses] == codes
    assert (told.uncertainty is None, told.alpha is None) == (batches < 12, batches < 12)
    assert (told.coverage is None, told.accuracy is None) == (batches < 22, batches < 22)
    json.dumps(told.model_dump(mode="json"), allow_nan=False)


def test_a_weak_result_tells_its_figures() -> None:
    told = of(drawn(np.random.default_rng(0), 12), "lac", 4, 11, 10)
    assert [weakness.figures for weakness in told.weaknesses[:2]] == [
        {"expected": 11, "found": 3},
        {"rows": 12, "smallest_alpha": 1 / 13},
    ]


def test_of_stages_without_batches_nothing_is_asked() -> None:
    told = of(drawn(np.random.default_rng(0), 64), "lac", 8, 0, 0)
    assert (told.uncertainty, told.coverage, told.history.batch_coverage) == (None, None, ())
    assert told.accuracy is not None


def test_aps_says_whose_sets_bound_the_uncertainty() -> None:
    told = of(drawn(np.random.default_rng(0), 2000), "aps", 64, 11, 10)
    assert [weakness.code for weakness in told.weaknesses] == ["threshold_sets"]


def test_float32_rows_are_exactly_their_float64() -> None:
    probabilities, labels = drawn(np.random.default_rng(1), 2000)
    narrow = probabilities.astype(np.float32)
    assert evaluate(narrow, labels.astype(np.int8)) == evaluate(narrow.astype(np.float64), labels)


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        ([[0.5, 0.5], [0.5, np.nan]], [0, 0], "row 1: a probability is not finite"),
        ([[0.5, 0.5], [np.inf, 0]], [0, 0], "row 1: a probability is not finite"),
        ([[1.5, -0.5]], [0], "row 0: a probability is negative (-0.5)"),
        ([[0.5, 0.5], [0.5, 0.4]], [0, 0], "row 1: the probabilities sum to 0.9, expected 1 ± 0.01: send softmax's"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 2], "row 1: label 2 is none of the 2 classes"),
        ([[0.5, 0.5]], [-1], "row 0: label -1 is none of the 2 classes"),
        ([[0.5, 0.5]], [0, 1], "1 rows of probabilities, but 2 labels"),
        ([0.5, 0.5], [0, 1], "of shapes (2,) and (2,), expected (n, K) and (n,)"),
        ([[1.0], [1.0]], [0, 0], "at least two"),
        ([[0.5, 0.5], [1.0]], [0, 0], "not a regular array"),
        ([["a", "b"]], [0], "expected numbers"),
        ([[0.5, 0.5]], [0.5], "labels are of type float64"),
        ([[0.5, 0.5]], [True], "labels are of type bool"),
    ],
)
def test_wrong_rows_are_named(probabilities: list[object], labels: list[object], words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        evaluate(probabilities, labels)  # type: ignore[arg-type]
    assert words in error.value.message


@pytest.mark.parametrize(
    "wrong", [{"score": "raps"}, {"batch_size": 0}, {"calibration_batches": -1}, {"uncertainty_batches": -1}]
)
def test_wrong_arguments_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        evaluate([[0.5, 0.5]], [0], **wrong)  # type: ignore[arg-type]


def test_rows_that_nearly_sum_to_one_are_taken() -> None:
    assert evaluate([[0.501, 0.507]], [0]).calibration_rows == 1


@pytest.mark.parametrize("score", SCORES)
def test_sets_cover_as_promised(score: Score) -> None:
    """200 times: calibrate on 199 rows and test on 200. Covered ones are beta-binomial, with the threshold's rank."""
    generator = np.random.default_rng(12)
    alpha, n, tested = 0.1, 199, 200
    rank = math.ceil((n - 1) * math.ceil((n + 1) * (1 - alpha)) / n) + 1
    covered = [covered_share(generator, n, tested, alpha, score) for _ in range(200)]
    mean, total = rank / (n + 1), n + 1
    variance = mean * (1 - mean) * (total + tested) / (tested * (total + 1))
    assert abs(np.mean(covered) - mean) < 4 * math.sqrt(variance / 200)
    assert 0.7 * variance < np.var(covered) < 1.4 * variance


def covered_share(generator: np.random.Generator, n: int, tested: int, alpha: float, score: Score) -> float:
    probabilities, labels = drawn(generator, n + tested)
    threshold = quantile(true_scores(Batch(probabilities[:n], labels[:n]), score), alpha)
    chosen = sets(probabilities[n:], threshold, score)
    return float(chosen[np.arange(tested), labels[n:]].mean())


def test_on_real_outputs(shared_data: Path) -> None:
    """Of a model that is right about 93 times of a hundred, and knows it badly."""
    told = evaluate(*cifar(shared_data))
    assert told.accuracy is not None
    assert told.coverage is not None
    assert told.uncertainty is not None
    assert told.accuracy == pytest.approx(0.93, abs=0.01)
    assert told.coverage == pytest.approx(1 - (told.history.alphas[-1] or 0), abs=0.03)
    assert 1 - told.accuracy - 0.03 < told.uncertainty < 0.1
    assert told.max_set_size is not None
    assert told.max_set_size <= 3
    assert told.weaknesses == ()


def of(some: Rows, score: Score, size: int, first: int, second: int) -> Evaluation:
    return evaluate(*some, score=score, batch_size=size, calibration_batches=first, uncertainty_batches=second)
