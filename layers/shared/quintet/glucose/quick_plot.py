"""From an export straight to the figure of its last hour and a forecast of the next."""

import base64
import binascii
from dataclasses import replace
from itertools import pairwise

import numpy as np

from quintet.glucose.figure import Figure, draw
from quintet.glucose.forecast import STEP, STEPS_OUT, TooShort, latest, sample_count, samples, window_at, within_sensor
from quintet.glucose.messages import Forecast, ProcessRequest, QuickPlotResponse, Warnings
from quintet.glucose.ports import Forecaster
from quintet.glucose.preparation import Prepared, prepare
from quintet.glucose.readers import read
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.unified import UnifiedTrace
from quintet.kernel.errors import InvalidInput

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def quick_plot(request: ProcessRequest, forecaster: Forecaster, settings: GlucoseForecast) -> QuickPlotResponse:
    """The figure shows the last hour as it was and as it was foreseen; the forecast is of the hour to come.

    What is wrong with the data is said in the answer (`error`), as the original does.
    """
    warnings = Warnings()
    try:
        trace = read(decode(request.csv_base64))
        prepared = _prepare(trace, settings.minimum_minutes)
        warnings = prepared.warnings
        windows = _last_windows(prepared)
    except InvalidInput as error:
        return QuickPlotResponse(plot_data={}, warnings=warnings, error=error.message)
    hindcast, forecast = within_sensor(forecaster.predict(windows))
    return QuickPlotResponse(
        plot_data=_figure(prepared, hindcast, forecaster.quantiles, settings.samples),
        warnings=warnings,
        forecast=_forecast(prepared, forecast, forecaster),
    )


def decode(csv_base64: str) -> bytes:
    """The bytes behind base64. Raises InvalidInput."""
    try:
        return base64.b64decode(csv_base64, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("csv_base64 is not base64: encode the file's bytes, as `base64 -w0 FILE` does") from None


def _prepare(trace: UnifiedTrace, minutes: int) -> Prepared:
    """The last `minutes`, as the original takes them. What is noted after the last reading, a meal for instance, counts
    as time too and can leave too few readings: then twice as much.
    """
    prepared = _unbroken(prepare(trace, minimum_minutes=minutes, maximum_minutes=minutes))
    if sample_count(len(prepared.glucose)):
        return prepared
    return _unbroken(prepare(trace, minimum_minutes=minutes, maximum_minutes=2 * minutes))


def _unbroken(prepared: Prepared) -> Prepared:
    """What follows the last hole in the grid."""
    holes = [place for place, (one, next_one) in enumerate(pairwise(prepared.times), 1) if next_one - one != STEP]
    start = holes[-1] if holes else 0
    return replace(prepared, times=prepared.times[start:], glucose=prepared.glucose[start:])


def _last_windows(prepared: Prepared) -> Floats:
    """(2, 96): the window whose hour to come is known, and the one that ends with the last reading."""
    try:
        return np.stack([window_at(prepared.glucose, 0).past, latest(prepared.glucose)])
    except TooShort as error:
        raise InvalidInput(f"Data quality insufficient for inference (duration too short): {error.message}") from None


def _figure(prepared: Prepared, quantiles: Floats, levels: tuple[float, ...], count: int) -> Figure:
    return draw(
        times=prepared.times[-2 * STEPS_OUT :],
        true_values=prepared.glucose[-2 * STEPS_OUT :],
        median=quantiles[:, levels.index(0.5)],
        samples=samples(quantiles, levels, count),
    )


def _forecast(prepared: Prepared, quantiles: Floats, forecaster: Forecaster) -> Forecast:
    last = prepared.times[-1]
    by_level = {f"{level:g}": _rounded(quantiles[:, position]) for position, level in enumerate(forecaster.quantiles)}
    return Forecast(
        last_reading=last.isoformat(),
        times=[(last + (step + 1) * STEP).isoformat() for step in range(STEPS_OUT)],
        median=by_level["0.5"],
        quantiles=by_level,
        model=forecaster.version,
    )


def _rounded(values: Floats) -> list[float]:
    return [round(value, 1) for value in values.tolist()]
