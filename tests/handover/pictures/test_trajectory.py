"""The way of a UE: its legs, its handovers, and whether it is in degrees."""

import math

import pytest

from quintet.handover.charts import MOST_CELLS, OTHERS, trajectory_chart
from quintet.handover.coverage import antennas_of
from quintet.handover.messages import TrajectoryPoint
from quintet.handover.trajectory import trajectory

PLANE = antennas_of("antenna_1=0:0,antenna_2=1000:0,antenna_3=500:866")


def way(*cells: str | None, step: float = 50.0) -> list[TrajectoryPoint]:
    """North-east along the local plane, a point a cell."""
    return [
        TrajectoryPoint(latitude=step * at, longitude=-step * at, connected_to=cell) for at, cell in enumerate(cells)
    ]


def test_legs_follow_each_other_without_a_gap() -> None:
    found = trajectory(way("a", "a", "b", "a", "a"))
    assert [(leg.cell, leg.first, leg.last) for leg in found.legs] == [("a", 0, 2), ("b", 2, 3), ("a", 3, 4)]
    assert found.handovers == (2, 3)


def test_a_point_without_a_cell_is_no_handover() -> None:
    found = trajectory(way("a", None, "a", None, "b"))
    assert found.handovers == ()
    assert [leg.cell for leg in found.legs] == ["a", None, "a", None, "b"]


def test_metres_are_drawn_with_the_latitude_to_the_right() -> None:
    found = trajectory(way("a", "a", "a"))
    assert not found.degrees
    assert found.points.tolist() == [[0, 0], [50, -50], [100, -100]]
    assert found.stretch == 1


def test_degrees_are_drawn_as_a_map() -> None:
    found = trajectory([TrajectoryPoint(latitude=60 + at * 1e-4, longitude=23.8) for at in range(5)])
    assert found.degrees
    assert found.points[0].tolist() == [23.8, 60]
    assert found.stretch == pytest.approx(1 / math.cos(math.radians(60)), rel=1e-4)


def test_the_pole_stretches_no_map_beyond_measure() -> None:
    assert trajectory([TrajectoryPoint(latitude=90, longitude=0)]).stretch == 20


def test_few_cells_have_a_colour_each_in_the_order_of_their_names() -> None:
    chart = trajectory_chart(trajectory(way("b", "b", "b", "a")), PLANE)
    assert chart.groups == ("a", "b")
    assert [one.group for one in chart.panels[0].ways] == [1, 0]


def test_of_many_cells_the_longest_serving_have_one() -> None:
    cells = [f"c{number}" for number in range(20) for _ in range(20 - number)]
    chart = trajectory_chart(trajectory(way(*cells)), PLANE)
    assert chart.groups == (*(f"c{number}" for number in range(MOST_CELLS - 1)), OTHERS)
    assert {one.group for one in chart.panels[0].ways} == set(range(MOST_CELLS))


def test_antennas_stand_on_the_picture_where_they_served() -> None:
    shown = trajectory_chart(trajectory(way("antenna_1", "antenna_3")), PLANE)
    (masts,) = (marks for marks in shown.panels[0].marks if marks.sign == "mast")
    assert masts.names == ("antenna_1", "antenna_3")
    strangers = trajectory_chart(trajectory(way("AAAAA1001")), PLANE)
    assert not [marks for marks in strangers.panels[0].marks if marks.sign == "mast"]


@pytest.mark.parametrize(
    ("cells", "title"),
    [(("a",), "Way of one UE: 1 point, 0 handovers"), (("a", "b"), "Way of one UE: 2 points, 1 handover")],
)
def test_the_title_counts(cells: tuple[str, ...], title: str) -> None:
    assert trajectory_chart(trajectory(way(*cells)), PLANE).title == title
