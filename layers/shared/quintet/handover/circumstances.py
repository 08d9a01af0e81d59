"""What a request leaves out and its UE's history tells: speed, trend, curvature and the like.

A value that was sent stands. The windows are settings (SIGNAL_WINDOW_SIZE, POSITION_WINDOW_SIZE); whoever makes a look
completes it with them once, and training does the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from quintet.handover import path
from quintet.handover.sights import Look, Sight
from quintet.handover.signals import deviation, recent, slope

NEVER_S = 10000.0
"""Seconds since a handover where none is known: the end of that feature's range."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How many sights, the present one among them, are looked at for signals and for positions."""

    signal: int = 5
    position: int = 5


DEFAULT = Windows()


def completed(look: Look, windows: Windows = DEFAULT) -> Look:
    """The look with all of its sight's numbers but the position filled in; a complete one comes back as it is."""
    given = _FILLED_OF(look.sight)
    if None not in given:
        return look
    known = _signals(look, windows) | _motion(look, windows) | _handovers(look)
    missing: dict[str, Any] = {
        name: known.get(name, 0.0) for name, value in zip(_FILLED, given, strict=True) if value is None
    }
    return Look(replace(look.sight, **missing), look.history)


_FILLED = (
    "altitude", "speed", "velocity", "acceleration", "cell_load", "handover_count", "signal_trend", "environment",
    "direction_x", "direction_y", "heading_change_rate", "path_curvature", "time_since_handover", "rsrp_stddev",
    "sinr_stddev",
)  # fmt: skip
_FILLED_OF = attrgetter(*_FILLED)


def _signals(look: Look, windows: Windows) -> dict[str, float]:
    """Of the cell that serves now, over the sights that heard it."""
    serving = look.sight.serving
    heard = [(sight, sight.heard(serving)) for sight in recent(look, windows.signal)]
    values = [(sight.at, cell.rsrp, cell.sinr) for sight, cell in heard if cell is not None]
    times, powers, ratios = zip(*values, strict=True) if values else ((), (), ())
    return {
        "signal_trend": slope(times, powers),
        "rsrp_stddev": deviation(powers),
        "sinr_stddev": deviation(ratios),
        "cell_load": look.sight.reference().load,
    }


def _motion(look: Look, windows: Windows) -> dict[str, float]:
    sights = recent(look, windows.position)
    walked = path.steps(sights)
    pace = look.sight.pace
    speed = (path.speed(walked) or 0.0) if pace is None else pace
    last = walked[-1] if walked else path.Step(0.0, 0.0, 1.0)
    return {
        "speed": speed,
        "velocity": speed,
        "acceleration": _acceleration(sights, speed),
        "heading_change_rate": path.heading_change_rate(walked),
        "path_curvature": path.curvature(walked),
        "direction_x": last.east / last.length if last.length else 0.0,
        "direction_y": last.north / last.length if last.length else 0.0,
    }


def _acceleration(sights: Sequence[Sight], speed: float) -> float:
    """From the last sight that had a speed, m/s²."""
    for earlier in reversed(sights[:-1]):
        seconds = sights[-1].at - earlier.at
        if earlier.pace is not None and seconds >= path.AT_ONCE:
            return (speed - earlier.pace) / seconds
    return 0.0


def _handovers(look: Look) -> dict[str, float]:
    done = look.history.done
    since = look.sight.at - done[-1].at if done else NEVER_S
    return {"handover_count": float(len(done)), "time_since_handover": max(0.0, since)}
