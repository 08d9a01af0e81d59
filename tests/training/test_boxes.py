"""Which of a model's candidates are told."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from quintet.training.boxes import MOST_CANDIDATES, Boxes, candidates, centred, clipped, overlaps, suppressed


def random_boxes(count: int, classes: int, seed: int, *, size: float = 100) -> Boxes:
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, size, (count, 2))
    corners = np.hstack([low, low + generator.uniform(1, size / 3, (count, 2))])
    scores = generator.random(count).astype(np.float32)
    return Boxes(corners, scores, generator.integers(0, classes, count))


def one_by_one(boxes: Boxes, overlap: float, limit: int) -> list[int]:
    """The definition, in O(n²): each box against each kept one."""
    kept: list[int] = []
    for index in sorted(range(len(boxes.scores)), key=lambda index: -float(boxes.scores[index])):
        if len(kept) < limit and all(
            boxes.classes[other] != boxes.classes[index]
            or shared(boxes.corners[other], boxes.corners[index]) <= overlap
            for other in kept
        ):
            kept.append(index)
    return kept


def shared(one: np.ndarray, other: np.ndarray) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(common / (areas - common))


@given(
    some.integers(0, 60), some.integers(1, 4), some.integers(0, 1000), some.floats(0, 1), some.sampled_from([1, 5, 300])
)
def test_suppression_is_what_its_definition_says(
    count: int, classes: int, seed: int, overlap: float, limit: int
) -> None:
    boxes = random_boxes(count, classes, seed)
    expected = one_by_one(boxes, overlap, limit)
    kept = suppressed(boxes, overlap, limit)
    assert np.array_equal(kept.corners, boxes.corners[expected])
    assert np.array_equal(kept.classes, boxes.classes[expected])
    assert (np.diff(kept.scores) <= 0).all()


def test_equal_scores_keep_their_order() -> None:
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60]], dtype=float)
    kept = suppressed(Boxes(corners, np.full(3, 0.5, np.float32), np.zeros(3, np.intp)), 0.5)
    assert kept.corners.tolist() == corners[[0, 2]].tolist()


def test_classes_do_not_suppress_each_other() -> None:
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], dtype=float)
    assert len(suppressed(Boxes(corners, np.array([0.9, 0.8], np.float32), np.array([0, 1]))).scores) == 2
    assert len(suppressed(Boxes(corners, np.array([0.9, 0.8], np.float32), np.array([1, 1]))).scores) == 1


def test_ten_thousand_candidates_take_no_time_and_leave_three_hundred() -> None:
    boxes = random_boxes(10_000, 80, seed=1, size=5000)
    start = time.perf_counter()
    kept = suppressed(boxes, 0.45)
    assert time.perf_counter() - start < 2
    assert len(kept.scores) == 300


def output(*columns: list[float]) -> np.ndarray:
    return np.array(columns, dtype=np.float32).T


def test_a_candidate_counts_for_each_of_its_classes_or_the_best() -> None:
    seen = output([0, 0, 4, 4, 0.9, 0.6], [1, 1, 5, 5, 0.2, 0.25])
    assert sorted(zip(candidates(seen).classes.tolist(), candidates(seen).corners[:, 0], strict=True)) == [
        (0, 0),
        (1, 0),
    ]
    assert candidates(seen, one_class=True).classes.tolist() == [0]
    assert candidates(seen, 0.1, one_class=True).classes.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(6))
def test_what_is_no_number_does_not_count(wrong: float, row: int) -> None:
    seen = output([0, 0, 4, 4, 0.9, 0.0], [1, 1, 5, 5, 0.9, 0.0])
    seen[row, 0] = wrong
    found = candidates(seen)
    assert np.isfinite(found.corners).all()
    assert np.isfinite(found.scores).all()
    assert [1, 1, 5, 5] in found.corners.tolist()
    assert len(found.scores) == (2 if row == 5 else 1)


def test_nothing_seen() -> None:
    for nothing in (np.zeros((6, 0), np.float32), np.zeros((6, 40), np.float32), np.full((6, 3), np.nan, np.float32)):
        assert len(suppressed(clipped(candidates(nothing), 10, 10)).scores) == 0


def test_of_too_many_the_best_are_taken() -> None:
    scores = np.random.default_rng(0).random((2, MOST_CANDIDATES)).astype(np.float32)
    found = candidates(np.vstack([np.zeros((4, MOST_CANDIDATES), np.float32), scores]), 0)
    assert len(found.scores) == MOST_CANDIDATES
    assert found.scores.min() >= np.sort(scores.ravel())[-MOST_CANDIDATES]


@given(arrays(np.float64, (5, 4), elements=some.floats(-50, 150)), some.integers(1, 100), some.integers(1, 100))
def test_what_is_told_lies_in_the_image(corners: np.ndarray, height: int, width: int) -> None:
    inside = clipped(Boxes(corners, np.ones(5, np.float32), np.zeros(5, np.intp)), height, width).corners
    relative = centred(inside) / [width, height, width, height]
    assert ((relative >= 0) & (relative <= 1)).all()
    assert (relative[:, 2:] > 0).all()
    assert ((relative[:, :2] - relative[:, 2:] / 2) >= -1e-12).all()
    assert ((relative[:, :2] + relative[:, 2:] / 2) <= 1 + 1e-12).all()


def test_overlap_of_a_box_with_itself_and_with_a_far_one() -> None:
    box = np.array([3.0, 4, 10, 20])
    assert overlaps(box, np.array([box, box + 100])).tolist() == [1, 0]
