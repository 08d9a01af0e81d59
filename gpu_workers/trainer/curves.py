"""How a training went, as a table and as a picture."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("epoch", "train_loss", "box_loss", "cls_loss", "dfl_loss", "mAP50", "mAP50_95", "lr", "seconds")
LOSSES = {"train_loss": "total", "box_loss": "box", "cls_loss": "class", "dfl_loss": "dfl"}
SCORES = {"mAP50": "mAP50", "mAP50_95": "mAP50–95"}
Epoch = Mapping[str, Any]


def write_csv(epochs: Iterable[Epoch], target: Path) -> Path:
    """A row an epoch; empty where a number is not known."""
    with target.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([known(epoch.get(name)) for name in COLUMNS] for epoch in epochs)
    return target


def known(value: Any) -> str | int:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, int) else ""


def draw(epochs: Sequence[Epoch], title: str, target: Path) -> Path:
    """Losses on the left, mAP on validation images on the right, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=110)
    losses, scores = figure.subplots(1, 2, gridspec_kw={"left": 0.06, "right": 0.98, "bottom": 0.12, "top": 0.83})
    lines(losses, epochs, LOSSES)
    lines(scores, epochs, SCORES)
    losses.set(title="loss on training images", xlabel="epoch", ylim=(0, None))
    scores.set(title="score on validation images", xlabel="epoch", ylim=(0, 1))
    figure.suptitle(title, parse_math=False)
    FigureCanvasAgg(figure).print_png(target)
    return target


def lines(axes: Any, epochs: Sequence[Epoch], names: Mapping[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(epochs) <= 30 else None
    for name, label in names.items():
        points = [(epoch["epoch"], epoch[name]) for epoch in epochs if epoch.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker=marker, markersize=3.5, label=f"{label} {points[-1][1]:.3g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(frameon=False)
