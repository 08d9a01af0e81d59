"""Charts drawn by matplotlib, on its Agg canvas without pyplot, which keeps nothing between two pictures.

Colours are Okabe and Ito's, which the colour-blind can tell apart, and cividis for what has a scale.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np

from quintet.kernel.charts import Areas, Chart, Marks, Panel, Sign, Surface

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
NO_GROUP = "#999999"
INK = "#222222"
STYLES: dict[Sign, dict[str, Any]] = {
    "mast": {"marker": "^", "s": 90, "c": "white", "edgecolors": INK, "linewidths": 1.4},
    "handover": {"marker": "o", "s": 70, "facecolors": "none", "edgecolors": INK, "linewidths": 1.6},
    "start": {"marker": "s", "s": 60, "c": INK},
    "end": {"marker": "X", "s": 80, "c": INK},
}
PANEL, HEIGHT, DPI = 6.2, 5.6, 110
"""Inches of a panel's width and of the whole height, and pixels an inch."""
LONGEST = 24
"""Letters of a name."""


class MatplotlibDrawing:
    """Text is set as it is: names are the callers', and no mathematics."""

    def png(self, chart: Chart) -> bytes:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(PANEL * max(len(chart.panels), 1.2), HEIGHT), dpi=DPI, layout="constrained")
        figure.suptitle(chart.title, fontsize=13, parse_math=False)
        places = np.ravel(figure.subplots(1, len(chart.panels)))
        legend = [entry for axes, panel in zip(places, chart.panels, strict=True) for entry in draw(axes, panel, chart)]
        _legend(figure, legend)
        file = BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def draw(axes: Any, panel: Panel, chart: Chart) -> list[tuple[Any, str]]:
    """What the legend is to say of it."""
    axes.set_title(panel.title, fontsize=11, parse_math=False)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(nbins=6)
    axes.tick_params(axis="x", labelrotation=30)
    entries = [*_surface(axes, panel, chart), *_ways(axes, panel, chart), *_marks(axes, panel)]
    _frame(axes, panel, chart)
    return entries


def _surface(axes: Any, panel: Panel, chart: Chart) -> Iterator[tuple[Any, str]]:
    match panel.surface:
        case Areas() as areas:
            yield from _areas(axes, areas, chart)
        case Surface() as surface:
            image = axes.imshow(surface.values, origin="lower", extent=chart.extent, cmap="cividis")
            axes.figure.colorbar(image, ax=axes, label=surface.label, shrink=0.85)


def _areas(axes: Any, areas: Areas, chart: Chart) -> Iterator[tuple[Any, str]]:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colours = [colour(number) for number in range(len(chart.groups))]
    scale = {"vmin": -0.5, "vmax": len(colours) - 0.5, "cmap": ListedColormap(colours)}
    axes.imshow(areas.members, origin="lower", extent=chart.extent, interpolation="nearest", alpha=0.75, **scale)
    yield from ((Patch(facecolor=shade, alpha=0.75), name) for shade, name in zip(colours, chart.groups, strict=True))
    if areas.doubtful.any():
        yield _hatched(axes, areas, chart), areas.doubt


def _hatched(axes: Any, areas: Areas, chart: Chart) -> Any:
    from matplotlib.patches import Patch

    shape = {"origin": "lower", "extent": chart.extent}
    axes.contourf(areas.doubtful.astype(float), levels=[0.5, 1.5], hatches=["////"], colors="none", **shape)
    return Patch(facecolor="none", edgecolor=INK, hatch="////")


def _ways(axes: Any, panel: Panel, chart: Chart) -> Iterator[tuple[Any, str]]:
    """One handle a group, in the groups' order."""
    from matplotlib.lines import Line2D

    for way in panel.ways:
        axes.plot(*way.points.T, color=colour(way.group), linewidth=3, solid_capstyle="round", marker=".", markersize=4)
    shown = {way.group for way in panel.ways}
    named = [(number, name) for number, name in enumerate(chart.groups) if number in shown]
    yield from ((Line2D([], [], color=colour(number), linewidth=3), name) for number, name in named)
    if None in shown:
        yield Line2D([], [], color=NO_GROUP, linewidth=3), "no cell named"


def _marks(axes: Any, panel: Panel) -> Iterator[tuple[Any, str]]:
    for marks in panel.marks:
        drawn = axes.scatter(*marks.points.T, zorder=5, **STYLES[marks.sign])
        _names(axes, marks)
        if marks.label:
            yield drawn, marks.label


def _names(axes: Any, marks: Marks) -> None:
    around = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    for place, name in zip(marks.points, marks.names, strict=bool(marks.names)):
        axes.annotate(
            readable(name), place, (0, -9), textcoords="offset points", ha="center", va="top", fontsize=9, bbox=around,
            parse_math=False, annotation_clip=False, zorder=6,
        )  # fmt: skip


def _frame(axes: Any, panel: Panel, chart: Chart) -> None:
    """Around everything, and never without breadth: a UE that stands has a place, too."""
    if panel.surface is not None and chart.extent:
        left, right, bottom, top = chart.extent
        axes.set(xlim=(left, right), ylim=(bottom, top))
    else:
        everything = np.concatenate([way.points for way in panel.ways] + [marks.points for marks in panel.marks])
        (left, bottom), (right, top) = everything.min(axis=0), everything.max(axis=0)
        half = 0.56 * max(right - left, (top - bottom) * chart.stretch, 1e-4, 1e-9 * np.abs(everything).max())
        x, y = (left + right) / 2, (bottom + top) / 2
        axes.set(xlim=(x - half, x + half), ylim=(y - half / chart.stretch, y + half / chart.stretch))
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
    axes.set_aspect(chart.stretch)


def _legend(figure: Any, entries: list[tuple[Any, str]]) -> None:
    """Below, each name once."""
    named = {name: sign for sign, name in reversed(entries)}
    names = list(dict.fromkeys(name for _, name in entries))
    signs = [named[name] for name in names]
    place = {"loc": "outside lower center", "ncols": min(len(names), 5), "fontsize": 9, "frameon": False}
    for text in figure.legend(signs, [readable(name) for name in names], **place).get_texts():
        text.set_parse_math(False)


def colour(group: int | None) -> str:
    """
    >>> colour(None), colour(7) == colour(0)
    ('#999999', True)
    """
    return NO_GROUP if group is None else COLOURS[group % len(COLOURS)]


def readable(name: str) -> str:
    """What fits beside a mark, of letters that the typeface has; a leading underscore would hide it in the legend."""
    known = "".join(letter if ord(letter) in _letters() else "?" for letter in name)
    short = known if len(known) <= LONGEST else f"{known[: LONGEST - 1]}…"
    return f" {short}" if short.startswith("_") else short


@cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())
