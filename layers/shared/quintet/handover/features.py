"""What a model is shown: numbers of each pair of a UE and a cell that it hears.

Nothing here depends on a cell's name, on the order of cells or on where on Earth the UE is: a pair looks the same in
any place, and any cell that is heard can be scored. All numbers are finite and within their ranges, whatever was sent.
`label_features`, the original's, alone know positions.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quintet.handover.circumstances import completed
from quintet.handover.course import Course, course
from quintet.handover.history import MOST_SIGHTS, Handover
from quintet.handover.path import paces
from quintet.handover.ranges import LABEL_RANGES, NEIGHBOUR_RANGES, PAIR_RANGES, SEQUENCE_RANGES, TOLD, limits
from quintet.handover.sights import Candidate, Look, Sight

Floats = NDArray[np.float32]

HYSTERESIS_DB = 2.0
"""Of the feature seconds_above_serving: fixed, as trained models know it, whatever the A3 rule is set to."""

SOON_S = 2.0
"""How far ahead rsrp_over_serving_soon prolongs the trends."""

PAIR_FEATURES: tuple[str, ...] = tuple(PAIR_RANGES)
SEQUENCE_FEATURES: tuple[str, ...] = tuple(SEQUENCE_RANGES)
LENGTH = MOST_SIGHTS
NEIGHBOURS = 3


def label_names(neighbours: int = NEIGHBOURS) -> tuple[str, ...]:
    """The original's names: 23, and four a neighbour."""
    return (*LABEL_RANGES, *(f"{name}_a{k}" for k in range(1, neighbours + 1) for name in NEIGHBOUR_RANGES))


LABEL_FEATURES: tuple[str, ...] = label_names()

_PAIR_LIMITS = limits(PAIR_RANGES.values())
_SEQUENCE_LIMITS = limits(SEQUENCE_RANGES.values())
_NOBODY = Candidate("")


def pair_features(look: Look) -> Floats:
    """(C, F): a row a candidate, in their order, and a column a name of PAIR_FEATURES. Read-only: made once a look."""
    look = completed(look)
    if "pairs" not in look.worked_out:
        made = _within(_pairs(look), _PAIR_LIMITS)
        made.flags.writeable = False
        look.worked_out["pairs"] = made
    pairs: Floats = look.worked_out["pairs"]
    return pairs


def sequences(look: Look) -> Floats:
    """(C, LENGTH, S): for each candidate the UE's last sights, oldest first, the present one last.

    Where there were fewer, the first steps are all zero, `present` among them.
    """
    cells = [candidate.cell for candidate in look.sight.candidates]
    table = np.zeros((len(cells), LENGTH, len(SEQUENCE_FEATURES)), np.float32)
    steps = np.array(_steps(course(look), cells)[-LENGTH:])
    table[:, LENGTH - len(steps) :] = _within(steps, _SEQUENCE_LIMITS).transpose(1, 0, 2)
    return table


def label_features(look: Look, neighbours: int = NEIGHBOURS) -> Floats:
    """(len(label_names(neighbours)),): the original's features, its neighbours by falling RSRP."""
    look = completed(look)
    sight = look.sight
    others = sorted(_others(sight, sight.serving), key=lambda cell: (-cell.rsrp, -cell.sinr, cell.cell))
    listed = [*others[:neighbours], *[_NOBODY] * (neighbours - len(others))]
    place = sight.x or 0.0, sight.y or 0.0
    motion = sight.velocity or 0.0, sight.direction_x or 0.0, sight.direction_y or 0.0
    cells = [value for cell in listed for value in cell[1:]]
    ranges = limits([*LABEL_RANGES.values(), *list(NEIGHBOUR_RANGES.values()) * neighbours])
    return _within(np.array([*place, *motion, *_of_ue(look), *cells]), ranges)


def _within(values: NDArray[np.float64], ranges: NDArray[np.float64]) -> Floats:
    within: Floats = np.minimum(np.maximum(values, ranges[0]), ranges[1]).astype(np.float32)
    return within


