"""Real traces, parted in time: what comes early may be learned from, what comes late is for examination only.

A file has the columns id, time (ISO) and gl (mg/dL), as the R package iglu writes its example data.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.glucose import forecast

EARLY = 0.7  # share of a person's readings
LONGEST_GAP = 45 * 60  # seconds; GlucoBench bridges shorter ones by a straight line
GRID = forecast.STEP.total_seconds()

Floats = NDArray[np.float64]


class Person(NamedTuple):
    """Readings of one person (n, 2), seconds and mg/dL, oldest first."""

    name: str
    trace: Floats

    def parted(self, share: float = EARLY) -> tuple["Person", "Person"]:
        """The first `share` of the readings, and the rest: no window has readings of both."""
        cut = int(share * len(self.trace))
        return self._replace(trace=self.trace[:cut]), self._replace(trace=self.trace[cut:])

    def stretches(self) -> list[Floats]:
        return list(unbroken(self.trace))

    def windows(self) -> forecast.Windows:
        return windows_of(self.stretches())


def load(path: Path) -> list[Person]:
    traces: dict[str, list[tuple[float, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.fromisoformat(row["time"]).timestamp()
            traces.setdefault(row["id"], []).append((moment, float(row["gl"])))
    return [Person(name, np.array(sorted(trace))) for name, trace in traces.items()]


def unbroken(trace: Floats) -> Iterator[Floats]:
    """(n, 2) seconds and mg/dL -> stretches on the 5-minute grid, parted at long gaps."""
    ends = np.flatnonzero(np.diff(trace[:, 0]) > LONGEST_GAP) + 1
    for stretch in np.split(trace, ends):
        grid = np.arange(stretch[0, 0], stretch[-1, 0] + 1, GRID)
        yield np.interp(grid, stretch[:, 0], stretch[:, 1])


def windows_of(stretches: Sequence[Floats]) -> forecast.Windows:
    """Every window of every stretch: past (n, 96), future (n, 12)."""
    return joined([forecast.all_windows(stretch) for stretch in stretches])


def joined(windows: Sequence[forecast.Windows]) -> forecast.Windows:
    return forecast.Windows(np.concatenate([w.past for w in windows]), np.concatenate([w.future for w in windows]))
