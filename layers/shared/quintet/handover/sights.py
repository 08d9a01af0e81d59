"""What a UE sees at one moment, in the room's own form: numbers in place of an optional field, cells in one order.

Positions are kept as they were sent: `x` is the request's latitude and `y` its longitude, be they degrees or metres of
a local plane (see path.py for how the two are told apart).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from quintet.handover.errors import Unanswerable
from quintet.handover.history import History
from quintet.handover.messages import Measurement, Radio
from quintet.kernel.errors import InvalidInput

UNHEARD_RSRP, UNHEARD_SINR, UNHEARD_RSRQ = -120.0, 0.0, -30.0
"""What is put where a value is missing (dBm, dB, dB), and what a cell counts as that is not heard at all."""


class Candidate(NamedTuple):
    """A cell that is heard: RSRP in dBm, SINR and RSRQ in dB, load as a share of 1."""

    cell: str
    rsrp: float = UNHEARD_RSRP
    sinr: float = UNHEARD_SINR
    rsrq: float = UNHEARD_RSRQ
    load: float = 0.0


@dataclass(frozen=True, slots=True)
class Sight:
    """at: unix seconds; serving: the cell it is connected to, heard or not; candidates: by the names of their cells.

    None: the request did not say. Speeds are m/s, the acceleration m/s².
    """

    at: float
    x: float | None
    y: float | None
    serving: str | None
    candidates: tuple[Candidate, ...]
    altitude: float | None = None
    speed: float | None = None
    velocity: float | None = None
    acceleration: float | None = None
    cell_load: float | None = None
    handover_count: float | None = None
    signal_trend: float | None = None
    environment: float | None = None
    direction_x: float | None = None
    direction_y: float | None = None
    heading_change_rate: float | None = None
    path_curvature: float | None = None
    time_since_handover: float | None = None
    rsrp_stddev: float | None = None
    sinr_stddev: float | None = None

    def heard(self, cell: str | None) -> Candidate | None:
        for candidate in self.candidates:  # asked often: a generator takes twice as long
            if candidate.cell == cell:
                return candidate
        return None

    def reference(self) -> Candidate:
        """The serving cell; one of the missing values where it is not heard or not known."""
        return self.heard(self.serving) or Candidate(self.serving or "")

    @property
    def pace(self) -> float | None:
        """The speed, m/s: the field `speed`, else `velocity`."""
        return self.velocity if self.speed is None else self.speed


@dataclass(frozen=True, slots=True)
class Look:
    """A sight and what was known of the UE before it."""

    sight: Sight
    history: History
    worked_out: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was made of it, so that it is made once: several ask for the same features."""


def sight_of(measurement: Measurement, at: float) -> Sight:
    """The sight of a measurement that was taken at its own timestamp, else `at` (unix seconds).

    Cells are put in the order of their names, so that nothing depends on the order of a request. Raises Unanswerable
    where no cell has a measurement, InvalidInput where the timestamp is none.
    """
    candidates = [_candidate(cell, radio) for cell, radio in (measurement.rf_metrics or {}).items() if _measured(radio)]
    if not candidates:
        raise Unanswerable(
            "rf_metrics is missing: send at least one cell with its rsrp, sinr or rsrq; only cells that the UE hears"
            " can be answered"
        )
    direction = measurement.direction or []
    return Sight(
        at=_moment(measurement.timestamp, at),
        x=measurement.latitude,
        y=measurement.longitude,
        serving=measurement.connected_to,
        candidates=tuple(sorted(candidates, key=lambda candidate: candidate.cell)),
        direction_x=direction[0] if direction else None,
        direction_y=direction[1] if len(direction) > 1 else None,
        **{name: getattr(measurement, name) for name in _CARRIED},
    )


_CARRIED = (
    "altitude", "speed", "velocity", "acceleration", "cell_load", "handover_count", "signal_trend", "environment",
    "heading_change_rate", "path_curvature", "time_since_handover", "rsrp_stddev", "sinr_stddev",
)  # fmt: skip


def _measured(radio: Radio) -> bool:
    return not (radio.rsrp is None and radio.sinr is None and radio.rsrq is None)


def _candidate(cell: str, radio: Radio) -> Candidate:
    return Candidate(
        cell,
        UNHEARD_RSRP if radio.rsrp is None else radio.rsrp,
        UNHEARD_SINR if radio.sinr is None else radio.sinr,
        UNHEARD_RSRQ if radio.rsrq is None else radio.rsrq,
        radio.cell_load or 0.0,
    )


def _moment(timestamp: float | str | None, at: float) -> float:
    if timestamp is None:
        return at
    if not isinstance(timestamp, str):
        return timestamp
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        raise InvalidInput("timestamp must be seconds since 1970 or ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
