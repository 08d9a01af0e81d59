"""The A3 rule of 3GPP TS 38.331, 5.5.4.4, without offsets: a neighbour becomes better than the serving cell.

Mn − Hys > Mp for the time to trigger, where Mn is the neighbour's RSRP, Mp the serving cell's and Hys the hysteresis.
How long that has held is seen at a UE's last sights only, so a time to trigger is as fine as the requests come.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from quintet.handover.history import MOST_SIGHTS
from quintet.handover.sights import Candidate, Look
from quintet.handover.signals import recent, seconds_above

SCALE_DB = 4.0
"""How many dB make a share e times another: the rule knows no confidence, so one is made of RSRP, with the hysteresis
on the serving cell's side. 4 dB is the shadowing of TR 38.901's UMa with line of sight.
"""


class A3(NamedTuple):
    """`hysteresis` in dB, `time_to_trigger` in seconds."""

    hysteresis: float = 2.0
    time_to_trigger: float = 0.0

    def target(self, look: Look) -> Candidate:
        """The strongest that has triggered, else the serving cell; without one that is heard, the strongest."""
        serving = look.sight.heard(look.sight.serving)
        triggered = [cell for cell in look.sight.candidates if serving is None or self._triggers(cell, look)]
        return min(triggered or [serving or look.sight.candidates[0]], key=_order)

    def shares(self, look: Look) -> list[float]:
        """(C,) that add up to 1."""
        return shares_of([self._level(cell, look) for cell in look.sight.candidates])

    def _triggers(self, cell: Candidate, look: Look) -> bool:
        serving = look.sight.serving
        above = seconds_above(recent(look, MOST_SIGHTS + 1), cell.cell, serving, self.hysteresis)
        return above is not None and above >= self.time_to_trigger

    def _level(self, cell: Candidate, look: Look) -> float:
        return cell.rsrp + (self.hysteresis if cell.cell == look.sight.serving else 0.0)


def shares_of(levels: Sequence[float]) -> list[float]:
    """
    >>> shares_of([-80.0, -80.0])
    [0.5, 0.5]
    """
    top = max(levels)
    powers = [math.exp((level - top) / SCALE_DB) for level in levels]
    return [power / sum(powers) for power in powers]


def _order(cell: Candidate) -> tuple[float, float, str]:
    return -cell.rsrp, -cell.sinr, cell.cell
