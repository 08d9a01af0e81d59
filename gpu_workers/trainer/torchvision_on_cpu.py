"""torchvision's wheel beside a CPU build of torch: its compiled operators don't load, so nms is given in torch.

    from gpu_workers.trainer.torchvision_on_cpu import with_nms
    torchvision = with_nms()

A torchvision that matches its torch, as in the GPU image, is left as it is. Names of torchvision==0.28.0 are private.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # an operator lives as long as its library


def with_nms() -> Any:
    """Import torchvision, with `nms` where its own is missing."""
    missing = not _libraries and _is_missing()
    if missing:
        _define()
    import torchvision

    if missing:
        torchvision.ops.boxes._assert_has_ops = lambda: None
    return torchvision


def _is_missing() -> bool:
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        return True
    return not torchvision.extension._has_ops()


def _define() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):  # torchvision registers shapes of both at import
        library.define(name + SCHEMA)
    library.impl("nms", nms, "CPU")
    _libraries.append(library)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """boxes (n, 4) xyxy, scores (n,) -> indices kept, best first; none overlaps a better one by more than threshold."""
    order = scores.argsort(descending=True, stable=True).numpy()
    corners = boxes.numpy()
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(corners[best, :2], corners[order, :2])
        high = np.minimum(corners[best, 2:], corners[order, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        order = order[shared <= threshold * (area[best] + area[order] - shared)]
    return torch.tensor(kept, dtype=torch.long)
