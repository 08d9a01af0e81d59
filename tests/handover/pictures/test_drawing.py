"""Charts as PNG: of the promised size, in the promised colours, whatever cells are called and wherever a UE was."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from quintet.adapters.matplotlib_pictures import COLOURS, MatplotlibDrawing, readable
from quintet.handover.charts import coverage_chart, trajectory_chart
from quintet.handover.coverage import antennas_of, grid_of
from quintet.handover.messages import TrajectoryPoint
from quintet.handover.trajectory import trajectory

PLANE = antennas_of("antenna_1=0:0,antenna_2=1000:0,antenna_3=500:866")


def pixels(png: bytes) -> NDArray[np.uint8]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def shows(picture: NDArray[np.uint8], colour: str) -> int:
    """Pixels of exactly this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return int((picture == wanted).all(axis=2).sum())


def drawn(points: Sequence[TrajectoryPoint]) -> NDArray[np.uint8]:
    return pixels(MatplotlibDrawing().png(trajectory_chart(trajectory(points), PLANE)))


def test_a_map_shows_each_antenna_s_area_and_is_the_same_again() -> None:
    grid = grid_of(PLANE)
    chart = coverage_chart(grid.coverage(list(grid.rsrp)), "lightgbm model 1.0.0")
    first = MatplotlibDrawing().png(chart)
    assert first == MatplotlibDrawing().png(chart)
    picture = pixels(first)
    assert picture.shape == (616, 1364, 3)
    faded = [tuple(round(0.75 * int(c[at : at + 2], 16) + 0.25 * 255) for at in (1, 3, 5)) for c in COLOURS[:3]]
    areas = [int((np.abs(picture.astype(int) - colour).max(axis=2) <= 1).sum()) for colour in faded]
    assert min(areas) > 30_000


def test_a_way_shows_the_colours_of_its_cells_alone() -> None:
    points = [
        TrajectoryPoint(latitude=10.0 * at, longitude=20.0 * at, connected_to="ab"[at // 50]) for at in range(100)
    ]
    picture = drawn(points)
    assert [shows(picture, colour) > 100 for colour in COLOURS[:4]] == [True, True, False, False]


ODD = [
    [(1.0, 2.0, None)],
    [(5.0, 5.0, "a")] * 3,
    [(1e12, -1e12, "$x_{$"), (-1e12, -1e12, "_hidden"), (0.0, 0.0, "a" * 100)],
    [(1e-9, 0.0, "基站"), (0.0, 1e-9, "\N{PILE OF POO}")],
    [(90.0, 180.0, None), (-90.0, -180.0, "a")],
    [(0.0, float(at), f"c{at}") for at in range(40)],
]


@pytest.mark.parametrize("points", ODD, ids=range(len(ODD)))
def test_odd_ways_are_drawn_without_a_warning(points: list[tuple[float, float, str | None]]) -> None:
    picture = drawn([TrajectoryPoint(latitude=x, longitude=y, connected_to=cell) for x, y, cell in points])
    assert picture.shape == (616, 818, 3)


def test_names_are_shown_as_far_as_they_can_be() -> None:
    assert readable("Köln-3") == "Köln-3"
    assert readable("基1") == "?1"
    assert readable("_x") == " _x"
    assert readable("a" * 30) == "a" * 23 + "…"
