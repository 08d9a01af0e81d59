"""The hour to come as a drawing: the last readings, and the forecast as a fan of bands around its median.

The colours are of Okabe and Ito's palette, which people of any colour vision tell apart.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from quintet.glucose.chart import Panel, labelled
from quintet.glucose.forecast import STEP
from quintet.glucose.hypoglycaemia import LOW
from quintet.glucose.messages import Forecast
from quintet.glucose.units import in_unit
from quintet.kernel.drawing import (
    Point,
    circle,
    document,
    group,
    line,
    polygon,
    polyline,
    rectangle,
    text,
    turned_text,
)
from quintet.kernel.scale import Scale

WIDTH, HEIGHT = 1000, 600
LEFT, RIGHT, TOP, BOTTOM = 80, 890, 130, 490
HIGH = 180.0
"""With LOW the target range, mg/dL (Battelino et al., Clinical Targets for Continuous Glucose Monitoring, 2019)."""
ALWAYS_SHOWN = (55.0, 195.0)

BLUE, VERMILLION = "#0072b2", "#d55e00"
RED, GREY, GRID, TARGET = "#9b1c31", "#5d6b80", "#dce3ec", "#eaf2ee"
BAND_OPACITY = 0.17
HALF_HOUR = timedelta(minutes=30)

Band = tuple[str, str]


def svg(forecast: Forecast) -> str:
    """The fan chart as SVG, in the forecast's unit."""
    panel = _panel(forecast)
    return document(
        WIDTH,
        HEIGHT,
        _title(forecast),
        *_heading(forecast),
        *_target(panel, forecast),
        *_value_axis(panel, forecast),
        *_time_axis(panel, forecast),
        *_fan(panel, forecast),
        *_readings(panel.points(_reading_times(forecast), forecast.readings)),
        *_legend(bands(forecast)),
        *_notices(forecast),
    )


def bands(forecast: Forecast) -> list[Band]:
    """Pairs of levels that lie around the median, the widest first."""
    levels = sorted(forecast.quantiles, key=float)
    return [(low, high) for low, high in zip(levels, reversed(levels), strict=True) if float(low) < float(high)]


def percent(probability: float) -> str:
    """
    >>> percent(0.0), percent(0.231), percent(1.0)
    ('under 1 %', '23 %', 'over 99 %')
    """
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if probability > 0.99 else f"{probability * 100:.0f} %"


def _reading_times(forecast: Forecast) -> list[datetime]:
    last = datetime.fromisoformat(forecast.last_reading)
    return [last - before * STEP for before in reversed(range(len(forecast.readings)))]


def _panel(forecast: Forecast) -> Panel:
    always = [in_unit(value, forecast.unit) for value in ALWAYS_SHOWN]
    values = [*always, *forecast.readings, *(value for row in forecast.quantiles.values() for value in row)]
    low, high = min(values), max(values)
    spare = 0.03 * (high - low)
    first, end = _reading_times(forecast)[0], datetime.fromisoformat(forecast.times[-1])
    x = Scale(first, end, start=LEFT + 12, end=RIGHT - 2)
    return Panel(LEFT, RIGHT, TOP, BOTTOM, x=x, y=Scale(low - spare, high + spare, start=BOTTOM, end=TOP))


def _title(forecast: Forecast) -> str:
    return f"Glucose forecast, {_clock(forecast.last_reading)} – {_clock(forecast.times[-1])}"


def _heading(forecast: Forecast) -> Iterator[str]:
    day = datetime.fromisoformat(forecast.last_reading)
    yield text(_title(forecast), LEFT, 42, font_size=20, font_weight=600)
    yield text(
        f"{day.day} {day:%B %Y}, last reading {_amount(forecast.readings[-1], forecast)}, "
        f"median {_amount(forecast.median[-1], forecast)} at {_clock(forecast.times[-1])}",
        LEFT,
        64,
        font_size=13,
    )
    told = f"{percent(forecast.hypoglycaemia.probability)} within the hour"
    if forecast.hypoglycaemia.alarm:
        yield text(
            f"Hypoglycaemia alarm: {told}", RIGHT, 42, font_size=15, font_weight=600, fill=RED, text_anchor="end"
        )
    else:
        yield text(f"Hypoglycaemia: {told}", RIGHT, 42, font_size=13, text_anchor="end")


