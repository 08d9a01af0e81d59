"""The map of coverage: what is heard on a grid, and whom the model chooses there."""

import numpy as np
import pytest

from quintet.handover.charts import coverage_chart
from quintet.handover.coverage import SIDE, Antenna, antennas_of, grid_of
from quintet.kernel.charts import Areas, Surface
from quintet.kernel.errors import InvalidInput

PLANE = antennas_of("antenna_1=0:0,antenna_2=1000:0,antenna_3=500:866")


def test_a_grid_of_fifty_by_fifty_reaches_beyond_the_antennas() -> None:
    grid = grid_of(PLANE)
    assert len(grid.looks()) == SIDE * SIDE == 2500
    assert (grid.xs[0], grid.xs[-1]) == (-100, 1100)
    assert grid.ys[0] == -100
    assert grid.ys[-1] == pytest.approx(966)


def test_the_nearest_antenna_is_the_strongest() -> None:
    grid = grid_of(PLANE)
    places = np.array([(one.x, one.y) for one in PLANE])
    points = np.array([(look.sight.x, look.sight.y) for look in grid.looks()], dtype=float)
    distances = np.linalg.norm(points[:, None] - places, axis=2)
    clear = np.diff(np.sort(distances, axis=1)[:, :2], axis=1).ravel() > 1
    assert (grid.rsrp.argmax(axis=1) == distances.argmin(axis=1))[clear].all()


def test_the_same_antennas_give_the_same_grid_in_whatever_order() -> None:
    one, other = grid_of(PLANE), grid_of(PLANE[::-1])
    assert one.antennas == other.antennas
    assert (one.rsrp == other.rsrp).all()


def test_a_look_hears_every_antenna_and_is_served_by_none() -> None:
    look = grid_of(PLANE).looks()[0]
    assert [candidate.cell for candidate in look.sight.candidates] == ["antenna_1", "antenna_2", "antenna_3"]
    assert look.sight.serving is None
    assert all(np.isfinite([one.rsrp, one.sinr, one.rsrq]).all() for one in look.sight.candidates)


def test_rows_of_the_map_begin_below() -> None:
    grid = grid_of(PLANE)
    scores = [np.array([-(look.sight.y or 0), 0.0, look.sight.y or 0]) for look in grid.looks()]
    coverage = grid.coverage(scores)
    assert coverage.chosen[0].tolist() == [0] * SIDE
    assert coverage.chosen[-1].tolist() == [2] * SIDE


def test_where_the_model_does_not_take_the_strongest_is_hatched() -> None:
    grid = grid_of(PLANE)
    always_the_second = [np.array([0.0, 1.0, 0.0])] * (SIDE * SIDE)
    chart = coverage_chart(grid.coverage(always_the_second), "lightgbm model 1.0.0")
    areas, surface = (panel.surface for panel in chart.panels)
    assert isinstance(areas, Areas)
    assert isinstance(surface, Surface)
    assert (areas.doubtful == (grid.rsrp.argmax(axis=1).reshape(SIDE, SIDE) != 1)).all()
    assert areas.doubtful.any()
    assert surface.label == "RSRP (dBm)"
    assert "lightgbm model 1.0.0" in chart.title


def test_one_antenna_is_a_map_too() -> None:
    grid = grid_of([Antenna("only", 5.0, 5.0)])
    assert (grid.coverage([np.array([1.0])] * (SIDE * SIDE)).chosen == 0).all()
    assert np.isfinite(grid.rsrp).all()


@pytest.mark.parametrize("text", ["", "a", "a=1", "a=1:b", "=1:2", "a=1:nan", "a=1:2,a=3:4", "a=inf:1"])
def test_what_is_no_antenna_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="name=x:y"):
        antennas_of(text)
