"""The room's pictures: drawn when they are asked for, and kept in the bucket for some days besides."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from quintet.handover.charts import coverage_chart, trajectory_chart
from quintet.handover.coverage import Antenna, grid_of
from quintet.handover.messages import TrajectoryPoint
from quintet.handover.ports import Objects
from quintet.handover.serving import Serving
from quintet.handover.trajectory import trajectory
from quintet.kernel.charts import Chart, Drawing
from quintet.kernel.clock import Clock

FOLDER = "handover/pictures"
PNG = "image/png"


@dataclass(frozen=True)
class Picture:
    """key: where it is kept."""

    png: bytes
    key: str


@dataclass(frozen=True)
class Pictures:
    drawing: Drawing
    objects: Objects
    clock: Clock
    antennas: tuple[Antenna, ...]
    serving: Serving

    def coverage_map(self) -> Picture:
        """Raises ModelNotReadyError and Unavailable."""
        grid = grid_of(self.antennas)
        selector, scores = self.serving.scores(grid.looks())
        shown = coverage_chart(grid.coverage(scores), f"{selector.kind} model {selector.version}")
        return self._kept(shown, "coverage-map")

    def trajectory(self, points: Sequence[TrajectoryPoint]) -> Picture:
        """Raises Unavailable."""
        return self._kept(trajectory_chart(trajectory(points), self.antennas), "trajectory")

    def _kept(self, chart: Chart, name: str) -> Picture:
        """The same picture of the same day is kept once."""
        png = self.drawing.png(chart)
        key = f"{FOLDER}/{self.clock.now():%Y-%m-%d}/{name}-{sha256(png).hexdigest()[:16]}.png"
        self.objects.put(key, png, content_type=PNG)
        return Picture(png, key)
