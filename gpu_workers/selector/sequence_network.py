"""An LSTM that scores a cell by what was seen of it in the UE's last sights, and its loss over the cells of a look."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

UNITS = 16
"""The original's."""


class SequenceNetwork(nn.Module):  # type: ignore[misc]
    """(n, LENGTH, S) -> (n, 1) scores. Features are centred and scaled within, by `mean` and `scale` (S,).

    The first feature, `present`, is 0 in steps before the UE was first seen: those are zero throughout, and what comes
    out of the LSTM is read at the last step, which is always there.
    """

    mean: Tensor
    scale: Tensor
    temperature: Tensor

    def __init__(self, features: int, units: int = UNITS) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("temperature", torch.ones(1))
        self.memory = nn.LSTM(features, units, batch_first=True)
        self.now = nn.Sequential(nn.Linear(features + units, units), nn.ReLU(), nn.Linear(units, 1))

    def forward(self, sequences: Tensor) -> Tensor:
        present = sequences[:, :, :1]
        steps = (sequences - self.mean) / self.scale * present
        remembered, _ = self.memory(steps)
        last = torch.cat([steps[:, -1], remembered[:, -1]], dim=1)
        scores: Tensor = self.now(last) / self.temperature
        return scores

    def see(self, sequences: NDArray[np.float32]) -> None:
        """Take mean and scale from the steps that are present in (N, LENGTH, S)."""
        steps = sequences[sequences[:, :, 0] > 0]
        spread = steps.std(axis=0)
        self.mean.copy_(torch.from_numpy(steps.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.where(spread > 1e-6, spread, 1.0).astype(np.float32)))


def list_loss(scores: Tensor, owner: Tensor, right: Tensor, count: int) -> Tensor:
    """Mean over `count` looks of -log softmax of the right cell's score among its look's.

    scores (N,) of cells, owner (N,) the number of each one's look, right (count,) the number of each look's right cell.
    """
    most = torch.full((count,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    sums = torch.zeros(count).index_add(0, owner, torch.exp(scores - most[owner]))
    loss: Tensor = (torch.log(sums) + most - scores[right]).mean()
    return loss
