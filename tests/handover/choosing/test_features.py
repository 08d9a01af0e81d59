"""What a model is shown."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.handover.circumstances import Windows, completed
from quintet.handover.features import (
    LABEL_FEATURES,
    LENGTH,
    PAIR_FEATURES,
    SEQUENCE_FEATURES,
    label_features,
    label_names,
    pair_features,
    sequences,
)
from quintet.handover.history import EMPTY, Handover, History
from quintet.handover.ranges import PAIR_RANGES, SEQUENCE_RANGES, limits
from quintet.handover.sights import Candidate, Look, Sight
from tests.handover.choosing.drawn import any_looks
from tests.handover.choosing.world import sight

ORIGINAL = {
    "latitude",
    "longitude",
    "velocity",
    "direction_x",
    "direction_y",
    "speed",
    "acceleration",
    "heading_change_rate",
    "path_curvature",
    "altitude",
    "environment",
    "cell_load",
    "handover_count",
    "time_since_handover",
    "signal_trend",
    "rsrp_stddev",
    "sinr_stddev",
    "rsrp_current",
    "sinr_current",
    "rsrq_current",
    "best_rsrp_diff",
    "best_sinr_diff",
    "best_rsrq_diff",
}


def shown(look: Look, cell: str) -> dict[str, float]:
    """One candidate's features by name."""
    place = [candidate.cell for candidate in look.sight.candidates].index(cell)
    return dict(zip(PAIR_FEATURES, pair_features(look)[place].tolist(), strict=True))


def driven(*levels: dict[str, float], serving: str = "a", **more: Any) -> Look:
    """Looks a second apart."""
    *before, now = [sight(float(number), serving, cells, **more) for number, cells in enumerate(levels)]
    return Look(now, History(tuple(before)))


def test_names_are_the_originals() -> None:
    assert set(LABEL_FEATURES[:23]) == ORIGINAL
    assert LABEL_FEATURES[23:27] == ("rsrp_a1", "sinr_a1", "rsrq_a1", "neighbor_cell_load_a1")
    assert len(LABEL_FEATURES) == 35
    assert len(label_names(5)) == 43
    assert len(set(PAIR_FEATURES)) == len(PAIR_FEATURES)


@settings(max_examples=40)
@given(any_looks())
def test_whatever_is_sent_features_are_finite_and_in_their_ranges(look: Look) -> None:
    count = len(look.sight.candidates)
    for features, ranges, shape in (
        (pair_features(look), PAIR_RANGES, (count, len(PAIR_FEATURES))),
        (sequences(look), SEQUENCE_RANGES, (count, LENGTH, len(SEQUENCE_FEATURES))),
    ):
        low, high = limits(ranges.values()).astype(np.float32)
        assert features.dtype == np.float32
        assert features.shape == shape
        assert np.isfinite(features).all()
        blank = features == 0 if features.ndim == 3 else np.False_
        assert ((features >= low) & (features <= high) | blank).all()
    labels = label_features(look)
    assert labels.shape == (35,)
    assert labels.dtype == np.float32
    assert np.isfinite(labels).all()


@settings(max_examples=40)
@given(any_looks(), st.randoms())
def test_the_order_of_cells_orders_the_rows_and_nothing_else(look: Look, random: Any) -> None:
    places = list(range(len(look.sight.candidates)))
    random.shuffle(places)
    other = Look(
        shuffled(look.sight, random, places),
        History(tuple(shuffled(one, random) for one in look.history.sights), look.history.handovers),
    )
    assert (pair_features(other) == pair_features(look)[places]).all()
    assert (sequences(other) == sequences(look)[places]).all()
    assert (label_features(other) == label_features(look)).all()


def shuffled(one: Sight, random: Any, places: list[int] | None = None) -> Sight:
    order = places or random.sample(range(len(one.candidates)), len(one.candidates))
    return replace(one, candidates=tuple(one.candidates[place] for place in order))


@settings(max_examples=40)
@given(any_looks())
def test_names_of_cells_mean_nothing(look: Look) -> None:
    names: dict[str | None, str] = {}

    def other(cell: str | None) -> str | None:
        return None if cell is None else names.setdefault(cell, f"{9 - len(names)}")

    def renamed(one: Sight) -> Sight:
        cells = tuple(candidate._replace(cell=other(candidate.cell) or "") for candidate in one.candidates)
        return replace(one, serving=other(one.serving), candidates=cells)

    handovers = tuple(
        replace(done, source=other(done.source) or "", target=other(done.target) or "")
        for done in look.history.handovers
    )
    same = Look(renamed(look.sight), History(tuple(map(renamed, look.history.sights)), handovers))
    assert (pair_features(same) == pair_features(look)).all()
    assert (sequences(same) == sequences(look)).all()


