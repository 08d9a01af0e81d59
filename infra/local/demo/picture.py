"""A quick_plot answer as a picture: readings, the last hour as foreseen, and the fan of the hour to come."""

from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, MinuteLocator, date2num
from matplotlib.figure import Figure

BLUE, RED = "#1f4e9e", "#c0392b"
LOW, HIGH = 70, 180
"""mg/dL: the range that the consensus on time in range calls the target (Battelino et al., 2019)."""


def write(answer: dict[str, Any], title: str, stem: Path) -> list[Path]:
    """Write `stem`.svg and `stem`.png."""
    figure = Figure(figsize=(10, 5.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    _target(axes)
    last = _known(axes, answer["plot_data"]["data"])
    _fan(axes, answer["forecast"], last)
    axes.set_title(f"{title}\n", loc="left")
    axes.text(0, 1.02, answer["forecast"]["notice"], transform=axes.transAxes, fontsize=8, color="gray")
    axes.set_ylabel("glucose, mg/dL")
    axes.xaxis.set_major_locator(MinuteLocator(byminute=range(0, 60, 15)))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    files = [stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")]
    for file in files:
        figure.savefig(file)
    return files


def _target(axes: Axes) -> None:
    axes.axhspan(LOW, HIGH, color="#e8f3e8", zorder=0, label=f"target, {LOW} – {HIGH}")
    axes.margins(x=0.01)


def _known(axes: Axes, traces: list[dict[str, Any]]) -> float:
    """Draws what is known; the last reading."""
    lines = {trace["name"]: trace for trace in traces if "name" in trace}
    readings, median = lines["True Values"], lines["Median Forecast"]
    axes.plot(_times(readings["x"]), readings["y"], "o-", color=BLUE, markersize=4, label="readings")
    axes.plot(_times(median["x"]), median["y"], "--", color=RED, alpha=0.6, label="the last hour, as foreseen")
    return float(readings["y"][-1])


def _fan(axes: Axes, forecast: dict[str, Any], last: float) -> None:
    times = _times([forecast["last_reading"], *forecast["times"]])
    lines = {float(level): [last, *values] for level, values in forecast["quantiles"].items()}
    levels = sorted(lines)
    for low, high in zip(levels, reversed(levels), strict=True):
        if low < high:
            axes.fill_between(times, lines[low], lines[high], color=RED, alpha=0.13, linewidth=0)
    axes.plot(times, lines[0.5], color=RED, linewidth=2, label="forecast: median and quantiles")
    axes.axvline(times[0], color="gray", linewidth=0.8, linestyle=":")


def _times(texts: list[str]) -> list[float]:
    """ISO times as matplotlib's days."""
    return [float(date2num(datetime.fromisoformat(text))) for text in texts]
