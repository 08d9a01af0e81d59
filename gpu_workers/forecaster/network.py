"""The network: 96 readings in, quantiles of the next 12 out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, softplus

STEPS_IN, STEPS_OUT = 96, 12
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MEDIAN = LEVELS.index(0.5)
RECENT, COARSE = 36, 4  # readings seen one by one, and how many make a mean where the whole window is seen
INPUTS = RECENT + STEPS_IN // COARSE + 4
RAISED = 140.0  # mg/dL above which glucose tends to fall
LOW, HIGH = 70.0, 180.0  # mg/dL between which a reading is in range


class QuantileNetwork(nn.Module):  # type: ignore[misc]
    """A residual perceptron over one window.

    A window is seen from its last reading and in units of its own restlessness (root mean square of the changes),
    so a forecast of zero is persistence, and a trace twice as lively gets a forecast twice as wide. Quantiles grow
    outwards from the median by positive steps, so they cannot cross.
    """

    def __init__(self, width: int = 128, blocks: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(INPUTS, width)
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
        hidden = self.enter(features(readings, last, restlessness))
        for block in self.blocks:
            hidden = block(hidden)
        raw = self.leave(gelu(hidden)).view(-1, STEPS_OUT, len(LEVELS))
        return last[:, :, None] + 4 * restlessness[:, :, None] * spread(raw)


def features(readings: Tensor, last: Tensor, restlessness: Tensor) -> Tensor:
    """(n, INPUTS): the last three hours one by one, the whole window coarsely, how lively, how high and how wide."""
    mean = readings.mean(1, keepdim=True)
    width = ((readings - mean).square().mean(1, keepdim=True) + 4).sqrt()
    recent = (readings[:, -RECENT - 1 : -1] - last) / (6 * restlessness)
    coarse = (readings.view(-1, STEPS_IN // COARSE, COARSE).mean(2) - last) / (8 * restlessness)
    whole = [restlessness.log() - 1, (last - 140) / 60, (mean - 140) / 60, width.log() - 3]
    return torch.cat([recent, coarse, *whole], 1)


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = hidden + self.inner(hidden)
        return result


class Ensemble(nn.Module):  # type: ignore[misc]
    """Several networks' mean, led a part of the way to a linear forecast, its band widened or narrowed.

    `pull` (5, 12) makes the linear forecast of what `drift` sees; `factors` (3, 12, 2) stretch the quantiles below
    and above the median, by the range of the last reading and by step.
    """

    def __init__(self, members: Sequence[QuantileNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("pull", torch.zeros(5, STEPS_OUT))
        self.register_buffer("share", torch.zeros(()))
        self.register_buffer("factors", torch.ones(3, STEPS_OUT, 2))

    def forward(self, readings: Tensor) -> Tensor:
        """readings (n, 96) mg/dL -> (n, 12, Q) mg/dL."""
        quantiles = self.mean(readings)
        last, median = readings[:, -1:], quantiles[..., MEDIAN]
        led = median + self.share * (last + drift(readings) @ self.pull - median)
        below, above = self.stretch(last[:, :, None])
        sides = [below] * MEDIAN + [torch.ones_like(below)] + [above] * (len(LEVELS) - MEDIAN - 1)
        return led[..., None] + torch.stack(sides, -1) * (quantiles - median[..., None])

    def mean(self, readings: Tensor) -> Tensor:
        """The networks' own forecast, before it is led and stretched."""
        return torch.stack([member(readings) for member in self.members]).mean(0)

    def stretch(self, last: Tensor) -> Sequence[Tensor]:
        """Factors (n, 12) below and above the median for last readings (n, 1, 1)."""
        low, middle, high = self.factors
        chosen = torch.where(last < LOW, low, torch.where(last > HIGH, high, middle))
        return chosen[..., 0], chosen[..., 1]


def drift(readings: Tensor) -> Tensor:
    """(n, 5): how far the three readings before the last and the mean are from it, and how far it is above RAISED."""
    last = readings[:, -1:]
    return torch.cat([readings[:, -4:-1] - last, readings.mean(1, keepdim=True) - last, relu(last - RAISED)], 1)


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
