"""Samples of what an emulator says of its UEs. What it does not say is derived from its last words, or left open.

A sample of an emulator that models no radio has no `rf_metrics` and no `optimal_antenna`: nothing can be learnt from
it of which cell should have served.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quintet.handover import path
from quintet.handover.nef import State
from quintet.handover.sights import Sight
from quintet.handover.signals import deviation, slope

FIELDS = (
    "timestamp", "ue_id", "latitude", "longitude", "altitude", "speed", "velocity", "acceleration",
    "heading_change_rate", "path_curvature", "cell_load", "handover_count", "time_since_handover", "signal_trend",
    "environment", "rsrp_stddev", "sinr_stddev", "connected_to", "optimal_antenna", "rf_metrics",
)  # fmt: skip

MEASURES = {
    "rsrp": "neighbor_rsrp_dbm",
    "sinr": "neighbor_sinrs",
    "rsrq": "neighbor_rsrqs",
    "cell_load": "neighbor_cell_loads",
}
"""The fork's dictionaries, which hold the serving cell, too."""

STANDS = "STATIONARY"
"""One of the original emulator's speeds, which are words; how fast LOW and HIGH are is seen from two positions."""

WINDOW = 5

Sample = dict[str, Any]
Radios = dict[str, dict[str, float]]


@dataclass
class Track:
    """What was seen of one UE: `sights` of where it was, its serving cell's (seconds, dBm) and dB, its handovers."""

    sights: deque[Sight] = field(default_factory=lambda: deque(maxlen=WINDOW))
    rsrp: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    sinr: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    speed: tuple[float, float] | None = None
    serving: str | None = None
    handovers: int = 0
    handed_over_at: float | None = None


class Tracks:
    """What was seen of all UEs of one collection."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}

    def sample(self, ue: str, at: datetime, state: State, radio: State | None) -> Sample:
        """The fields of FIELDS. `state` is of `ue_movement/state-ues`, `radio` of `ml/state`, where there is one."""
        said: State = {**state, **(radio or {})}
        now, track = at.timestamp(), self._tracks.setdefault(ue, Track())
        radios = radios_of(said)
        serving = serving_of(said)
        _follow(track, now, said, serving, radios)
        sample: Sample = {
            "timestamp": at.isoformat(),
            "ue_id": ue,
            **_motion(track, now, said),
            **_signal(track, said),
            **_handovers(track, now, said),
            "connected_to": serving,
            "optimal_antenna": optimal(radios),
            "rf_metrics": radios,
        }
        return {name: sample[name] for name in FIELDS}


def radios_of(said: State) -> Radios:
    """What is heard, by cell; cells without an RSRP are none."""
    measures = {name: said.get(key) for name, key in MEASURES.items()}
    tables = {name: table for name, table in measures.items() if isinstance(table, Mapping)}
    return {
        str(cell): {name: value for name, table in tables.items() if (value := _number(table.get(cell))) is not None}
        for cell, rsrp in tables.get("rsrp", {}).items()
        if _number(rsrp) is not None
    }


def optimal(radios: Radios) -> str | None:
    """The strongest cell, of equally strong ones that with the best SINR; None where none is heard.

    >>> optimal({"a": {"rsrp": -80.0, "sinr": 3.0}, "b": {"rsrp": -80.0, "sinr": 9.0}, "c": {"rsrp": -90.0}})
    'b'
    """
    if not radios:
        return None
    return max(radios, key=lambda cell: (radios[cell]["rsrp"], radios[cell].get("sinr", -math.inf)))


def serving_of(said: State) -> str | None:
    """The cell's name as networks have it; its number in the emulator where it has none."""
    for name in ("connected_to", "cell_id_hex", "Cell_id"):
        if (cell := said.get(name)) not in (None, ""):
            return str(cell)
    return None


def trainable(samples: Iterable[Sample]) -> list[Sample]:
    """Those that something can be learnt from."""
    return [sample for sample in samples if sample.get("optimal_antenna") and sample.get("rf_metrics")]


def _follow(track: Track, now: float, said: State, serving: str | None, radios: Radios) -> None:
    track.sights.append(Sight(now, _number(said.get("latitude")), _number(said.get("longitude")), serving, ()))
    if track.serving and serving and serving != track.serving:
        track.handovers += 1
        track.handed_over_at = now
    track.serving = serving or track.serving
    own = radios.get(serving or "", {})
    if "rsrp" in own:
        track.rsrp.append((now, own["rsrp"]))
    if "sinr" in own:
        track.sinr.append(own["sinr"])


def _motion(track: Track, now: float, said: State) -> Sample:
    gone = path.steps(tuple(track.sights))
    speed = _first(_number(said.get("speed")), 0.0 if said.get("speed") == STANDS else path.speed(gone))
    gained = _gained(track, now, speed)
    turned = len(gone) > 1
    return {
        "latitude": _number(said.get("latitude")),
        "longitude": _number(said.get("longitude")),
        "altitude": _number(said.get("altitude")),
        "speed": speed,
        "velocity": _first(_number(said.get("velocity")), speed),
        "acceleration": _first(_number(said.get("acceleration")), gained),
        "heading_change_rate": _first(
            _number(said.get("heading_change_rate")), path.heading_change_rate(gone) if turned else None
        ),
        "path_curvature": _first(_number(said.get("path_curvature")), path.curvature(gone) if turned else None),
    }


def _gained(track: Track, now: float, speed: float | None) -> float | None:
    """m/s²; and the speed is kept for the next look."""
    before, track.speed = track.speed, None if speed is None else (now, speed)
    if before is None or speed is None or now <= before[0]:
        return None
    return (speed - before[1]) / (now - before[0])


def _signal(track: Track, said: State) -> Sample:
    levels = [level for _, level in track.rsrp]
    trend = slope([moment for moment, _ in track.rsrp], levels) if len(levels) > 1 else None
    return {
        "cell_load": _number(said.get("cell_load")),
        "signal_trend": _first(_number(said.get("signal_trend")), trend),
        "environment": _number(said.get("environment")),
        "rsrp_stddev": _first(_number(said.get("rsrp_stddev")), deviation(levels) if levels else None),
        "sinr_stddev": _first(_number(said.get("sinr_stddev")), deviation(track.sinr) if track.sinr else None),
    }


def _handovers(track: Track, now: float, said: State) -> Sample:
    count = _number(said.get("handover_count"))
    since = None if track.handed_over_at is None else now - track.handed_over_at
    return {
        "handover_count": track.handovers if count is None else int(count),
        "time_since_handover": _first(_number(said.get("time_since_handover")), since),
    }


def _first(said: float | None, derived: float | None) -> float | None:
    return derived if said is None else said


def _number(value: object) -> float | None:
    """None for words, truths, and what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
