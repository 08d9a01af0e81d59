"""Looking for data drift, by the minute.

    partition           name      record
    handover#drift      data      `newest`: the fingerprint of the newest look that was told of

A drift is told of once: the next one needs a window of looks that came after that one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from quintet.handover.drift import Baseline, Detector, Drift, drift, looks, looks_of
from quintet.handover.telemetry import DATA_DRIFT, DRIFTED, DRIFTS
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.ids import fingerprint
from quintet.kernel.rows import Change, Create, Place, Rows, Write
from quintet.kernel.telemetry import Count, Gauge, Telemetry

TOLD = Place("handover#drift", "data")


class Trained(Protocol):
    """The part of a version's manifest that describes its training."""

    @property
    def baseline(self) -> Baseline: ...


class Look(NamedTuple):
    """`drift` is None where there were too few looks, or the model does not say what it was trained on. `news`: this
    drift was not told of before.
    """

    drift: Drift | None
    news: bool = False


@dataclass(frozen=True)
class DataWatch:
    """`window`: looks that are compared; `alert`: the score that is a drift whatever the detector finds."""

    telemetry: Telemetry
    model: Callable[[], Trained]
    detector: Detector
    rows: Rows
    window: int = 100
    alert: float = 1.0

    def look(self) -> Look:
        """Raises Unavailable."""
        texts = self.telemetry.kept(looks(self.window))
        last = looks_of(texts)
        baseline = self.model().baseline
        if len(last) < self.window or not baseline:
            return Look(None)
        found = drift(last, baseline, self.detector)
        self.telemetry.add(Gauge(DATA_DRIFT, found.score), Gauge(DRIFTED, len(found.features)))
        return Look(found, found.found(self.alert) and self._tell(texts))

    def _tell(self, texts: list[str]) -> bool:
        told, shown = self._told(), [fingerprint(text) for text in texts]
        if told in shown:
            return False
        record = {"newest": shown[0], "schema": 1}
        write: Write = Create(TOLD, record) if told is None else Change(TOLD, record, expect={"newest": told})
        try:
            self.rows.write(write)
        except Conflict:
            return False  # another one told of it
        self.telemetry.add(Count(DRIFTS, ("data",)))
        return True

    def _told(self) -> str | None:
        try:
            newest: str = self.rows.read(TOLD)["newest"]
        except NotFound:
            return None
        return newest
