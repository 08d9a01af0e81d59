"""How the signals of cells went in a UE's last sights (dB, seconds).

Sights are given oldest first, the present one last. A cell that a sight does not hear counts as one of the missing
values.
"""

import math
from collections.abc import Sequence

from quintet.handover.sights import UNHEARD_RSRP, Look, Sight

REMEMBERED_S = 120.0
"""What is older says nothing about how a signal goes now."""


def recent(look: Look, most: int) -> list[Sight]:
    """The last `most` sights, the present one among them."""
    first = look.sight.at - REMEMBERED_S
    earlier = [sight for sight in look.history.sights if first <= sight.at <= look.sight.at]
    return [*earlier[max(0, len(earlier) - most + 1) :], look.sight]


def rsrp(sight: Sight, cell: str | None) -> float:
    """dBm; that of an unheard cell where this one is not heard."""
    heard = sight.heard(cell)
    return UNHEARD_RSRP if heard is None else heard.rsrp


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Of the least-squares line, units a second; 0 where there is none.

    >>> slope([0.0, 1.0, 2.0], [-90.0, -88.0, -86.0])
    2.0
    """
    if len(times) < 2:
        return 0.0
    middle, level = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    if spread <= 1e-6:
        return 0.0
    return sum((time - middle) * (value - level) for time, value in zip(times, values, strict=True)) / spread


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of these values (not of what they were drawn from); 0 of fewer than two."""
    if len(values) < 2:
        return 0.0
    level = sum(values) / len(values)
    return math.sqrt(sum((value - level) ** 2 for value in values) / len(values))


def seconds_above(sights: Sequence[Sight], cell: str, serving: str | None, hysteresis: float) -> float | None:
    """For how long, up to the last sight, the cell has been more than the hysteresis (dB) above the serving one.

    None where it is not so now; 0 where it was not in the sight before.
    """
    since = None
    for sight in reversed(sights):
        if sight.heard(cell) is None or rsrp(sight, cell) - rsrp(sight, serving) <= hysteresis:
            break
        since = sight.at
    return None if since is None else sights[-1].at - since
