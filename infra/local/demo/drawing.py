"""An image with the boxes that a detector found in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

COLOURS = ("#00c2ff", "#ff4f9a", "#7cff4f")


def write(image: Image.Image, annotations: Sequence[dict[str, Any]], target: Path) -> Path:
    """Draw `annotations`, whose boxes are relative to the image, and write `target` (PNG)."""
    figure = Figure(figsize=(6, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image, interpolation="nearest")
    for one in annotations:
        width, height = one["width"] * image.width, one["height"] * image.height
        left, top = one["x_center"] * image.width - width / 2, one["y_center"] * image.height - height / 2
        colour = COLOURS[one["class_id"] % len(COLOURS)]
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=colour, linewidth=2.5))
        label = f"{one['class_name']} {one['confidence']:.2f}"
        side = "bottom" if top > 0.1 * image.height else "top"
        axes.text(left, max(top - 1, 1), label, color="black", fontsize=11, backgroundcolor=colour, va=side)
    axes.set_axis_off()
    figure.savefig(target)
    return target
