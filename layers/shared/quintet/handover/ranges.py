"""The names of features in the models' order, each with its lowest and highest value.

The first block and LABEL_RANGES have the original's names and ranges; only positions are free, for the original's
0–1000 and 0–866 refuse what its own emulator sends.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]

_ANYWHERE: Final[Range] = (-1e6, 1e6)
_SHARE: Final[Range] = (0.0, 1.0)
_DECIBEL: Final[Range] = (-50.0, 50.0)
_RSRP: Final[Range] = (-140.0, -40.0)
_SINR: Final[Range] = (-20.0, 40.0)
_RSRQ: Final[Range] = (-30.0, -3.0)
_TREND: Final[Range] = (-10.0, 10.0)
_MINUTE: Final[Range] = (0.0, 60.0)

UE_RANGES: Final[dict[str, Range]] = {
    "speed": (0.0, 100.0),
    "acceleration": (-10.0, 10.0),
    "heading_change_rate": (0.0, 3.2),
    "path_curvature": (0.0, 10.0),
    "altitude": (-100.0, 1000.0),
    "environment": _SHARE,
    "cell_load": _SHARE,
    "handover_count": (0.0, 100.0),
    "time_since_handover": (0.0, 10000.0),
    "signal_trend": _TREND,
    "rsrp_stddev": (0.0, 20.0),
    "sinr_stddev": (0.0, 10.0),
    "rsrp_current": _RSRP,
    "sinr_current": _SINR,
    "rsrq_current": _RSRQ,
    "best_rsrp_diff": _DECIBEL,
    "best_sinr_diff": _DECIBEL,
    "best_rsrq_diff": (-20.0, 20.0),
}
"""Of the UE and its serving cell; `best_…_diff`: the strongest other cell less the serving one."""

TOLD: Final = tuple(UE_RANGES)[:12]
"""Those that a request carries, or its history tells."""

PAIR_RANGES: Final[dict[str, Range]] = {
    **UE_RANGES,
    "cells_heard": (1.0, 256.0),
    "handovers_last_minute": (0.0, 20.0),
    "serving_heard": _SHARE,
    "is_serving": _SHARE,
    "candidate_rsrp": _RSRP,
    "candidate_sinr": _SINR,
    "candidate_rsrq": _RSRQ,
    "candidate_load": _SHARE,
    "rsrp_over_serving": _DECIBEL,
    "sinr_over_serving": _DECIBEL,
    "rsrq_over_serving": (-20.0, 20.0),
    "load_over_serving": (-1.0, 1.0),
    "rsrp_over_best_other": _DECIBEL,
    "sinr_over_best_other": _DECIBEL,
    "rsrq_over_best_other": (-20.0, 20.0),
    "times_left": (0.0, 20.0),
    "seconds_since_left": (0.0, 600.0),
    "rsrp_rank": (0.0, 32.0),
    "sinr_rank": (0.0, 32.0),
    "candidate_rsrp_trend": _TREND,
    "rsrp_trend_over_serving": _TREND,
    "rsrp_over_serving_soon": _DECIBEL,
    "mean_rsrp_over_serving": _DECIBEL,
    "candidate_rsrp_stddev": (0.0, 20.0),
    "seconds_heard": _MINUTE,
    "seconds_above_serving": _MINUTE,
}

SEQUENCE_RANGES: Final[dict[str, Range]] = {
    "present": _SHARE,
    "seconds_ago": (0.0, 120.0),
    "heard": _SHARE,
    "is_serving": _SHARE,
    "rsrp": _RSRP,
    "sinr": _SINR,
    "rsrq": _RSRQ,
    "load": _SHARE,
    "serving_rsrp": _RSRP,
    "serving_sinr": _SINR,
    "rsrp_over_serving": _DECIBEL,
    "sinr_over_serving": _DECIBEL,
    "rsrp_over_best_other": _DECIBEL,
    "speed": (0.0, 100.0),
}

LABEL_RANGES: Final[dict[str, Range]] = {
    "latitude": _ANYWHERE,
    "longitude": _ANYWHERE,
    "velocity": (0.0, 100.0),
    "direction_x": (-1.0, 1.0),
    "direction_y": (-1.0, 1.0),
    **UE_RANGES,
}
NEIGHBOUR_RANGES: Final[dict[str, Range]] = {
    "rsrp": _RSRP,
    "sinr": _SINR,
    "rsrq": _RSRQ,
    "neighbor_cell_load": _SHARE,
}


def limits(ranges: Iterable[Range]) -> NDArray[np.float64]:
    """(2, F): the lowest values, then the highest."""
    return np.array(tuple(ranges), np.float64).T