def test_a_pair_looks_the_same_in_any_place() -> None:
    def there(x: float, y: float) -> Look:
        sights = [sight(float(at), "a", {"a": -80.0, "b": -78.0}, place=(x + 10 * at, y)) for at in range(4)]
        return Look(sights[-1], History(tuple(sights[:-1])))

    here = pair_features(there(0.0, 0.0))
    assert (pair_features(there(500.0, 866.0)) == here).all()
    assert (pair_features(there(-2048.0, -512.0)) == here).all()
    assert shown(there(0.0, 0.0), "a")["speed"] == 10.0


def test_levels_and_differences() -> None:
    cells = (
        Candidate("a", -80.0, 10.0, -9.0, 0.5),
        Candidate("b", -75.0, 8.0, -10.0, 0.2),
        Candidate("c", -90.0, 12.0, -12.0, 0.0),
    )
    look = Look(Sight(0.0, None, None, "a", cells), EMPTY)
    b = shown(look, "b")
    assert (b["rsrp_current"], b["sinr_current"], b["rsrq_current"]) == (-80, 10, -9)
    assert (b["best_rsrp_diff"], b["best_sinr_diff"], b["best_rsrq_diff"]) == (5, -2, -1)
    assert (b["rsrp_over_serving"], b["sinr_over_serving"], b["rsrq_over_serving"]) == (5, -2, -1)
    assert (b["rsrp_over_best_other"], b["sinr_over_best_other"]) == (5, -2)
    assert (b["rsrp_rank"], b["sinr_rank"], b["is_serving"], b["cells_heard"]) == (0, 2, 0, 3)
    assert b["load_over_serving"] == pytest.approx(-0.3)
    a = shown(look, "a")
    assert (a["is_serving"], a["rsrp_over_serving"], a["rsrp_over_best_other"], a["rsrp_rank"]) == (1, 0, -5, 1)
    assert a["cell_load"] == pytest.approx(0.5)


def test_trends_are_of_decibels_a_second() -> None:
    look = driven(*({"a": -80.0 - at, "b": -90.0 + 2.0 * at} for at in range(5)))
    b = shown(look, "b")
    assert b["candidate_rsrp_trend"] == pytest.approx(2.0)
    assert b["rsrp_trend_over_serving"] == pytest.approx(3.0)
    assert b["signal_trend"] == pytest.approx(-1.0)
    assert b["rsrp_over_serving_soon"] == pytest.approx(2.0 + 2 * 3.0)
    assert b["mean_rsrp_over_serving"] == pytest.approx(-4.0)
    assert b["rsrp_stddev"] == pytest.approx(np.std([-80, -81, -82, -83, -84]))


def test_for_how_long_it_has_been_above() -> None:
    margins = [3.0, 1.0, 2.5, 2.1, 4.0]
    look = driven(*({"a": -80.0, "b": -80.0 + margin} for margin in margins))
    assert shown(look, "b")["seconds_above_serving"] == 2.0
    assert shown(look, "a")["seconds_above_serving"] == 0.0
    assert shown(look, "b")["seconds_heard"] == 4.0


def test_a_cell_that_was_not_heard_has_no_trend_of_that_time() -> None:
    look = driven({"a": -80.0}, {"a": -80.0, "b": -90.0}, {"a": -80.0, "b": -89.0})
    assert shown(look, "b")["candidate_rsrp_trend"] == pytest.approx(1.0)
    assert shown(look, "b")["seconds_heard"] == 1.0


def test_what_is_long_past_says_nothing() -> None:
    before, now = sight(0.0, "a", {"a": -80.0}), sight(3600.0, "a", {"a": -70.0})
    late = shown(Look(now, History((before,))), "a")
    assert (late["candidate_rsrp_trend"], late["seconds_heard"]) == (0.0, 0.0)


