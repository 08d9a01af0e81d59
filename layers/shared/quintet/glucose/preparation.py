"""From a trace to what a forecast needs: its latest unbroken stretch, on a 5-minute grid, in mg/dL.

The order is the original's: readings more than 15 minutes apart part the trace into sequences; smaller gaps are
filled; all times move to the sequence's grid, which starts at its first event's full minute, and glucose is
evaluated there, linearly between the two measured neighbours; the latest sequence that lasts long enough is cut to
its last minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import ZeroValidInput
from quintet.glucose.messages import Warnings
from quintet.glucose.unified import Floats, Ints, Mask, Times, UnifiedTrace, merge, trace

STEP: Final = np.timedelta64(5, "m").astype("timedelta64[ms]")
SMALL_GAP: Final = np.timedelta64(15, "m")
CALIBRATION_GAP: Final = np.timedelta64(2 * 60 + 45, "m")

_SAYS: Final = {
    "too_short": "TOO_SHORT: Minimum duration requirement not met",
    "calibration": (
        "CALIBRATION: Sequence contains calibration events or 24hr period after gap ≥ CALIBRATION_GAP_THRESHOLD"
    ),
    "quality": "QUALITY: Other quality issues",
    "imputation": "IMPUTATION: Contains imputed gaps",
    "out_of_range": "OUT_OF_RANGE: Contains out-of-range values",
    "time_duplicates": "TIME_DUPLICATES: Sequence contains non-unique time entries",
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """Readings oldest first: `times` and `glucose` (n,), mg/dL, one for each time on the 5-minute grid that has one."""

    times: list[datetime]
    glucose: Floats
    warnings: Warnings


def prepare(trace: UnifiedTrace, *, minimum_minutes: int, maximum_minutes: int) -> Prepared:
    """The latest sequence that lasts `minimum_minutes` or longer, its last `maximum_minutes`.

    Raises ZeroValidInput where there is none.
    """
    for sequence in _latest_first(assign_sequences(trace), np.timedelta64(minimum_minutes, "m") - 2 * STEP):
        window = _last(synchronize(fill_gaps(sequence)), maximum_minutes)
        if not np.isnan(window.glucose[_readings(window)]).all() and _minutes(window) >= minimum_minutes:
            return _prepared(window)
    raise ZeroValidInput(
        f"No sequence of readings lasts {minimum_minutes} minutes without a gap of more than 15 minutes. Send an "
        "export with a longer unbroken period."
    )


def assign_sequences(trace: UnifiedTrace) -> UnifiedTrace:
    """Sequences of readings, counted from 1; every other event goes to that of the nearest reading, 0 without any."""
    readings = np.flatnonzero(_readings(trace))
    if not len(readings):
        return replace(trace, sequence_id=np.zeros(len(trace), np.int64))
    readings = readings[np.lexsort((trace.original_datetime[readings], trace.datetime[readings]))]
    when = trace.original_datetime[readings]
    numbers = 1 + np.concatenate([[0], np.cumsum(_seconds(np.diff(when)) > _seconds(SMALL_GAP))])
    sequence_id = numbers[_nearest(when, trace.original_datetime)]
    sequence_id[readings] = numbers
    return merge([replace(trace, sequence_id=sequence_id)])


def fill_gaps(sequence: UnifiedTrace) -> UnifiedTrace:
    """The sequence and, between readings more than 5 and up to 15 minutes apart, new ones on its grid."""
    readings = sequence.take(_readings(sequence))
    readings = readings.take(np.lexsort((readings.quality, readings.original_datetime)))
    when = readings.original_datetime
    apart = _seconds(np.diff(when))
    known = ~np.isnan(readings.glucose)
    before = np.flatnonzero((apart > _seconds(STEP)) & (apart <= _seconds(SMALL_GAP)) & known[:-1] & known[1:])
    slots = (when - _grid_start(sequence) + STEP // 2) // STEP
    missing = np.maximum(slots[before + 1] - slots[before] - 1, 0)
    if not missing.sum():
        return sequence
    place = np.repeat(before, missing)
    nth = np.arange(missing.sum()) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    times = _grid_start(sequence) + (slots[place] + nth) * STEP
    quality = readings.quality[place] | readings.quality[place + 1] | unified.IMPUTATION | unified.SYNCHRONIZATION
    filled = trace(times, event_type=unified.GLUCOSE, quality=quality, glucose=_glucose_at(times, *_anchors(sequence)))
    return merge([sequence, replace(filled, sequence_id=np.full(len(times), sequence.sequence_id[0]))])


def synchronize(sequence: UnifiedTrace) -> UnifiedTrace:
    """The sequence with every time moved to the grid and every reading evaluated there."""
    start = _grid_start(sequence)
    slots = (2 * _seconds(sequence.original_datetime - start) + _seconds(STEP)) // (2 * _seconds(STEP))
    times = start + slots * STEP
    quality = sequence.quality | unified.SYNCHRONIZATION
    anchors = _anchors(sequence)
    if not len(anchors[0]):
        return replace(sequence, datetime=times, quality=quality)
    readings = _readings(sequence)
    return replace(
        sequence,
        datetime=times,
        quality=np.where(readings, quality | unified.GRID_RETIMED, quality),
        glucose=np.where(readings, _glucose_at(times, *anchors), sequence.glucose),
    )


def _latest_first(trace: UnifiedTrace, least: np.timedelta64) -> Iterator[UnifiedTrace]:
    """Its sequences of `least` and more, by their last event. `trace` is in canonical order."""
    starts = np.flatnonzero(np.diff(trace.sequence_id, prepend=-1))
    stops = np.append(starts[1:], len(trace))
    last = np.maximum.reduceat(trace.original_datetime, starts)
    lasting = last - np.minimum.reduceat(trace.original_datetime, starts) >= least
    for place in np.argsort(last, kind="stable")[::-1]:
        if lasting[place]:
            yield trace.take(np.arange(starts[place], stops[place]))


def _last(window: UnifiedTrace, minutes: int) -> UnifiedTrace:
    return window.take(window.datetime >= window.datetime.max() - np.timedelta64(minutes, "m"))


def _minutes(window: UnifiedTrace) -> float:
    return float((window.datetime.max() - window.datetime.min()) / np.timedelta64(1, "m"))


def _prepared(window: UnifiedTrace) -> Prepared:
    readings = window.take(_readings(window) & ~np.isnan(window.glucose))
    times, first = np.unique(readings.datetime, return_index=True)
    return Prepared(times.tolist(), readings.glucose[first], _warnings(window))


def _warnings(window: UnifiedTrace) -> Warnings:
    def flagged(bit: int) -> bool:
        return bool((window.quality & bit).any())

    pauses = _seconds(np.diff(np.sort(window.original_datetime)))
    raised = {
        "calibration": flagged(unified.SENSOR_CALIBRATION)
        or bool((window.event_type == unified.CALIBRATION).any())
        or bool((pauses >= _seconds(CALIBRATION_GAP)).any()),
        "imputation": flagged(unified.IMPUTATION),
        "out_of_range": flagged(unified.OUT_OF_RANGE),
        "time_duplicates": flagged(unified.TIME_DUPLICATE) or len(np.unique(window.datetime)) < len(window),
    }
    messages = [text for name, text in _SAYS.items() if raised.get(name)]
    return Warnings(has_warnings=bool(messages), messages=messages, **raised)


def _readings(trace: UnifiedTrace) -> Mask:
    return np.asarray(trace.event_type == unified.GLUCOSE)


def _grid_start(sequence: UnifiedTrace) -> np.datetime64:
    """The full minute nearest to its first event, half a minute counting as the next."""
    nearest = sequence.original_datetime.min() + np.timedelta64(30, "s")
    start: np.datetime64 = nearest.astype("datetime64[m]").astype("datetime64[ms]")
    return start


def _anchors(sequence: UnifiedTrace) -> tuple[Times, Floats]:
    """What was measured: distinct times, rising, and the (lowest) glucose at each."""
    measured = _readings(sequence) & ((sequence.quality & unified.IMPUTATION) == 0)
    measured &= ~np.isnan(sequence.original_glucose)
    when, glucose = sequence.original_datetime[measured], sequence.original_glucose[measured]
    order = np.lexsort((glucose, when))
    times, first = np.unique(when[order], return_index=True)
    return times, glucose[order][first]


def _glucose_at(targets: Times, times: Times, glucose: Floats) -> Floats:
    """Linear between the two measurements around each target; before the first and after the last, that one."""
    if not len(times):
        return np.full(len(targets), np.nan)
    left = np.clip(np.searchsorted(times, targets, side="right") - 1, 0, len(times) - 1)
    right = np.clip(np.searchsorted(times, targets, side="left"), 0, len(times) - 1)
    span = (times[right] - times[left]).astype(np.int64)
    between = np.where(span > 0, (targets - times[left]).astype(np.int64) / np.where(span > 0, span, 1), 0.0)
    return glucose[left] + between * (glucose[right] - glucose[left])


def _nearest(times: Times, targets: Times) -> Ints:
    """Places in `times` of the one nearest to each target; of two as near, the later."""
    order = np.argsort(times, kind="stable")
    rising = times[order]
    right = np.clip(np.searchsorted(rising, targets, side="left"), 0, len(rising) - 1)
    left = np.maximum(right - 1, 0)
    earlier = np.abs(targets - rising[left]) < np.abs(rising[right] - targets)
    return order[np.where(earlier, left, right)]


def _seconds(spans: np.timedelta64 | np.ndarray[tuple[int], np.dtype[np.timedelta64]]) -> Ints:
    """Whole seconds, cut off towards zero as the original counts them."""
    milliseconds = np.asarray(spans).astype("timedelta64[ms]").astype(np.int64)
    return np.asarray(np.trunc(milliseconds / 1000).astype(np.int64))
