"""The figure of a forecast: a density for each step, the true values, the median. A Plotly figure as plain JSON."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.forecast import STEP, STEPS_OUT
from quintet.glucose.messages import Unit
from quintet.glucose.units import in_unit

Floats = NDArray[np.float64]
Figure = dict[str, Any]

GRID_POINTS = 200
WIDTH_OF_DENSITY = 0.9 * STEP / timedelta(microseconds=1)
_LEAST_SPREAD = 1e-6


def draw(
    times: Sequence[datetime], true_values: Floats, median: Floats, samples: Floats, unit: Unit = "mg/dL"
) -> Figure:
    """The figure of one window, its values in `unit`.

    times: the last 12 of the past and the 12 forecast; true_values: (24,) for the same times, or (12,) where the
    future is not known yet; median: (12,); samples: (n, 12). All mg/dL.
    """
    forecast_times = times[STEPS_OUT:]
    densities = (_density(time, samples[:, step], step, unit) for step, time in enumerate(forecast_times))
    anchor = times[STEPS_OUT - 1]
    known, foreseen = in_unit(true_values, unit), in_unit(median, unit)
    return {
        "data": [
            *filter(None, densities),
            _line("True Values", "blue", 6, times[: len(known)], known),
            _line("Median Forecast", "red", 8, [anchor, *forecast_times], [known[STEPS_OUT - 1], *foreseen]),
        ],
        "layout": _layout(anchor, unit),
    }


def kernel_density(points: Floats, grid: Floats) -> Floats:
    """Gaussian kernel density of `points` (n,) on `grid` (m,), with Scott's bandwidth n^(-1/5) times their standard
    deviation (Scott, Multivariate Density Estimation, 1992), as scipy's gaussian_kde has it.

    >>> kernel_density(np.array([0.0, 2.0]), np.array([1.0])).round(4)
    array([0.233])
    """
    bandwidth = np.std(points, ddof=1) * len(points) ** -0.2
    distances = (grid[:, None] - points[None, :]) / bandwidth
    normal = np.exp(-0.5 * distances**2) / np.sqrt(2 * np.pi)
    return np.asarray(normal.mean(axis=1) / bandwidth, dtype=np.float64)


def _density(time: datetime, points: Floats, step: int, unit: Unit) -> dict[str, Any] | None:
    """None where the points lie so close together that all of the density falls between two points of the grid.

    The density is taken in mg/dL: its shape is the same in either unit.
    """
    if np.std(points) <= _LEAST_SPREAD:
        return None
    grid = np.linspace(0.8 * points.min(), 1.2 * points.max(), GRID_POINTS)
    density = kernel_density(points, grid)
    if not density.max():
        return None
    values = in_unit(grid, unit).tolist()
    return {
        "type": "scatter",
        "x": [time.isoformat()] * GRID_POINTS + _before(time, WIDTH_OF_DENSITY * (density / density.max())[::-1]),
        "y": values + values[::-1],
        "fill": "tonexty",
        "fillcolor": f"rgba(53, 138, 217, {(step + 1) / STEPS_OUT})",
        "line": {"color": "rgba(0,0,0,0)"},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _before(time: datetime, microseconds: Floats) -> list[str]:
    """The times so long before `time`, as `isoformat` writes them."""
    moments = np.datetime64(time, "us") - np.rint(microseconds).astype("timedelta64[us]")
    return [text.removesuffix(".000000") for text in np.datetime_as_string(moments).tolist()]


def _line(
    name: str, color: str, size: int, times: Sequence[datetime], values: Sequence[float] | Floats
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [time.isoformat() for time in times],
        "y": [float(value) for value in values],
        "line": {"color": color, "width": 2},
        "marker": {"size": size},
    }


def _layout(anchor: datetime, unit: Unit) -> dict[str, Any]:
    return {
        "title": {"text": "Gluformer Prediction"},
        "width": 1000,
        "height": 600,
        "template": _WHITE,
        "xaxis": {
            "title": {"text": "Time"},
            "tick0": anchor.isoformat(),
            "dtick": 600_000,
            "tickformat": "%H:%M\n%b %d",
            "gridcolor": "lightgray",
            "showgrid": True,
        },
        "yaxis": {"title": {"text": f"Glucose ({unit})"}},
    }


_AXIS = {"gridcolor": "#EBF0F8", "linecolor": "#EBF0F8", "zerolinecolor": "#EBF0F8", "automargin": True, "ticks": ""}
_WHITE = {
    "layout": {
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": "#2a3f5f"},
        "hovermode": "closest",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}
"""What of Plotly's template `plotly_white` this figure shows; the name alone means nothing to plotly.js."""
