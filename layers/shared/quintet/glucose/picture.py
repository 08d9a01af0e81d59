"""The figure as a drawing: what Plotly makes of it, without Plotly."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from quintet.glucose.chart import Panel, labelled
from quintet.glucose.figure import Figure
from quintet.kernel.drawing import RULE, Point, circle, document, group, line, polygon, polyline, text, turned_text
from quintet.kernel.scale import Scale

LEFT, RIGHT, TOP, BOTTOM = 80, 171, 100, 80
"""Margins, with room for the legend on the right."""

_SPARE = 0.05
"""Of the panel's width and height, left free at each end of the data."""

Trace = dict[str, Any]


def svg(figure: Figure) -> str:
    """A figure of `figure.draw` as SVG, of the same size."""
    layout, traces = figure["layout"], figure["data"]
    densities = [trace for trace in traces if "fillcolor" in trace]
    lines = [trace for trace in traces if "name" in trace]
    panel = _panel(layout, densities, lines)
    return document(
        layout["width"],
        layout["height"],
        layout["title"]["text"],
        text(layout["title"]["text"], layout["width"] / 2, TOP / 2, font_size=17, text_anchor="middle"),
        *_time_axis(panel, layout["xaxis"]),
        *_value_axis(panel, layout["yaxis"]),
        *_densities(panel, densities),
        *(_line(panel, trace) for trace in lines),
        *_legend(panel, lines),
    )


def _panel(layout: dict[str, Any], densities: list[Trace], lines: list[Trace]) -> Panel:
    left, right, top, bottom = LEFT, layout["width"] - RIGHT, TOP, layout["height"] - BOTTOM
    times = [datetime.fromisoformat(time) for trace in lines for time in trace["x"]]
    values = [value for trace in (*densities, *lines) for value in trace["y"]]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    across, up = _SPARE * (right - left), _SPARE * (bottom - top)
    before, after = (across + trace["marker"]["size"] / 1.6 for trace in lines)
    return Panel(
        left,
        right,
        top,
        bottom,
        x=Scale(min(times), max(times), start=left + before, end=right - after),
        y=Scale(low, high, start=bottom - up, end=top + up),
    )


def _time_axis(panel: Panel, axis: dict[str, Any]) -> Iterator[str]:
    ticks = panel.time_ticks(datetime.fromisoformat(axis["tick0"]), timedelta(milliseconds=axis["dtick"]))
    for x, clock, date in labelled(ticks, axis["tickformat"]):
        yield line(Point(x, panel.top), Point(x, panel.bottom), stroke=axis["gridcolor"], shape_rendering="crispEdges")
        yield text(clock, x, panel.bottom + 13, text_anchor="middle")
        yield text(date, x, panel.bottom + 29, text_anchor="middle")
    middle = (panel.left + panel.right) / 2
    yield text(axis["title"]["text"], middle, panel.bottom + 52, font_size=14, text_anchor="middle")


def _value_axis(panel: Panel, axis: dict[str, Any]) -> Iterator[str]:
    for y, label in panel.value_ticks():
        yield line(Point(panel.left, y), Point(panel.right, y), stroke=RULE, shape_rendering="crispEdges")
        yield text(label, panel.left - 1, y + 4.2, text_anchor="end")
    middle = (panel.top + panel.bottom) / 2
    yield turned_text(axis["title"]["text"], 42, middle, font_size=14, text_anchor="middle")


def _densities(panel: Panel, densities: list[Trace]) -> Iterator[str]:
    """Plotly fills from a trace to the next, so that each lies under the colour of the next one too."""
    colors = [_color(trace["fillcolor"]) for trace in densities]
    for trace, ((color, opacity), (_, over)) in zip(densities, pairwise([*colors, ("", 0.0)]), strict=True):
        outline = panel.points(map(datetime.fromisoformat, trace["x"]), trace["y"])
        yield polygon(outline, fill=color, fill_opacity=1 - (1 - opacity) * (1 - over))


def _color(rgba: str) -> tuple[str, float]:
    """
    >>> _color("rgba(53, 138, 217, 0.25)")
    ('rgb(53, 138, 217)', 0.25)
    """
    *channels, opacity = rgba.removeprefix("rgba(").removesuffix(")").split(", ")
    return f"rgb({', '.join(channels)})", float(opacity)


def _line(panel: Panel, trace: Trace) -> str:
    return _marked(trace, panel.points(map(datetime.fromisoformat, trace["x"]), trace["y"]))


def _marked(trace: Trace, points: list[Point], ends: tuple[Point, Point] | None = None) -> str:
    color, radius = trace["line"]["color"], trace["marker"]["size"] / 2
    return group(
        polyline(ends or points, stroke=color, stroke_width=trace["line"]["width"], stroke_linejoin="round"),
        *(circle(point, radius) for point in points),
        fill=color,
    )


def _legend(panel: Panel, lines: list[Trace]) -> Iterator[str]:
    """What is drawn last stands first."""
    x = panel.right + 20
    for row, trace in enumerate(reversed(lines)):
        y = panel.top + 14.5 + 19 * row
        yield _marked(trace, [Point(x + 15, y)], ends=(Point(x, y), Point(x + 30, y)))
        yield text(trace["name"], x + 35, y + 4.7)
