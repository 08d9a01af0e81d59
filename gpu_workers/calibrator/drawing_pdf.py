"""Drawings of quintet.kernel.drawing in a PDF, as vectors: the few elements of SVG that they are made of."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple
from xml.etree import ElementTree

from reportlab.lib.colors import Color, toColor
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from gpu_workers.calibrator.typefaces import BOLD, REGULAR, settable

SCALE = 0.66
"""Points for a pixel, at the most."""

_RGB = re.compile(r"-?\d+(?:\.\d+)?")
_TURNED = re.compile(r"rotate\((-?[\d.]+) ")
Style = Mapping[str, str]


class Place(NamedTuple):
    """Where a drawing's pixels are on the page: y grows upwards there."""

    top: float
    scale: float

    def x(self, pixels: float) -> float:
        return pixels * self.scale

    def y(self, pixels: float) -> float:
        return self.top - pixels * self.scale


class Drawing(Flowable):  # type: ignore[misc]
    """An SVG document, made smaller where it is wider than the column. `draw` is called by reportlab."""

    def __init__(self, svg: str, column: float) -> None:
        super().__init__()
        self._root = ElementTree.fromstring(svg)  # noqa: S314 (drawn by ourselves)
        pixels = float(self._root.attrib["width"]), float(self._root.attrib["height"])
        scale = min(SCALE, column / pixels[0])
        self.width, self.height = pixels[0] * scale, pixels[1] * scale
        self.hAlign = "LEFT"
        self._place = Place(self.height, scale)

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        paint(self._root, self.canv, self._place, {})


def paint(element: ElementTree.Element, canvas: Canvas, place: Place, above: Style) -> None:
    """The element and what it holds, with the attributes of what it stands in where it has none of its own."""
    style = {**above, **element.attrib}
    name = element.tag.rpartition("}")[2]
    if name in ("svg", "g"):
        for child in element:
            paint(child, canvas, place, _inherited(style))
    elif name not in ("title", "desc"):
        _PAINTERS[name](element, canvas, place, style)


def _inherited(style: Style) -> dict[str, str]:
    own = ("width", "height", "viewBox", "role")
    return {name: value for name, value in style.items() if name not in own}


def _rectangle(element: ElementTree.Element, canvas: Canvas, place: Place, style: Style) -> None:
    x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
    fill, stroke = _pens(canvas, place, style)
    canvas.rect(
        place.x(x), place.y(y + height), width * place.scale, height * place.scale, fill=int(fill), stroke=int(stroke)
    )


def _line(element: ElementTree.Element, canvas: Canvas, place: Place, style: Style) -> None:
    x1, y1, x2, y2 = (float(element.attrib[name]) for name in ("x1", "y1", "x2", "y2"))
    _pens(canvas, place, style)
    canvas.line(place.x(x1), place.y(y1), place.x(x2), place.y(y2))


def _circle(element: ElementTree.Element, canvas: Canvas, place: Place, style: Style) -> None:
    x, y, radius = (float(element.attrib[name]) for name in ("cx", "cy", "r"))
    fill, stroke = _pens(canvas, place, style)
    canvas.circle(place.x(x), place.y(y), radius * place.scale, fill=int(fill), stroke=int(stroke))


def _path(element: ElementTree.Element, canvas: Canvas, place: Place, style: Style) -> None:
    """Straight lines from point to point: M, L and Z are all there is."""
    numbers = [float(found) for found in _RGB.findall(element.attrib["d"])]
    fill, stroke = _pens(canvas, place, style)
    path = canvas.beginPath()
    for at in range(0, len(numbers), 2):
        go = path.lineTo if at else path.moveTo
        go(place.x(numbers[at]), place.y(numbers[at + 1]))
    if element.attrib["d"].endswith("Z"):
        path.close()
    canvas.drawPath(path, fill=int(fill), stroke=int(stroke))


def _text(element: ElementTree.Element, canvas: Canvas, place: Place, style: Style) -> None:
    x, y, size = float(element.attrib["x"]), float(element.attrib["y"]), float(style.get("font-size", "12"))
    turned = _TURNED.match(style.get("transform", ""))
    canvas.setFillColor(_color(style.get("fill", "black"), 1.0))
    canvas.setFont(BOLD if style.get("font-weight") == "600" else REGULAR, size * place.scale)
    writers = {"middle": canvas.drawCentredString, "end": canvas.drawRightString}
    write = writers.get(style.get("text-anchor", ""), canvas.drawString)
    words = settable(element.text or "")
    if turned is None:
        write(place.x(x), place.y(y), words)
        return
    canvas.saveState()
    canvas.translate(place.x(x), place.y(y))
    canvas.rotate(-float(turned.group(1)))
    write(0, 0, words)
    canvas.restoreState()


def _pens(canvas: Canvas, place: Place, style: Style) -> tuple[bool, bool]:
    """Sets colours and line; whether to fill, and whether to draw the outline."""
    fill, stroke = style.get("fill", "black"), style.get("stroke", "none")
    if fill != "none":
        canvas.setFillColor(_color(fill, float(style.get("fill-opacity", "1"))))
    if stroke != "none":
        canvas.setStrokeColor(_color(stroke, 1.0))
        canvas.setLineWidth(float(style.get("stroke-width", "1")) * place.scale)
        dashes = style.get("stroke-dasharray", "").split()
        canvas.setDash([float(dash) * place.scale for dash in dashes])
    return fill != "none", stroke != "none"


@cache
def _color(name: str, opacity: float) -> Color:
    """The colour as it looks on white: a page without transparency prints everywhere."""
    color = toColor(name)
    red, green, blue = (1 - opacity * (1 - part) for part in (color.red, color.green, color.blue))
    return Color(red, green, blue)


_PAINTERS: Mapping[str, Callable[[ElementTree.Element, Canvas, Place, Style], Any]] = {
    "rect": _rectangle,
    "line": _line,
    "circle": _circle,
    "path": _path,
    "text": _text,
}
