"""What each kind of model makes of its graph's scores."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from quintet.adapters.onnx_graph import OnnxGraph
from quintet.handover.errors import ModelAltered
from quintet.handover.features import PAIR_FEATURES, label_names
from quintet.handover.history import History
from quintet.handover.manifest import Manifest, digest_of
from quintet.handover.messages import Kind
from quintet.handover.ports import Selector
from quintet.handover.selectors import LabelSelector, selector_of, shares
from quintet.handover.sights import Look, Sight
from quintet.kernel.errors import ModelUnavailable
from tests.handover.serving import graphs
from tests.handover.serving.world import CELLS, STRONGEST, WEAKEST, described, files_of, look, sight, weights_text

KINDS: tuple[Kind, ...] = ("lightgbm", "lstm", "ensemble", "online", "fixed_labels")
LEVELS = some.floats(-140, -40)
LOOKS = some.lists(LEVELS, min_size=1, max_size=9).map(
    lambda levels: look(*levels, cells=tuple(f"c{number}" for number in range(len(levels))))
)


def made(kind: Kind, files: dict[str, bytes] | None = None, weights: str | None = None, **about: object) -> Selector:
    content = files or files_of(kind, **STRONGEST)
    digests = {name: digest_of(one) for name, one in content.items()}
    manifest = Manifest.model_validate({"version": "v", "kind": kind, "files": digests, **described(kind), **about})
    return selector_of(manifest, content, OnnxGraph, weights)


@pytest.fixture(params=KINDS, scope="module")
def selector(request: pytest.FixtureRequest) -> Selector:
    return made(request.param)


class TestEvery:
    def test_says_what_it_is(self, selector: Selector) -> None:
        assert selector.version == "v"
        assert selector.kind in KINDS
        assert selector.features

    def test_nothing_asked_nothing_answered(self, selector: Selector) -> None:
        assert selector.scores([]) == []

    @settings(max_examples=40)
    @given(looks=some.lists(LOOKS, min_size=1, max_size=4))
    def test_shares_add_up_over_the_heard_cells(self, selector: Selector, looks: list[Look]) -> None:
        for given_, one in zip(selector.scores(looks), looks, strict=True):
            assert given_.dtype == np.float64
            assert given_.shape == (len(one.sight.candidates),)
            assert ((given_ >= 0) & (given_ <= 1)).all()
            assert given_.sum() == pytest.approx(1)

    @settings(max_examples=40)
    @given(looks=some.lists(LOOKS, min_size=1, max_size=6), others=some.lists(LOOKS, max_size=3))
    def test_a_batch_is_a_loop_to_the_last_bit(self, selector: Selector, looks: list[Look], others: list[Look]) -> None:
        together = selector.scores([*others, *looks])[len(others) :]
        for given_, one in zip(together, looks, strict=True):
            assert np.array_equal(given_, selector.scores([one])[0])


def test_the_likeliest_has_the_highest_score() -> None:
    for order in permutations((-70.0, -80.0, -90.0)):
        scores = made("lightgbm", files_of("lightgbm", **STRONGEST)).scores([look(*order)])[0]
        assert CELLS[int(np.argmax(scores))] == CELLS[order.index(-70.0)]
        scores = made("lightgbm", files_of("lightgbm", **WEAKEST)).scores([look(*order)])[0]
        assert CELLS[int(np.argmax(scores))] == CELLS[order.index(-90.0)]


def test_shares_are_the_softmax_of_the_scores() -> None:
    scores = made("lightgbm", files_of("lightgbm", rsrp_rank=-1.0)).scores([look(-70.0, -80.0, -90.0)])[0]
    assert scores == pytest.approx(np.exp([0, -1, -2]) / np.exp([0, -1, -2]).sum(), rel=1e-12)


def test_high_scores_do_not_overflow() -> None:
    assert shares(np.array([3e38, -3e38], np.float32)).tolist() == [1, 0]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_never_leaves(score: float) -> None:
    with pytest.raises(ModelUnavailable, match="no number"):
        shares(np.array([1, score], np.float32))


def test_a_model_that_answers_no_number_is_not_loaded() -> None:
    with pytest.raises(ModelAltered, match="no number"):
        made("lightgbm", {"pairs.onnx": graphs.broken()})


def test_lstm_sees_the_order_of_what_was() -> None:
    seen = [sight(float(at), -70.0 - at, -80.0 + at, -90.0) for at in range(10, 19)]
    told = made("lstm").scores([look(history=History(tuple(seen)))])[0]
    turned = made("lstm").scores([look(history=History(tuple(_swapped(seen))))])[0]
    assert not np.allclose(told, turned)
    assert not np.allclose(told, made("lstm").scores([look()])[0])


def test_an_ensemble_is_the_weighted_mean_of_its_members() -> None:
    looks = [look(-70.0, -71.0, -90.0), look(-90.0, -71.0, -70.0)]
    pairs, steps, both = (made(kind).scores(looks) for kind in ("lightgbm", "lstm", "ensemble"))
    for first, second, mean in zip(pairs, steps, both, strict=True):
        assert mean == pytest.approx((first + 3 * second) / 4, rel=1e-12)


@pytest.mark.parametrize(
    "weights",
    [{}, {"lightgbm": 0}, {"lightgbm": -1, "lstm": 2}, {"ensemble": 1}, {"lightgbm": float("nan")}, {"lightgbm": "1"}],
    ids=str,
)
def test_an_ensemble_without_sound_weights_is_refused(weights: dict[str, object]) -> None:
    files = files_of("ensemble") | {"ensemble.json": json.dumps({"weights": weights}).encode()}
    with pytest.raises(ModelAltered):
        made("ensemble", files)


def test_online_weights_are_inputs() -> None:
    strongest = made("online", files_of("online", **STRONGEST)).scores([look(-70.0, -80.0, -90.0)])[0]
    live = made("online", files_of("online", **STRONGEST), weights_text(**WEAKEST))
    assert live.scores([look(-70.0, -80.0, -90.0)])[0] == pytest.approx(strongest[::-1])


UNFIT = {
    "empty": "",
    "nothing": "{}",
    "list": "[]",
    "null": "null",
    "few": '{"weights": [1]}',
    "nan": weights_text().replace("0.5", "NaN"),
    "many": weights_text().replace("0.5]", "0.5, 1]"),
}


@pytest.mark.parametrize("text", UNFIT.values(), ids=UNFIT)
def test_online_weights_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(ModelAltered):
        made("online", files_of("online") | {"weights.json": text.encode()})


class TestFixedLabels:
    """The label is antenna_3 always; the labels are antenna_1 and antenna_3."""

    @staticmethod
    def labelled(*cells: str) -> LabelSelector:
        made_ = made("fixed_labels")
        assert isinstance(made_, LabelSelector)
        return made_

    @pytest.mark.parametrize(
        ("cells", "heard"), [(("antenna_1", "antenna_3"), True), (("antenna_1", "antenna_2"), False), (("x",), False)]
    )
    def test_answers_its_label_whatever_is_heard(self, cells: Sequence[str], heard: bool) -> None:
        answer = self.labelled().labels([look(cells=tuple(cells))])[0]
        assert (answer.label, answer.heard) == ("antenna_3", heard)
        assert answer.confidence == pytest.approx(np.e**2 / (1 + np.e**2))

    def test_shares_are_those_of_the_heard_labels(self) -> None:
        one = 1 / (1 + np.e**2)
        cases = {
            ("antenna_1", "antenna_3"): [one, 1 - one],
            ("antenna_1", "x"): [1, 0],
            ("x", "y"): [0.5, 0.5],
        }
        for cells, expected in cases.items():
            assert self.labelled().scores([look(cells=cells)])[0] == pytest.approx(expected)

    def test_may_have_been_trained_with_more_neighbours(self) -> None:
        names = label_names(5)
        files = files_of("fixed_labels") | {
            "labels.onnx": graphs.labels(("antenna_1", "antenna_3"), "antenna_1", names)
        }
        more = made("fixed_labels", files, features=names)
        assert isinstance(more, LabelSelector)
        assert more.labels([look()])[0].label == "antenna_1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_lacks_a_file_is_refused(kind: Kind) -> None:
    files = files_of(kind)
    for name in files:
        rest = {other: content for other, content in files.items() if other != name} or {"more.json": b""}
        with pytest.raises(ModelAltered, match=name):
            made(kind, rest)


@pytest.mark.parametrize("kind", ["lightgbm", "online", "ensemble"])
@pytest.mark.parametrize("features", [PAIR_FEATURES[:-1], PAIR_FEATURES[::-1], (*PAIR_FEATURES, "more"), ()])
def test_a_model_of_other_features_is_refused(kind: Kind, features: tuple[str, ...]) -> None:
    with pytest.raises(ModelAltered, match="features"):
        made(kind, features=features)


def test_a_file_that_is_no_model_is_refused() -> None:
    for content in (b"", b"no model", graphs.over_steps(), graphs.linear()[:-9]):
        with pytest.raises(ModelAltered, match=r"Version v can't be loaded"):
            made("lightgbm", {"pairs.onnx": content})


def _swapped(seen: Sequence[Sight]) -> list[Sight]:
    """What was seen first comes last, at the times as they were."""
    return [replace(one, at=other.at) for one, other in zip(reversed(seen), seen, strict=True)]
