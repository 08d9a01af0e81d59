"""Looks of phones at random places, and what can change about them."""

import numpy as np

from quintet.handover.history import EMPTY
from quintet.handover.sights import Candidate, Look, Sight

CELLS = {"AAAAA1001": (0.0, 0.0), "AAAAA1002": (1000.0, 0.0), "AAAAA1003": (500.0, 866.0)}


def drawn(random: np.random.Generator, place: tuple[float, float], at: float, *, louder: float = 0.0) -> Look:
    """A phone at `place` (metres) hears all cells, each with noise of its own; `louder` in dB."""
    heard = []
    for cell, where in CELLS.items():
        distance = max(10.0, float(np.hypot(place[0] - where[0], place[1] - where[1])))
        rsrp = -30 - 30 * np.log10(distance) + random.normal(0, 4) + louder
        heard.append(Candidate(cell, float(rsrp), float(20 - distance / 60 + random.normal(0, 2)), -10.0, 0.5))
    speed = float(random.uniform(0, 20))
    return Look(Sight(at, *place, "AAAAA1001", tuple(heard), speed=speed), EMPTY)


def anywhere(seed: int, count: int, *, louder: float = 0.0) -> list[Look]:
    """Every look of another phone."""
    random = np.random.default_rng(seed)
    places = [(float(x), float(y)) for x, y in random.uniform((0, 0), (1000, 866), (count, 2))]
    return [drawn(random, place, float(number), louder=louder) for number, place in enumerate(places)]


def driving(seed: int, count: int) -> list[Look]:
    """One phone on its way, 10 m a look."""
    random = np.random.default_rng(seed)
    x, y = random.uniform((100, 100), (900, 700))
    looks = []
    for number in range(count):
        x, y = float(np.clip(x + random.normal(0, 10), 0, 1000)), float(np.clip(y + random.normal(0, 10), 0, 866))
        looks.append(drawn(random, (x, y), float(number)))
    return looks
