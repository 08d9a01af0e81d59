"""The hour after the last reading, as people are told of it."""

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.analysis import Analysis
from quintet.glucose.asking import Asked
from quintet.glucose.forecast import STEPS_OUT, within_sensor
from quintet.glucose.hypoglycaemia import alarm, risk
from quintet.glucose.messages import Forecast, ForecastResponse, Hypoglycaemia, ProcessRequest, Unit
from quintet.glucose.processing import analysed_recently, received
from quintet.glucose.stretch import TooShortStretch
from quintet.glucose.units import in_unit
from quintet.glucose.workshop import Workshop
from quintet.kernel.errors import InvalidInput

DIGITS: dict[Unit, int] = {"mg/dL": 1, "mmol/L": 2}

READINGS_SHOWN = 36

STALE = (
    "The export goes on after its last unbroken 9 hours, with too few readings in a row for a forecast of the hour to "
    "come. Send it again once 9 hours of readings follow each other."
)


def forecast(request: ProcessRequest, asked: Asked, workshop: Workshop) -> ForecastResponse:
    """The hour after an export's last reading; what stands in the way is said in `error`."""
    workshop.admit()
    try:
        export = received(request, workshop)
        analysis = analysed_recently(export, asked, workshop, force=request.force_calculate)
    except TooShortStretch as error:
        return ForecastResponse(warnings=error.warnings, error=error.message)
    except InvalidInput as error:
        return ForecastResponse(error=error.message)
    if not analysis.current:
        return ForecastResponse(warnings=analysis.recent_warnings, error=STALE)
    return ForecastResponse(forecast=outlook(analysis, request.unit), warnings=analysis.recent_warnings)


def outlook(analysis: Analysis, unit: Unit) -> Forecast:
    quantiles = within_sensor(analysis.outlook)
    probability = risk(quantiles, analysis.levels)
    last = len(analysis.glucose) - 1
    by_level = {f"{level:g}": rounded(quantiles[:, position], unit) for position, level in enumerate(analysis.levels)}
    return Forecast(
        last_reading=analysis.time(last).isoformat(),
        times=[analysis.time(last + step).isoformat() for step in range(1, STEPS_OUT + 1)],
        unit=unit,
        readings=rounded(analysis.glucose[-READINGS_SHOWN:], unit),
        median=by_level["0.5"],
        quantiles=by_level,
        hypoglycaemia=Hypoglycaemia(probability=round(probability, 3), alarm=alarm(probability)),
        model=analysis.model,
    )


def rounded(values: NDArray[np.float64], unit: Unit) -> list[float]:
    """mg/dL in `unit`, to the digits that people write.

    >>> rounded(np.array([100.04, 180.182]), "mmol/L")
    [5.55, 10.0]
    """
    return [round(value, DIGITS[unit]) for value in in_unit(values, unit).tolist()]
