"""Pieces of SVG. Lengths are in pixels and y grows downwards; in an attribute's name `_` stands for `-`.

>>> text("< 70 mg/dL", 10, 20.125, font_size=12)
'<text x="10" y="20.12" font-size="12">&lt; 70 mg/dL</text>'
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

FONT = "Open Sans, verdana, arial, sans-serif"
INK = "#2a3f5f"
RULE = "#ebf0f8"

_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Point(NamedTuple):
    x: float
    y: float


def document(width: float, height: float, title: str, *content: str, description: str = "") -> str:
    """A drawing on white that stands for itself; `description` is for those who can't see it."""
    return element(
        "svg",
        element("title", escape(_legible(title))),
        element("desc", escape(_legible(description))) if description else "",
        rectangle(0, 0, width, height, fill="white"),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
        font_family=FONT,
        font_size=12,
        fill=INK,
    )


def text(words: str, x: float, y: float, **attributes: str | float) -> str:
    """Empty for no words."""
    return element("text", escape(_legible(words)), x=x, y=y, **attributes) if words else ""


def turned_text(words: str, x: float, y: float, **attributes: str | float) -> str:
    """Text that is read from below."""
    return text(words, x, y, transform=f"rotate(-90 {_number(x)} {_number(y)})", **attributes)


def polyline(points: Sequence[Point], **attributes: str | float) -> str:
    return element("path", d=_path(points), fill="none", **attributes)


def polygon(points: Sequence[Point], **attributes: str | float) -> str:
    return element("path", d=f"{_path(points)}Z", **attributes)


def line(start: Point, end: Point, **attributes: str | float) -> str:
    return element("line", x1=start.x, y1=start.y, x2=end.x, y2=end.y, **attributes)


def rectangle(x: float, y: float, width: float, height: float, **attributes: str | float) -> str:
    return element("rect", x=x, y=y, width=width, height=height, **attributes)


def circle(centre: Point, radius: float, **attributes: str | float) -> str:
    return element("circle", cx=centre.x, cy=centre.y, r=radius, **attributes)


def group(*content: str, **attributes: str | float) -> str:
    return element("g", *content, **attributes)


def element(name: str, *content: str, **attributes: str | float) -> str:
    """`content` is SVG already."""
    pairs = "".join(f" {key.replace('_', '-')}={_attribute(value)}" for key, value in attributes.items())
    return f"<{name}{pairs}>{''.join(content)}</{name}>" if content else f"<{name}{pairs}/>"


def _attribute(value: str | float) -> str:
    return quoteattr(_legible(value) if isinstance(value, str) else _number(value))


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.2f},{y:.2f}" for x, y in _bends(points))


def _bends(points: Sequence[Point]) -> list[Point]:
    """The points without those that lie on a vertical line between two others."""
    inner = zip(points, points[1:], points[2:], strict=False)
    return [points[0], *(point for one, point, other in inner if not _between(one, point, other)), *points[1:][-1:]]


def _between(one: Point, point: Point, other: Point) -> bool:
    return one.x == point.x == other.x and (point.y - one.y) * (other.y - point.y) > 0


def _number(value: float) -> str:
    return f"{round(value, 2):g}"


def _legible(words: str) -> str:
    """The words without what XML can't hold."""
    return _NO_XML.sub("\ufffd", words)
