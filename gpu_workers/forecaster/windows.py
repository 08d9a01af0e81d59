"""Training windows: stretches of simulated traces, made to look like many sensors on many people.

The simulated patients have type 1 diabetes and one kind of sensor. Each window is therefore stretched in time and
height, moved, and read by a sensor with errors of its own: drift, white noise, smoothing, recalibrations, gaps
bridged by a line, whole numbers, a limited range.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LENGTH = 96 + 12
LONGEST_GAP = 8  # readings: 45 minutes without one are bridged, more are not
SENSOR_RANGE = (39.0, 401.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Traces:
    """glucose and sensor noise (traces, n) in mg/dL, and whose they are."""

    patient: list[str]
    glucose: Floats
    noise: Floats
    seed: int

    @classmethod
    def load(cls, path: Path) -> "Traces":
        with np.load(path) as file:
            return cls(file["patient"].tolist(), file["glucose"], file["noise"], int(file["seed"]))

    def of(self, numbers: set[int]) -> "Traces":
        """Those of the patients with these numbers, of each age group: `adult#003` has number 3."""
        rows = [i for i, name in enumerate(self.patient) if int(name.split("#")[1]) in numbers]
        return Traces([self.patient[i] for i in rows], self.glucose[rows], self.noise[rows], self.seed)

    def as_sensed(self) -> Floats:
        """What simglucose's own Dexcom sensor shows, in whole numbers (traces, n)."""
        sensed: Floats = np.clip(self.glucose + self.noise, *SENSOR_RANGE).round()
        return sensed


def draw(traces: Traces, count: int, random: np.random.Generator) -> Floats:
    """`count` windows (count, 108), each with its own person and sensor."""
    window = live(traces, count, random) + misread(traces, count, random)
    window = smooth(window, column(random, 0.0, 0.35, 0.5, count))
    window = np.clip(window, *SENSOR_RANGE).round()
    for row in np.flatnonzero(random.random(count) < 0.25):
        bridge_gaps(window[row], random)
    return window.astype(np.float32)


def live(traces: Traces, count: int, random: np.random.Generator) -> Floats:
    """True glucose: slower or faster, flatter or steeper, higher or lower than simulated."""
    stretch = 1 + column(random, -0.45, 0.4, 0.7, count)
    room = traces.glucose.shape[1] - int(1.4 * LENGTH) - 2
    place = random.integers(0, room, (count, 1)) + stretch * np.arange(LENGTH)
    whole = place.astype(int)
    trace = random.integers(0, len(traces.glucose), (count, 1))
    left, right = traces.glucose[trace, whole], traces.glucose[trace, whole + 1]
    glucose = left + (place - whole) * (right - left)
    height = 1 + column(random, -0.75, 0.2, 0.7, count)
    middle = traces.glucose.mean(1)[trace]
    moved = middle + column(random, -50, 60, 0.7, count)
    return np.asarray(moved + height * (glucose - middle), np.float32)


def misread(traces: Traces, count: int, random: np.random.Generator) -> Floats:
    """Sensor error: slow drift as simulated, white noise, and now and then a step where it was recalibrated."""
    trace = random.integers(0, len(traces.noise), (count, 1))
    place = random.integers(0, traces.noise.shape[1] - LENGTH, (count, 1)) + np.arange(LENGTH)
    drift = random.uniform(0, 1.1, (count, 1)) * traces.noise[trace, place]
    white = column(random, 0, 3, 0.6, count) * random.standard_normal((count, LENGTH))
    step = column(random, -20, 20, 0.1, count) * (np.arange(LENGTH) >= random.integers(0, LENGTH, (count, 1)))
    return np.asarray(drift + white + step, np.float32)


def column(random: np.random.Generator, low: float, high: float, share: float, count: int) -> Floats:
    """(count, 1) uniform numbers, zero but for a `share` of the rows."""
    values = random.uniform(low, high, (count, 1)) * (random.random((count, 1)) < share)
    return values.astype(np.float32)


def smooth(window: Floats, weight: Floats) -> Floats:
    """Each reading mixed with the mean of its two neighbours."""
    padded = np.pad(window, ((0, 0), (1, 1)), mode="edge")
    neighbours = (padded[:, :-2] + padded[:, 2:]) / 2
    return np.asarray(window + weight * (neighbours - window), np.float32)


def bridge_gaps(window: Floats, random: np.random.Generator) -> None:
    """Replace up to three gaps by straight lines, in place."""
    for _ in range(random.integers(1, 4)):
        length = int(random.integers(1, LONGEST_GAP + 1))
        before = int(random.integers(0, LENGTH - length - 1))
        line = np.linspace(window[before], window[before + length + 1], length + 2)
        window[before : before + length + 2] = line


def varied(windows: Floats, random: np.random.Generator) -> Floats:
    """Real windows (n, 108), half of them moved and made flatter or steeper."""
    count, middle = len(windows), windows.mean(1, keepdims=True)
    changed = random.random((count, 1)) < 0.5
    height = np.where(changed, np.exp(random.normal(0, 0.3, (count, 1))), 1)
    moved = middle + np.where(changed, random.normal(0, 20, (count, 1)), 0)
    return np.asarray(np.clip(moved + height * (windows - middle), *SENSOR_RANGE), np.float32)
