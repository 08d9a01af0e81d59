"""Windows of made-up glucose: random processes that wander off a level and come back to it.

The simulator's people rise and fall as its equations have it; a network that has seen nobody else follows every trend
for too long. These windows differ in how fast glucose moves, how far it strays and how soon it returns: second-order
autoregressions with random poles, skewed shocks that are sometimes rare and large, a soft floor, a noisy sensor.
"""

import numpy as np
from numpy.typing import NDArray

from gpu_workers.forecaster.windows import LENGTH, SENSOR_RANGE, Floats

SETTLING = 150  # steps dropped: the processes start at rest
STEP = 5  # minutes

Doubles = NDArray[np.float64]


def draw(count: int, random: np.random.Generator) -> Floats:
    """`count` windows (count, 108) in whole mg/dL, each of another process."""
    level = np.exp(random.normal(np.log(135), 0.27, (count, 1)))
    reach = level * between(random, 0.07, 0.4, (count, 1))
    inertia, memory = (np.exp(-STEP / between(random, *minutes, (count,))) for minutes in ((5, 35), (50, 500)))
    glucose = level + reach * wander(inertia, memory, shocks(count, random))[:, SETTLING:]
    glucose = floored(glucose, random.uniform(65, 95, (count, 1)))
    noise = random.uniform(0, 2.5, (count, 1)) * (random.random((count, 1)) < 0.7)
    sensed = np.clip(glucose + noise * random.standard_normal(glucose.shape), *SENSOR_RANGE)
    return np.asarray(sensed.round(), np.float32)


def between(random: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Doubles:
    """Numbers whose logarithms are uniform."""
    return np.asarray(np.exp(random.uniform(np.log(low), np.log(high), shape)))


def shocks(count: int, random: np.random.Generator) -> Doubles:
    """What drives a process (count, SETTLING + 108): heavy-tailed, skewed upwards, for half of the processes rare."""
    shape = (count, SETTLING + LENGTH)
    shock = random.standard_t(4, shape) / np.sqrt(2)
    shock += 0.3 * random.uniform(0, 0.6, (count, 1)) * (shock**2 - 1)
    rare = random.random((count, 1)) < 0.5
    seldom = shock * (random.random(shape) < 0.15) / np.sqrt(0.15)
    return np.asarray(np.where(rare, seldom, shock))


def wander(inertia: Doubles, memory: Doubles, shock: Doubles) -> Doubles:
    """The second-order autoregressions with these poles (n,), with variance 1."""
    first, second = inertia + memory, -inertia * memory
    path = np.zeros_like(shock)
    for t in range(2, shock.shape[1]):
        path[:, t] = first * path[:, t - 1] + second * path[:, t - 2] + shock[:, t]
    variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
    return np.asarray(path / np.sqrt(variance)[:, None])


def floored(glucose: Doubles, floor: Doubles) -> Doubles:
    """What would fall under `floor` approaches a level 20 mg/dL below it instead."""
    return np.where(glucose < floor, floor - 20 + 20 * np.exp((glucose - floor) / 20), glucose)
