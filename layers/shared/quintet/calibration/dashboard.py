"""A session batch by batch: alpha and the bound of the uncertainty, then the coverage and the largest set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quintet.calibration.axes import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    Frame,
    category_axis,
    frame,
    span,
    thinned,
    value_axis,
)
from quintet.calibration.evaluation import BatchMetrics, Result
from quintet.calibration.texts import ENGLISH, Texts
from quintet.kernel.drawing import Point, circle, document, group, line, polyline, text

WIDTH, HEIGHT = 760, 560
LEFTS, TOPS = (74, 452), (84, 336)
PANEL_WIDTH, PANEL_HEIGHT = 284, 160
MARKED = 60
"""Up to so many batches each has a mark."""


@dataclass(frozen=True)
class Series:
    """One panel: values by batch index, and the level they are seen beside."""

    name: str
    color: str
    places: Sequence[int]
    values: Sequence[float]
    level: float | None = None
    level_name: str = ""
    whole: bool = False


def dashboard_svg(result: Result, texts: Texts = ENGLISH) -> str:
    """Two by two panels; one that has no batches says so."""
    panels = zip([(left, top) for top in TOPS for left in LEFTS], series_of(result, texts), strict=True)
    return document(
        WIDTH,
        HEIGHT,
        texts.dashboard,
        text(texts.dashboard, 28, 30, font_size=16, font_weight=600),
        *(piece for (left, top), series in panels for piece in _panel(left, top, series, texts)),
        description=texts.dashboard_about,
    )


def series_of(result: Result, texts: Texts = ENGLISH) -> list[Series]:
    """Alpha, U, coverage, largest set."""
    found = result.utrace
    alpha, bound = found.alpha, found.uncertainty
    target = None if alpha is None else 1 - alpha
    return [
        _series(result, lambda one: one.alpha, texts.panel_alpha, GREEN, alpha, texts.mean),
        _series(result, lambda one: one.uncertainty, texts.panel_bound, VERMILLION, bound, texts.mean),
        _series(result, lambda one: one.coverage, texts.panel_coverage, BLUE, target, texts.target),
        _series(result, lambda one: one.set_size, texts.panel_sets, GREY, None, "", whole=True),
    ]


def _series(
    result: Result,
    value: Callable[[BatchMetrics], float | None],
    name: str,
    color: str,
    level: float | None,
    told: str,
    *,
    whole: bool = False,
) -> Series:
    known = [(one.index, found) for one in result.history if (found := value(one)) is not None]
    places, values = thinned([place for place, _ in known], [found for _, found in known])
    return Series(
        name, color, places, values, level, told.format(value=f"{level:.4f}") if level is not None else "", whole
    )


def _panel(left: float, top: float, series: Series, texts: Texts) -> Iterator[str]:
    yield text(series.name, left, top - 12, font_size=13, font_weight=600)
    if not series.values:
        panel = frame(left, top, PANEL_WIDTH, PANEL_HEIGHT, (0, 1), (0, 1))
        yield line(Point(left, panel.bottom), Point(panel.right, panel.bottom), stroke=GREY)
        yield text(texts.nothing, panel.middle.x, panel.middle.y, text_anchor="middle", fill=GREY)
        return
    panel = _frame(left, top, series)
    yield from value_axis(panel, whole=series.whole)
    yield from category_axis(panel, texts.batch, whole=True)
    yield from _line(panel, series)
    yield from _level(panel, series)


def _frame(left: float, top: float, series: Series) -> Frame:
    first, last = series.places[0], series.places[-1]
    levels = [series.level] if series.level is not None else []
    ys = (0.0, max(series.values) + 1) if series.whole else span([*series.values, *levels])
    return frame(left, top, PANEL_WIDTH, PANEL_HEIGHT, (first - 0.5, last + 0.5), ys)


def _level(panel: Frame, series: Series) -> Iterator[str]:
    if series.level is not None:
        y = panel.y(series.level)
        yield line(
            Point(panel.left, y), Point(panel.right, y), stroke="#000000", stroke_width=1.5, stroke_dasharray="6 4"
        )
        yield text(series.level_name, panel.right, panel.top - 12, text_anchor="end")


def _line(panel: Frame, series: Series) -> Iterator[str]:
    points = panel.points(series.places, series.values)
    yield polyline(points, stroke=series.color, stroke_width=1.5, stroke_linejoin="round")
    if len(points) <= MARKED:
        yield group(*(circle(point, 2.5) for point in points), fill=series.color)