def _pairs(look: Look) -> NDArray[np.float64]:
    went, sight, done = course(look), look.sight, look.history.done
    serving = sight.reference()
    best = _best_others(sight, [candidate.cell for candidate in sight.candidates])
    shared = [*_of_ue(look), len(best), look.history.count(sight.at), float(sight.heard(sight.serving) is not None)]
    rows = [
        [*shared, *_now(candidate, other, serving, sight), *_left(candidate.cell, done, sight.at)]
        for candidate, other in zip(sight.candidates, best, strict=True)
    ]
    return np.concatenate((rows, np.array(_courses(went)).T), axis=1)


def _of_ue(look: Look) -> list[float]:
    """In the order of UE_RANGES."""
    sight, serving = look.sight, look.sight.reference()
    best = max(_others(sight, sight.serving), key=_strength, default=serving)
    told: list[float] = [getattr(sight, name) for name in TOLD]
    return [*told, serving.rsrp, serving.sinr, serving.rsrq, *_over(best, serving)]


def _now(candidate: Candidate, best: Candidate, serving: Candidate, sight: Sight) -> list[float]:
    return [
        float(candidate.cell == sight.serving),
        *candidate[1:],
        *_over(candidate, serving),
        candidate.load - serving.load,
        *_over(candidate, best),
    ]


def _left(cell: str, done: Sequence[Handover], now: float) -> tuple[float, float]:
    """How often the UE left the cell, and seconds since it last did."""
    left = [handover.at for handover in done if handover.source == cell]
    return len(left), now - left[-1] if left else np.inf


def _courses(went: Course) -> Sequence[NDArray[np.float64]]:
    """(C,) each: how the candidates stand and went, by themselves and over the cell that serves now."""
    relative = went.relative
    return (
        _rank(went.rsrp[-1]),
        _rank(went.sinr[-1]),
        went.own.slope,
        relative.slope,
        went.margins[-1] + SOON_S * relative.slope,
        relative.mean,
        went.own.deviation,
        -went.seconds[went.heard.argmax(0)],
        went.above(HYSTERESIS_DB),
    )


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,): how many have more."""
    ranks: NDArray[np.float64] = (values > values[:, None]).sum(1).astype(np.float64)
    return ranks


def _steps(went: Course, cells: Sequence[str]) -> list[list[list[float]]]:
    """By moment and cell, in the order of SEQUENCE_RANGES."""
    seconds, speeds = went.seconds.tolist(), paces(went.sights)
    return [
        _moment(sight, cells, (1.0, -at), speed) for sight, at, speed in zip(went.sights, seconds, speeds, strict=True)
    ]


def _moment(sight: Sight, cells: Sequence[str], began: tuple[float, float], speed: float) -> list[list[float]]:
    serving, found = sight.reference(), {candidate.cell: candidate for candidate in sight.candidates}
    levels = serving.rsrp, serving.sinr
    return [
        [
            *began,
            float(cell in found),
            float(cell == serving.cell),
            *own[1:],
            *levels,
            *_gaps(own, serving, best),
            speed,
        ]
        for cell, best in zip(cells, _best_others(sight, cells), strict=True)
        for own in (found.get(cell, _NOBODY),)
    ]


def _gaps(own: Candidate, serving: Candidate, best: Candidate) -> tuple[float, float, float]:
    return own.rsrp - serving.rsrp, own.sinr - serving.sinr, own.rsrp - best.rsrp


def _over(one: Candidate, other: Candidate) -> tuple[float, float, float]:
    return one.rsrp - other.rsrp, one.sinr - other.sinr, one.rsrq - other.rsrq


def _others(sight: Sight, cell: str | None) -> list[Candidate]:
    return [candidate for candidate in sight.candidates if candidate.cell != cell]


def _best_others(sight: Sight, cells: Sequence[str]) -> list[Candidate]:
    """For each of the cells the strongest that the sight hears besides."""
    first, second, *_ = [*sorted(sight.candidates, key=_strength, reverse=True)[:2], _NOBODY, _NOBODY]
    return [second if cell == first.cell else first for cell in cells]


def _strength(cell: Candidate) -> tuple[float, float, float]:
    return cell.rsrp, cell.sinr, cell.rsrq