def test_where_the_ue_has_just_been() -> None:
    done = (Handover(40.0, "b", "c"), Handover(90.0, "c", "a"), Handover(99.0, "a", "b", followed=False))
    look = Look(sight(100.0, "a", {"a": -80.0, "b": -81.0, "c": -82.0}), History((), done))
    b, c = shown(look, "b"), shown(look, "c")
    assert (b["times_left"], b["seconds_since_left"], c["seconds_since_left"]) == (1, 60, 10)
    assert (b["handovers_last_minute"], b["handover_count"], b["time_since_handover"]) == (1, 2, 10)
    assert (shown(look, "a")["times_left"], shown(look, "a")["seconds_since_left"]) == (0, 600)


def test_what_was_sent_stands() -> None:
    said: dict[str, Any] = {
        "speed": 3.0,
        "signal_trend": 4.0,
        "rsrp_stddev": 5.0,
        "sinr_stddev": 6.0,
        "handover_count": 7.0,
    }
    look = driven({"a": -80.0}, {"a": -70.0}, **said)
    assert {name: shown(look, "a")[name] for name in said} == said


def test_windows_are_of_the_last_looks() -> None:
    look = driven({"a": -60.0}, {"a": -80.0}, {"a": -82.0})
    assert completed(look, Windows(signal=2)).sight.rsrp_stddev == pytest.approx(1.0)
    assert completed(look, Windows(signal=3)).sight.rsrp_stddev == pytest.approx(np.std([-60, -80, -82]))
    assert completed(look, Windows(signal=1)).sight.rsrp_stddev == 0.0
    once = completed(look)
    assert completed(once, Windows(signal=2)) is once


def test_curvature_is_of_the_window_of_positions() -> None:
    places = [(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (20.0, 10.0)]
    sights = [sight(float(at), "a", {"a": -80.0}, place=place) for at, place in enumerate(places)]
    look = Look(sights[-1], History(tuple(sights[:-1])))
    assert completed(look, Windows(position=4)).sight.path_curvature == pytest.approx(np.pi / 2 / 20)
    assert completed(look, Windows(position=3)).sight.path_curvature == 0.0


def test_acceleration_is_of_speeds() -> None:
    sights = [sight(float(at), "a", {"a": -80.0}, speed=10.0 + 2.0 * at) for at in range(3)]
    look = Look(sights[-1], History(tuple(sights[:-1])))
    assert shown(look, "a")["acceleration"] == pytest.approx(2.0)


def test_sequences_are_newest_last_and_masked_in_front() -> None:
    look = driven({"a": -80.0, "b": -90.0}, {"a": -82.0}, {"a": -84.0, "b": -85.0})
    steps = sequences(look)
    named = {name: steps[1, :, place] for place, name in enumerate(SEQUENCE_FEATURES)}
    assert named["present"].tolist() == [0] * 7 + [1] * 3
    assert named["heard"].tolist() == [0] * 7 + [1, 0, 1]
    assert named["rsrp"].tolist() == [0] * 7 + [-90, -120, -85]
    assert named["serving_rsrp"].tolist() == [0] * 7 + [-80, -82, -84]
    assert named["seconds_ago"].tolist() == [0] * 7 + [2, 1, 0]
    assert not steps[:, :7].any()


def test_a_sequence_is_another_when_its_history_is_permuted() -> None:
    look = driven({"a": -80.0}, {"a": -85.0}, {"a": -90.0})
    first, second = look.history.sights
    swapped = History((replace(second, at=first.at), replace(first, at=second.at)))
    assert (sequences(Look(look.sight, swapped)) != sequences(look)).any()


def test_a_sequence_holds_the_last_ten() -> None:
    look = driven(*({"a": -80.0 - at} for at in range(15)))
    rsrp = sequences(look)[0, :, SEQUENCE_FEATURES.index("rsrp")]
    assert rsrp.tolist() == [-85.0 - at for at in range(10)]


def test_neighbours_of_the_original_are_the_strongest() -> None:
    cells = {"a": -80.0, "b": -95.0, "c": -85.0, "d": -90.0, "e": -100.0}
    labels = dict(
        zip(LABEL_FEATURES, label_features(Look(sight(0.0, "a", cells, place=(-3.0, 4.0)), EMPTY)), strict=True)
    )
    assert [labels[f"rsrp_a{k}"] for k in (1, 2, 3)] == [-85, -90, -95]
    assert (labels["latitude"], labels["longitude"], labels["best_rsrp_diff"]) == (-3, 4, -5)
    alone = dict(zip(LABEL_FEATURES, label_features(Look(sight(0.0, "a", {"a": -80.0}), EMPTY)), strict=True))
    assert (alone["rsrp_a1"], alone["rsrq_a3"], alone["best_rsrp_diff"]) == (-120, -30, 0)
