"""Trees in ONNX answer as LightGBM does, wherever a value lies."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.adapters.lightgbm_trees import Grown, LightgbmTrees, softmax
from quintet.adapters.onnx_trees import NOTHING, not_above
from quintet.kernel.errors import InvalidInput

FEATURES, PARITY = 6, 1e-5
GROWTH: dict[str, Any] = {"n_estimators": 30, "num_leaves": 15, "min_data_in_leaf": 3}


def lists(count: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """In each list the row is right that has most of the first feature."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 6, count)
    rows = random.normal(0, 5, (sizes.sum(), FEATURES)).astype(np.float32)
    rows[rows[:, 1] < -5, 1] = 0.0
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    right = [int(rows[start : start + size, 0].argmax()) for start, size in zip(starts, sizes, strict=True)]
    return rows, sizes, np.array(right)


@pytest.fixture(scope="module")
def ranked() -> Grown:
    return LightgbmTrees().rank(lists(300), lists(60, 1), GROWTH, seed=1, on_round=lambda _: None)


@pytest.fixture(scope="module")
def classified() -> Grown:
    rows = lists(200)[0]
    labels = (np.abs(rows[:, 0]) // 4).clip(0, 2).astype(np.int64)
    return LightgbmTrees().classify((rows, labels), None, 3, GROWTH, seed=1, on_round=lambda _: None)


def onnx_scores(grown: Grown, rows: Any) -> Any:
    session = onnxruntime.InferenceSession(grown.onnx())
    return session.run(None, {"features": np.ascontiguousarray(rows, dtype=np.float32)})[0]


def edges(grown: Grown) -> Any:
    """Every threshold, and the float32 values next to it on either side; zeros of both signs; the ends of float32."""
    splits = {t for tree in grown.trees for t, value in zip(tree.threshold, tree.value, strict=True) if value is None}
    near = np.array(sorted(splits), dtype=np.float32)
    beside = [np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf)]
    ends = np.array([0.0, -0.0, NOTHING, -NOTHING, 1e-38, -1e-38, 1e-30, -1e-30, 3e38, -3e38], dtype=np.float32)
    pool = np.concatenate([near, *beside, ends])
    return np.random.default_rng(2).choice(pool, (4000, FEATURES))


def test_parity_over_random_and_edge_inputs(ranked: Grown, classified: Grown) -> None:
    for grown, width in ((ranked, 1), (classified, 3)):
        assert grown.rounds > 0
        for rows in (np.random.default_rng(3).normal(0, 5, (3000, FEATURES)).astype(np.float32), edges(grown)):
            scores = onnx_scores(grown, rows)
            assert scores.shape == (len(rows), width)
            assert np.abs(scores - grown.raw(rows)).max() <= PARITY


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e30, max_value=1e30), st.data())
def test_a_threshold_parts_the_same_values(threshold: float, data: st.DataObject) -> None:
    value = data.draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    taken = 0.0 if abs(value) <= NOTHING else value
    assert (value <= not_above(threshold)) == (taken <= threshold)


def test_scores_are_scaled(ranked: Grown) -> None:
    rows = lists(5)[0]
    session = onnxruntime.InferenceSession(ranked.onnx(scale=0.5))
    assert session.run(None, {"features": rows})[0] == pytest.approx(ranked.raw(rows) / 2, abs=PARITY)


def test_what_is_right_comes_first_and_sure(ranked: Grown) -> None:
    rows, sizes, right = lists(100, 9)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shares = softmax(ranked.raw(rows)[:, 0], starts, sizes)
    hits = [int(part.argmax()) == one for part, one in zip(np.split(shares, starts[1:]), right, strict=True)]
    assert np.mean(hits) > 0.8
    assert ranked.importance[0] == max(ranked.importance)
    assert ranked.importance.sum() == pytest.approx(1)


def test_the_same_seed_grows_the_same_bytes(ranked: Grown) -> None:
    again = LightgbmTrees().rank(lists(300), lists(60, 1), GROWTH, seed=1, on_round=lambda _: None)
    assert again.onnx() == ranked.onnx()


def test_it_stops_where_nothing_is_gained() -> None:
    growth = GROWTH | {"n_estimators": 500, "early_stopping_rounds": 5}
    rounds: list[int] = []
    grown = LightgbmTrees().rank(lists(60), lists(60, 1), growth, seed=1, on_round=rounds.append)
    assert grown.rounds < rounds[-1] < 500


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidInput, match="LightGBM"):
        LightgbmTrees().rank(lists(5), None, GROWTH | {"num_leaves": 0}, seed=1, on_round=lambda _: None)
