"""The part of a trace that a figure or a handle stands for: its latest unbroken readings."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.errors import ZeroValidInput
from quintet.glucose.forecast import STEP, TooShort, sample_count, window_at
from quintet.glucose.messages import Warnings
from quintet.glucose.preparation import Prepared, prepare
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.unified import GLUCOSE, UnifiedTrace
from quintet.kernel.errors import InvalidInput

Floats = NDArray[np.float64]


class TooShortStretch(InvalidInput):
    """The readings in a row are too few; `warnings` tell of those that are there."""

    def __init__(self, message: str, warnings: Warnings) -> None:
        super().__init__(message)
        self.warnings = warnings


@dataclass(frozen=True, eq=False)
class Stretch:
    """At least 108 readings in a row, five minutes apart from `start` on: (n,) mg/dL. See Analysis for the others."""

    start: datetime
    glucose: Floats
    minutes: int
    warnings: Warnings
    recent_warnings: Warnings
    current: bool


def recent_stretch(trace: UnifiedTrace, settings: GlucoseForecast) -> Stretch:
    """As much as one figure needs. Raises ZeroValidInput, TooShortStretch."""
    prepared = _recent(trace, settings.minimum_minutes)
    return _stretch(trace, prepared, settings.minimum_minutes, prepared.warnings)


def whole_stretch(trace: UnifiedTrace, settings: GlucoseForecast) -> Stretch:
    """As much as a handle stands for; it ends with the recent stretch. Raises ZeroValidInput, TooShortStretch."""
    recent = _recent(trace, settings.minimum_minutes)
    try:
        prepared = _prepared(trace, settings.minimum_minutes, settings.wanted_minutes)
    except ZeroValidInput:
        prepared = recent
    longer = prepared if len(prepared.glucose) >= len(recent.glucose) else recent
    return _stretch(trace, longer, settings.wanted_minutes, recent.warnings)


def _recent(trace: UnifiedTrace, minutes: int) -> Prepared:
    """The last `minutes`, as the original takes them. What is noted after the last reading, a meal for instance, counts
    as time too and can leave too few readings: then twice as much.
    """
    prepared = _prepared(trace, minutes, minutes)
    return prepared if sample_count(len(prepared.glucose)) else _prepared(trace, minutes, 2 * minutes)


def _prepared(trace: UnifiedTrace, minimum: int, maximum: int) -> Prepared:
    """What follows the last hole in the grid."""
    prepared = prepare(trace, minimum_minutes=minimum, maximum_minutes=maximum)
    holes = [place for place, (one, next_one) in enumerate(pairwise(prepared.times), 1) if next_one - one != STEP]
    start = holes[-1] if holes else 0
    return replace(prepared, times=prepared.times[start:], glucose=prepared.glucose[start:])


def _stretch(trace: UnifiedTrace, prepared: Prepared, minutes: int, recent: Warnings) -> Stretch:
    try:
        window_at(prepared.glucose, 0)
    except TooShort as error:
        said = f"Data quality insufficient for inference (duration too short): {error.message}"
        raise TooShortStretch(said, prepared.warnings) from None
    current = _last_reading(trace) < prepared.times[-1] + STEP
    return Stretch(prepared.times[0], prepared.glucose, minutes, prepared.warnings, recent, current)


def _last_reading(trace: UnifiedTrace) -> datetime:
    readings = (trace.event_type == GLUCOSE) & ~np.isnan(trace.glucose)
    last: datetime = trace.datetime[readings].max().tolist()
    return last
