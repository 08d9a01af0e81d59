"""What the room's two pictures show, and how they say it."""

import numpy as np

from quintet.handover.coverage import Antenna, Coverage
from quintet.handover.trajectory import Leg, Trajectory
from quintet.kernel.charts import Areas, Chart, Marks, Panel, Surface, Way

OTHERS = "other cells"
MOST_CELLS = 7
"""Cells with a colour of their own; a reader tells no more apart."""


def coverage_chart(coverage: Coverage, model: str) -> Chart:
    masts = _masts(coverage.antennas)
    areas = Areas(coverage.chosen, coverage.chosen != coverage.strongest, "not the strongest there")
    return Chart(
        title=f"Coverage by the {model}, on a grid of {len(coverage.xs)} × {len(coverage.ys)} points",
        x_label="x, the field latitude (m)",
        y_label="y, the field longitude (m)",
        panels=(
            Panel("Antenna that the model would choose", areas, marks=(masts,)),
            Panel("Signal of the strongest antenna", Surface(coverage.rsrp, "RSRP (dBm)"), marks=(masts,)),
        ),
        groups=tuple(antenna.cell for antenna in coverage.antennas),
        extent=coverage.extent,
    )


def trajectory_chart(way: Trajectory, antennas: tuple[Antenna, ...]) -> Chart:
    """With the antennas among those that served, where the plane is theirs."""
    groups = _groups(way)
    labels = (
        ("longitude (°)", "latitude (°)")
        if way.degrees
        else ("x, the field latitude (m)", "y, the field longitude (m)")
    )
    known = () if way.degrees else tuple(antenna for antenna in antennas if antenna.cell in way.cells)
    return Chart(
        title=f"Way of one UE: {_counted(len(way.points), 'point')}, {_counted(len(way.handovers), 'handover')}",
        x_label=labels[0],
        y_label=labels[1],
        panels=(Panel("", ways=tuple(_ways(way, groups)), marks=tuple(_marks(way, known))),),
        groups=groups,
        stretch=way.stretch,
    )


def _ways(way: Trajectory, groups: tuple[str, ...]) -> list[Way]:
    return [Way(way.points[leg.first : leg.last + 1], _group(leg, groups)) for leg in way.legs]


def _group(leg: Leg, groups: tuple[str, ...]) -> int | None:
    if leg.cell is None:
        return None
    return groups.index(leg.cell if leg.cell in groups else OTHERS)


def _groups(way: Trajectory) -> tuple[str, ...]:
    """In the order of their names, so that antennas have the same colours here as on the map of coverage."""
    cells = way.cells
    return tuple(sorted(cells)) if len(cells) <= MOST_CELLS else (*sorted(cells[: MOST_CELLS - 1]), OTHERS)


def _marks(way: Trajectory, antennas: tuple[Antenna, ...]) -> list[Marks]:
    marks = [Marks(way.points[list(way.handovers)].reshape(-1, 2), "handover", "handover")] if way.handovers else []
    ends = [Marks(way.points[:1], "start", "start"), Marks(way.points[-1:], "end", "end")]
    return [*([_masts(antennas)] if antennas else []), *marks, *ends]


def _masts(antennas: tuple[Antenna, ...]) -> Marks:
    places = np.array([(antenna.x, antenna.y) for antenna in antennas], dtype=np.float64)
    return Marks(places, "mast", "antenna", tuple(antenna.cell for antenna in antennas))


def _counted(number: int, noun: str) -> str:
    """
    >>> _counted(1, "point"), _counted(2, "point")
    ('1 point', '2 points')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
