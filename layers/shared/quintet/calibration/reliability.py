"""The reliability diagram: how often a model is right, for each bin of how sure it is (Guo et al., 2017)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from quintet.calibration.axes import BAR, COUNT, GAP, GREY, VERMILLION, Frame, category_axis, frame, value_axis
from quintet.calibration.evaluation import Result
from quintet.calibration.metrics import Bin, Calibration
from quintet.calibration.texts import ENGLISH, Texts
from quintet.kernel.drawing import Point, circle, document, line, rectangle, text

SIDE, COUNTS = 260, 64
"""Of the square, and of the counts below it."""

WIDTH, HEIGHT = 720, 492
LEFTS = (70, 430)
TOP, COUNTS_TOP = 98, 382

DASHED: dict[str, str | float] = {"fill": GAP, "stroke": VERMILLION, "stroke_dasharray": "3 2"}


Half = tuple[str, Calibration]
"""A name, and what is drawn under it."""


def reliability_svg(result: Result, texts: Texts = ENGLISH) -> str:
    """The diagram of a session as SVG: of the rows after the calibration part, before and after the temperature;
    of all rows, where there is no such part or nothing could be fitted to it.
    """
    if not scaled(result):
        return diagram([(texts.reliability_all, result.overall)], texts)
    after = texts.reliability_after.format(temperature=f"{result.temperature.value:.3f}")
    return diagram([(texts.reliability_before, result.before), (after, result.after)], texts)


def scaled(result: Result) -> bool:
    """Whether there is a temperature, and rows to see its effect on."""
    return result.temperature.outcome != "too_few_rows" and result.after.rows > 0


def diagram(halves: Sequence[Half], texts: Texts = ENGLISH) -> str:
    """One or two halves side by side, as SVG."""
    told = "; ".join(f"{name}: {_summary(shown, texts)}" for name, shown in halves)
    return document(
        WIDTH,
        HEIGHT,
        texts.reliability,
        text(texts.reliability, 28, 30, font_size=16, font_weight=600),
        *_legend(texts),
        *(piece for left, half in zip(LEFTS, halves, strict=False) for piece in _half(left, half, texts)),
        description=texts.reliability_about.format(summary=told),
    )


def _summary(shown: Calibration, texts: Texts) -> str:
    ece = texts.unknown if shown.ece is None else f"{shown.ece:.4f}"
    return texts.reliability_summary.format(ece=ece, samples=f"{shown.rows:,}")


def _half(left: float, half: Half, texts: Texts) -> Iterator[str]:
    name, shown = half
    square = frame(left, TOP, SIDE, SIDE, (0, 1), (0, 1))
    bars = list(_bars(shown.bins))
    yield text(name, left, TOP - 26, font_size=13, font_weight=600)
    yield text(_summary(shown, texts), left, TOP - 9)
    yield from value_axis(square, texts.share_right)
    yield from (piece for bar in bars for piece in _bar(square, bar))
    yield line(square.point(0, 0), square.point(1, 1), stroke=GREY, stroke_width=1.5, stroke_dasharray="6 4")
    yield from (circle(square.point(bar.confidence, bar.accuracy), 3, fill="#000000") for bar in bars)
    yield line(Point(left, TOP + SIDE), Point(left + SIDE, TOP + SIDE), stroke=GREY)
    yield from _counts(left, shown, texts)


class Bar(NamedTuple):
    """A bin that holds samples."""

    low: float
    high: float
    confidence: float
    accuracy: float


def _bars(bins: Sequence[Bin]) -> Iterator[Bar]:
    for one in bins:
        if one.confidence is not None and one.accuracy is not None:
            yield Bar(one.low, one.high, one.confidence, one.accuracy)


def _bar(square: Frame, bar: Bar) -> Iterator[str]:
    """The bin's accuracy, and between that and its confidence the gap, dashed, so that it needs no colour."""
    yield square.bar(bar.low, bar.high, 0, bar.accuracy, fill=BAR, stroke="white")
    fill = GAP if bar.confidence > bar.accuracy else "none"  # below the accuracy, the bar shows through
    yield square.bar(bar.low, bar.high, bar.accuracy, bar.confidence, **{**DASHED, "fill": fill})


def _counts(left: float, shown: Calibration, texts: Texts) -> Iterator[str]:
    most = max((one.rows for one in shown.bins), default=0)
    below = frame(left, COUNTS_TOP, SIDE, COUNTS, (0, 1), (0, max(most, 1)))
    yield from value_axis(below, texts.samples_axis, most=2, whole=True)
    for one in shown.bins:
        if one.rows:
            yield below.bar(one.low, one.high, 0, one.rows, fill=COUNT, stroke="white")
    yield from category_axis(below, texts.confidence)


def _legend(texts: Texts) -> Iterator[str]:
    x, y = WIDTH - 330, 26
    yield rectangle(x, y - 8, 14, 11, fill=BAR)
    yield rectangle(x + 5, y - 10, 4, 4, fill="#000000", rx=2)
    yield text(texts.share_right, x + 20, y + 2)
    yield rectangle(x + 96, y - 8, 14, 11, **DASHED)
    yield text(texts.gap, x + 116, y + 2)
    yield line(Point(x + 172, y - 2), Point(x + 198, y - 2), stroke=GREY, stroke_width=1.5, stroke_dasharray="6 4")
    yield text(texts.calibrated, x + 204, y + 2)
