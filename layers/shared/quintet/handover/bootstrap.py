"""Samples to begin with, where nobody has measured anything yet: synthetic drives past antennas, drawn with a seed.

A drive has its own antennas, names of cells, speed, and gaps in what it reports; radio_model.py says what is heard.

The label is the cell that serves best in the near future: of those heard, the one with the most rate on average over
the next HORIZON seconds. A cell's rate is what its SINR allows (Shannon's log2(1 + SINR), at most MOST_BITS) times its
free share. The serving cell is kept unless another gives KEPT_FOR times that: a handover costs something, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.handover.messages import TrainingSample
from quintet.handover.radio_model import NOISE_DBM, Heard, Radio, decibels, hear, walk, watts

Floats = NDArray[np.float64]

SEED = 42
SAMPLES = 500
HORIZON = 2.0
MOST_BITS = 7.4
"""bit/s/Hz of 256-QAM at its highest rate."""
KEPT_FOR = 1.05
SENSITIVITY = -125.0
"""dBm: what is weaker is not reported."""
REPORTED = 8
"""Cells in a report, at most, the strongest."""
A3_DB = 3.0
ORIGINAL = np.array([(0.0, 0.0), (1000.0, 0.0), (500.0, 866.0)])
"""The three antennas of the original's plane, in metres."""
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True)
class Drive:
    """One UE on its way: T moments `step` seconds apart, C cells by name."""

    ue: str
    step: float
    path: Floats
    names: tuple[str, ...]
    loads: Floats
    heard: Heard
    serving: NDArray[np.int64]
    degrees: tuple[float, float] | None
    reports: frozenset[str]
    start: float


def drawn(random: np.random.Generator, *, samples: int = SAMPLES) -> list[TrainingSample]:
    """At least a third of them on the original's three antennas; the same for the same state of `random`."""
    found: list[TrainingSample] = []
    number = 0
    while len(found) < samples:
        drive = drawn_drive(number, random)
        found += labelled(drive)
        number += 1
    return found[:samples]


def drawn_drive(number: int, random: np.random.Generator) -> Drive:
    """On the original's plane every third time, else somewhere new."""
    original = number % 3 == 0
    radio = Radio() if original else drawn_radio(random)
    cells = ORIGINAL if original else drawn_cells(radio, random)
    moments, step = int(random.integers(30, 60)), float(random.choice([0.5, 1.0, 1.0, 2.0]))
    path = drawn_path(cells, moments, step, random)
    reports = drawn_reports(random)
    loads = drawn_loads(path, len(cells), random, alike="cell_load" not in reports)
    heard = hear(path, cells, loads, radio, random)
    return Drive(
        ue=f"drive-{number:04d}",
        step=step,
        path=path,
        names=names(len(cells), "antenna_{}" if original else str(random.choice(NAMES)), random),
        loads=loads,
        heard=heard,
        serving=served(heard.rsrp, random),
        degrees=None if original or random.random() < 0.5 else (random.uniform(-60, 60), random.uniform(-180, 180)),
        reports=reports,
        start=1_700_000_000.0 + 1000.0 * number,
    )


NAMES = ("antenna_{}", "AAAAA1{:03d}", "cell-{}", "gnb7-{:02x}", "{}")


def names(count: int, form: str, random: np.random.Generator) -> tuple[str, ...]:
    """Of `count` cells; the original's number from 1 on."""
    first = 1 if form == "antenna_{}" else int(random.integers(1, 900))
    return tuple(form.format(first + number) for number in range(count))


def drawn_radio(random: np.random.Generator) -> Radio:
    if random.random() < 0.35:
        return Radio("rma", float(random.choice([0.7, 2.1, 3.5])), 46.0, 8.0, 35.0)
    return Radio("uma", float(random.choice([1.8, 2.6, 3.5])))


def drawn_cells(radio: Radio, random: np.random.Generator) -> Floats:
    """(C, 2) in m: two to twelve cells strewn over a plane, or along a road."""
    count, apart = int(random.integers(2, 13)), random.uniform(150, 900) * (2 if radio.scenario == "rma" else 1)
    if random.random() < 0.3:
        along = np.arange(count) * apart + random.normal(0, apart / 8, count)
        return np.column_stack([along, random.choice([-1, 1], count) * random.uniform(20, 120, count)])
    side = apart * np.sqrt(count)
    return random.uniform(0, side, (count, 2))


def drawn_path(cells: Floats, moments: int, step: float, random: np.random.Generator) -> Floats:
    """(T, 2): straight ways with a bend now and then, from anywhere among the antennas or a little outside."""
    low, high = cells.min(axis=0) - 100, cells.max(axis=0) + 100
    speed = float(random.choice([0.0, 1.4, 8.0, 14.0, 25.0, 35.0], p=[0.05, 0.2, 0.2, 0.25, 0.2, 0.1]))
    place, heading = random.uniform(low, high), random.uniform(0, 2 * np.pi)
    path = [place]
    for _ in range(moments - 1):
        turn = random.normal(0, 0.05) + (random.uniform(-1.5, 1.5) if random.random() < 0.05 else 0)
        heading = heading + turn if ((place >= low) & (place <= high)).all() else towards(place, (low + high) / 2)
        place = place + speed * step * np.array([np.cos(heading), np.sin(heading)])
        path.append(place)
    return np.array(path)


