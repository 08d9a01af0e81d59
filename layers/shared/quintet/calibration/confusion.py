"""Which classes are taken for which: as a matrix while it can be read, as a list beyond."""

from collections.abc import Iterator, Sequence

from quintet.calibration.axes import BAR, BLUE, GREY, Frame, category_axis, frame, value_axis
from quintet.calibration.texts import ENGLISH, Texts
from quintet.kernel.drawing import INK, Point, document, line, rectangle, text, turned_text

READABLE = 20
"""The most classes that a matrix is drawn for."""

SIDE, LEFT, TOP = 420, 84, 74
WIDTH, HEIGHT = LEFT + SIDE + 24, TOP + SIDE + 66

HISTOGRAM = (560, 300)

Matrix = Sequence[Sequence[int]]
"""Counts by true class and predicted class."""


def matrix_svg(matrix: Matrix, texts: Texts = ENGLISH) -> str:
    """Each cell as dark as its share of its true class."""
    cell = SIDE / len(matrix)
    told = texts.confusion_about.format(right=f"{right(matrix):,}", samples=f"{sum(map(sum, matrix)):,}")
    return document(
        WIDTH,
        HEIGHT,
        texts.confusion,
        text(texts.confusion, 28, 30, font_size=16, font_weight=600),
        *(piece for row, counts in enumerate(matrix) for piece in _row(row, counts, cell)),
        rectangle(LEFT, TOP, SIDE, SIDE, fill="none", stroke=GREY),
        *(_names(len(matrix), cell)),
        text(texts.predicted_class, LEFT + SIDE / 2, TOP + SIDE + 44, text_anchor="middle"),
        turned_text(texts.true_class, LEFT - 44, TOP + SIDE / 2, text_anchor="middle"),
        description=told,
    )


def right(matrix: Matrix) -> int:
    return sum(counts[true] for true, counts in enumerate(matrix))


def confusions(matrix: Matrix, most: int = 20) -> list[tuple[int, int, int]]:
    """The most frequent ones: true class, predicted class, how often.

    >>> confusions([[5, 2], [3, 9]])
    [(1, 0, 3), (0, 1, 2)]
    """
    wrong = (
        (true, predicted, count)
        for true, counts in enumerate(matrix)
        for predicted, count in enumerate(counts)
        if count and true != predicted
    )
    return sorted(wrong, key=lambda one: (-one[2], one[0], one[1]))[:most]


def _row(row: int, counts: Sequence[int], cell: float) -> Iterator[str]:
    whole = sum(counts)
    size = min(13.0, cell * 0.36)
    y = TOP + row * cell
    for column, count in enumerate(counts):
        x = LEFT + column * cell
        share = count / whole if whole else 0.0
        yield rectangle(x, y, cell, cell, fill=BLUE, fill_opacity=share, stroke="#eef2f7")
        if count:
            ink = "white" if share > 0.75 else INK
            yield text(
                str(count), x + cell / 2, y + cell / 2 + size * 0.35, fill=ink, font_size=size, text_anchor="middle"
            )


def _names(classes: int, cell: float) -> Iterator[str]:
    size = min(12.0, max(8.0, cell * 0.5))
    for place in range(classes):
        middle = (place + 0.5) * cell
        yield text(str(place), LEFT + middle, TOP + SIDE + 18, font_size=size, text_anchor="middle")
        yield text(str(place), LEFT - 8, TOP + middle + size * 0.35, font_size=size, text_anchor="end")


def histogram_svg(counts: Sequence[int], mean: float | None, texts: Texts = ENGLISH) -> str:
    """How many samples were predicted how surely: `counts` in equal bins of [0, 1]."""
    width, height = HISTOGRAM
    panel = frame(74, 62, width - 98, height - 118, (0, 1), (0, 1.05 * max(*counts, 1)))
    told = texts.mean.format(value=f"{mean:.4f}") if mean is not None else texts.unknown
    return document(
        width,
        height,
        texts.histogram,
        text(texts.histogram, 28, 30, font_size=16, font_weight=600),
        *value_axis(panel, texts.samples_axis, whole=True),
        *_bars(panel, counts),
        *category_axis(panel, texts.confidence, most=10),
        *(_mean(panel, mean, told) if mean is not None else ()),
        description=texts.histogram_about.format(summary=told),
    )


def _bars(panel: Frame, counts: Sequence[int]) -> Iterator[str]:
    for place, count in enumerate(counts):
        if count:
            low, high = place / len(counts), (place + 1) / len(counts)
            yield panel.bar(low, high, 0, count, fill=BAR, stroke="white")


def _mean(panel: Frame, mean: float, told: str) -> Iterator[str]:
    x = panel.x(mean)
    yield line(Point(x, panel.top), Point(x, panel.bottom), stroke="#000000", stroke_width=1.5, stroke_dasharray="6 4")
    yield text(told, panel.right, panel.top - 12, text_anchor="end")
