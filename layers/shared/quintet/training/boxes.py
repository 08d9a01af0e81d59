"""Boxes out of a model's scores: which candidates count, which of them say the same, and their normal form."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.training.detector_ports import Floats

CONFIDENCE = 0.25
OVERLAP = 0.45
MOST_DETECTIONS = 300
MOST_CANDIDATES = 30_000

Corners = NDArray[np.float64]


class Boxes(NamedTuple):
    """k boxes: `corners` (k, 4) as x1, y1, x2, y2; `scores` (k,) from 0 to 1; `classes` (k,), ids."""

    corners: Corners
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]

    def only(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes":
        return Boxes(self.corners[which], self.scores[which], self.classes[which])


def candidates(output: Floats, threshold: float = CONFIDENCE, *, one_class: bool = False) -> Boxes:
    """The columns of `output` (4 + classes, n) that score above `threshold`, once a class or for the best one alone.

    What is not finite does not count. Of more than MOST_CANDIDATES only the best are taken.

    >>> output = np.array([[1, 1, 5, 5, 0.9, 0.2], [2, 2, 8, 8, 0.1, 0.3]], dtype=np.float32).T
    >>> candidates(output).classes.tolist()
    [0, 1]
    """
    corners, scores = output[:4], output[4:]
    above = (scores > threshold) & np.isfinite(scores) & np.isfinite(corners).all(axis=0)
    if one_class:
        above &= np.arange(len(scores))[:, None] == np.where(above, scores, -np.inf).argmax(axis=0)
    columns, classes = above.T.nonzero()
    found = Boxes(corners.T[columns].astype(np.float64), scores[classes, columns], classes)
    if len(classes) <= MOST_CANDIDATES:
        return found
    return found.only(np.argpartition(-found.scores, MOST_CANDIDATES)[:MOST_CANDIDATES])


def clipped(boxes: Boxes, height: int, width: int) -> Boxes:
    """The boxes as far as they lie in the image; those with nothing in it are left out."""
    corners = boxes.corners.clip(0, [width, height, width, height])
    wide, high = (corners[:, 2:] > corners[:, :2]).T
    return boxes._replace(corners=corners).only(wide & high)


def suppressed(boxes: Boxes, overlap: float = OVERLAP, limit: int = MOST_DETECTIONS) -> Boxes:
    """The best of the boxes that overlap within a class, best first, at most `limit`: non-maximum suppression.

    A box goes if its overlap (intersection over union) with a better one of its class is above `overlap`; equal
    scores keep their order.
    """
    order = np.argsort(-boxes.scores, kind="stable")
    kept: list[np.intp] = []
    while order.size and len(kept) < limit:
        best, rest = order[0], order[1:]
        kept.append(best)
        same = boxes.classes[rest] == boxes.classes[best]
        order = rest[~same | (overlaps(boxes.corners[best], boxes.corners[rest]) <= overlap)]
    return boxes.only(np.array(kept, dtype=np.intp))


def overlaps(box: Corners, others: Corners) -> NDArray[np.float64]:
    """Intersection over union of `box` (4,) with each of `others` (k, 4); boxes have an area.

    >>> overlaps(np.array([0.0, 0.0, 2.0, 2.0]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3).tolist()
    [0.333]
    """
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = _product(shared.clip(0))
    return intersection / (_areas(box[None]) + _areas(others) - intersection)


def centred(corners: Corners) -> Corners:
    """x1, y1, x2, y2 -> x_center, y_center, width, height, all (k, 4) in the same unit."""
    low, high = corners[:, :2], corners[:, 2:]
    return np.hstack([(low + high) / 2, high - low])


def _areas(corners: Corners) -> NDArray[np.float64]:
    return _product(corners[:, 2:] - corners[:, :2])


def _product(sides: Corners) -> NDArray[np.float64]:
    return sides[:, 0] * sides[:, 1]