def _target(panel: Panel, forecast: Forecast) -> Iterator[str]:
    low, high = (in_unit(limit, forecast.unit) for limit in (LOW, HIGH))
    bottom, top, beside = panel.y(low), panel.y(high), RIGHT + 8
    yield rectangle(LEFT, top, RIGHT - LEFT, bottom - top, fill=TARGET)
    yield line(Point(LEFT, bottom), Point(RIGHT, bottom), stroke=RED, stroke_width=1.5, stroke_dasharray="6 4")
    yield text("target", beside, (top + bottom) / 2 - 4)
    yield text(f"{_digits(low, forecast)} – {_digits(high, forecast)}", beside, (top + bottom) / 2 + 12)
    yield text("hypoglycaemia", beside, bottom + 12, fill=RED)
    yield text(f"below {_digits(low, forecast)}", beside, bottom + 28, fill=RED)


def _value_axis(panel: Panel, forecast: Forecast) -> Iterator[str]:
    for y, label in panel.value_ticks():
        yield line(Point(LEFT, y), Point(RIGHT, y), stroke=GRID, shape_rendering="crispEdges")
        yield text(label, LEFT - 8, y + 4.2, text_anchor="end")
    yield turned_text(f"Glucose ({forecast.unit})", 34, (TOP + BOTTOM) / 2, font_size=14, text_anchor="middle")


def _time_axis(panel: Panel, forecast: Forecast) -> Iterator[str]:
    last = datetime.fromisoformat(forecast.last_reading)
    whole_hour = last.replace(minute=0, second=0, microsecond=0)
    for x, clock, day in labelled(panel.time_ticks(whole_hour, HALF_HOUR), "%H:%M\n%d %b"):
        yield line(Point(x, BOTTOM), Point(x, BOTTOM + 5), stroke=GREY, shape_rendering="crispEdges")
        yield text(clock, x, BOTTOM + 20, text_anchor="middle")
        yield text(day, x, BOTTOM + 36, text_anchor="middle")
    x = panel.x(last)
    yield line(Point(x, TOP), Point(x, BOTTOM), stroke=GREY, stroke_dasharray="2 3")
    yield text("last reading", x, TOP - 7, fill=GREY, text_anchor="middle")


def _fan(panel: Panel, forecast: Forecast) -> Iterator[str]:
    last = forecast.readings[-1]
    times = [datetime.fromisoformat(time) for time in (forecast.last_reading, *forecast.times)]
    edges = {level: panel.points(times, [last, *values]) for level, values in forecast.quantiles.items()}
    for low, high in bands(forecast):
        yield polygon([*edges[low], *reversed(edges[high])], fill=VERMILLION, fill_opacity=BAND_OPACITY)
    yield polyline(panel.points(times, [last, *forecast.median]), stroke=VERMILLION, stroke_width=2.5)


def _readings(points: list[Point]) -> Iterator[str]:
    yield polyline(points, stroke=BLUE, stroke_width=1.5)
    yield group(*(circle(point, 3) for point in points), fill=BLUE)


def _legend(bands: list[Band]) -> Iterator[str]:
    y = 92.0
    yield from _readings([Point(LEFT + 4, y), Point(LEFT + 16, y), Point(LEFT + 28, y)])
    yield text("readings", LEFT + 38, y + 4.2)
    yield line(Point(LEFT + 120, y), Point(LEFT + 148, y), stroke=VERMILLION, stroke_width=2.5)
    yield text("median", LEFT + 156, y + 4.2)
    left = LEFT + 230
    for place, (low, high) in enumerate(bands):
        for _ in range(place + 1):
            yield rectangle(left + 40 * place, y - 9, 40, 18, fill=VERMILLION, fill_opacity=BAND_OPACITY)
        yield text(f"{(float(high) - float(low)) * 100:.0f} %", left + 40 * place + 20, y + 4.2, text_anchor="middle")
    yield text("of outcomes expected within", left + 40 * len(bands) + 8, y + 4.2)


def _notices(forecast: Forecast) -> Iterator[str]:
    yield text(forecast.notice, LEFT, HEIGHT - 38, font_size=13, font_weight=600)
    yield text(forecast.hypoglycaemia.notice, LEFT, HEIGHT - 18, fill=GREY)
    yield text(f"model {forecast.model}", RIGHT, HEIGHT - 18, fill=GREY, text_anchor="end")


def _amount(value: float, forecast: Forecast) -> str:
    return f"{_digits(value, forecast)} {forecast.unit}"


def _digits(value: float, forecast: Forecast) -> str:
    return f"{value:.{0 if forecast.unit == 'mg/dL' else 1}f}"


def _clock(time: str) -> str:
    return f"{datetime.fromisoformat(time):%H:%M}"
