"""The network: 96 readings in, quantiles of the next 12 out."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softplus

STEPS_IN, STEPS_OUT = 96, 12
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MEDIAN = LEVELS.index(0.5)


class QuantileNetwork(nn.Module):  # type: ignore[misc]
    """A residual perceptron over one window.

    A window is seen from its last reading and in units of its own restlessness (root mean square of the changes),
    so a forecast of zero is persistence, and a trace twice as lively gets a forecast twice as wide. Quantiles grow
    outwards from the median by positive steps, so they cannot cross.
    """

    def __init__(self, width: int = 160, blocks: int = 3) -> None:
        super().__init__()
        self.enter = nn.Linear(STEPS_IN - 1 + 3, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, STEPS_OUT * len(LEVELS))
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias, -1.0)
        self.leave.bias.data.view(STEPS_OUT, -1)[:, MEDIAN] = 0.0

    def forward(self, readings: Tensor) -> Tensor:
        """readings (n, 96) mg/dL -> (n, 12, Q) mg/dL."""
        last = readings[:, -1:]
        change = readings[:, 1:] - readings[:, :-1]
        restlessness = (change.square().mean(1, keepdim=True) + 0.5).sqrt()
        shape = (readings[:, :-1] - last) / (8 * restlessness)
        level = (last - 140) / 60
        mean = (readings.mean(1, keepdim=True) - 140) / 60
        hidden = self.enter(torch.cat([shape, restlessness.log(), level, mean], 1))
        for block in self.blocks:
            hidden = block(hidden)
        raw = self.leave(gelu(hidden)).view(-1, STEPS_OUT, len(LEVELS))
        return last[:, :, None] + 4 * restlessness[:, :, None] * spread(raw)


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = hidden + self.inner(hidden)
        return result


def spread(raw: Tensor) -> Tensor:
    """(…, Q) free numbers -> (…, Q) rising ones: the median as it is, the others by positive steps away from it."""
    median = raw[..., MEDIAN : MEDIAN + 1]
    above = median + softplus(raw[..., MEDIAN + 1 :]).cumsum(-1)
    below = median - softplus(raw[..., :MEDIAN].flip(-1)).cumsum(-1).flip(-1)
    return torch.cat([below, median, above], -1)


def pinball(forecast: Tensor, truth: Tensor) -> Tensor:
    """Mean quantile loss (Koenker & Bassett, 1978) of (n, 12, Q) against (n, 12)."""
    levels = torch.tensor(LEVELS)
    error = truth[..., None] - forecast
    return torch.maximum(levels * error, (levels - 1) * error).mean()