def towards(place: Floats, goal: Floats) -> float:
    return float(np.arctan2(*(goal - place)[::-1]))


def drawn_loads(path: Floats, cells: int, random: np.random.Generator, *, alike: bool) -> Floats:
    """(T, C) shares: each cell has its own, which strays slowly; all the same where `alike`."""
    usual = random.beta(2, 3, cells)
    strayed = np.clip(usual + 0.1 * walk(cells, np.ones(len(path) - 1), 30.0, random), 0.02, 0.98)
    return np.broadcast_to(strayed.mean(axis=1, keepdims=True), strayed.shape) if alike else strayed


def served(rsrp: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """The serving cell (T,) by the A3 rule; some phones begin in, or are stuck for a while to, another cell."""
    now = int(rsrp[0].argmax()) if random.random() < 0.7 else int(random.integers(rsrp.shape[1]))
    patience, serving = int(random.choice([0, 1, 3, 10])), np.empty(len(rsrp), np.int64)
    waited = 0
    for moment, levels in enumerate(rsrp):
        better = levels.max() > levels[now] + A3_DB
        waited = waited + 1 if better else 0
        if waited > patience:
            now, waited = int(levels.argmax()), 0
        serving[moment] = now
    return serving


def drawn_reports(random: np.random.Generator) -> frozenset[str]:
    """What this phone reports besides RSRP. Loads that it does not report are all alike: they can't be learnt from."""
    shares = {"sinr": 0.75, "rsrq": 0.7, "cell_load": 0.5, "connected_to": 0.9, "speed": 0.8, "direction": 0.5}
    return frozenset(name for name, share in shares.items() if random.random() < share)


def labelled(drive: Drive) -> Iterator[TrainingSample]:
    """One a moment, as long as its near future is known."""
    ahead = max(1, round(HORIZON / drive.step))
    rates = rate(drive)
    for moment in range(len(drive.path) - ahead):
        cells = reported(drive, moment)
        if cells.size:
            best = best_of(cells, rates[moment + 1 : moment + 1 + ahead].mean(axis=0), drive.serving[moment])
            yield TrainingSample.model_validate(sample(drive, moment, cells) | {"optimal_antenna": drive.names[best]})


def rate(drive: Drive) -> Floats:
    """bit/s/Hz (T, C) that a cell has to give, without what fades within a wavelength."""
    power = watts(drive.heard.local_mean)
    others = (power * drive.loads).sum(axis=1, keepdims=True) - power * drive.loads
    sinr = power / (others + watts(np.array(NOISE_DBM)))
    bits: Floats = np.minimum(np.log2(1 + sinr), MOST_BITS) * (1 - drive.loads)
    return bits + 1e-4 * decibels(sinr)


def reported(drive: Drive, moment: int) -> NDArray[np.int64]:
    """The cells in a report, in an order that says nothing."""
    levels = drive.heard.rsrp[moment]
    strongest = np.argsort(-levels)[:REPORTED]
    return np.sort(strongest[levels[strongest] > SENSITIVITY])


def best_of(cells: NDArray[np.int64], rates: Floats, serving: np.int64) -> int:
    worth = rates * np.where(np.arange(len(rates)) == serving, KEPT_FOR, 1.0)
    return int(cells[worth[cells].argmax()])


def sample(drive: Drive, moment: int, cells: NDArray[np.int64]) -> dict[str, Any]:
    """As a phone would send it; rounded as phones round."""
    x, y = position(drive, moment)
    said: dict[str, Any] = {"ue_id": drive.ue, "timestamp": drive.start + moment * drive.step}
    said |= {
        "latitude": x,
        "longitude": y,
        "rf_metrics": {drive.names[cell]: radio(drive, moment, cell) for cell in cells},
    }
    way = drive.path[moment] - drive.path[max(moment - 1, 0)]
    gone = float(np.hypot(*way))
    if "connected_to" in drive.reports:
        said["connected_to"] = drive.names[drive.serving[moment]]
    if "speed" in drive.reports:
        said["speed"] = said["velocity"] = round(gone / drive.step, 2)
    if "direction" in drive.reports and gone:
        said["direction"] = [round(float(part), 4) for part in way / gone]
    return said


def position(drive: Drive, moment: int) -> tuple[float, float]:
    """Metres, or degrees (latitude, longitude) about the drive's place on earth."""
    east, north = (float(part) for part in drive.path[moment])
    if drive.degrees is None:
        return round(east, 2), round(north, 2)
    latitude, longitude = drive.degrees
    wide = METRES_A_DEGREE * np.cos(np.radians(latitude))
    return round(latitude + north / METRES_A_DEGREE, 7), round(float(longitude + east / wide), 7)


def radio(drive: Drive, moment: int, cell: np.int64) -> dict[str, float]:
    values = {
        "rsrp": drive.heard.rsrp[moment, cell],
        "sinr": drive.heard.sinr[moment, cell],
        "rsrq": drive.heard.rsrq[moment, cell],
        "cell_load": drive.loads[moment, cell],
    }
    told = {name: round(float(value), 2 if name == "cell_load" else 1) for name, value in values.items()}
    return {name: value for name, value in told.items() if name == "rsrp" or name in drive.reports}
