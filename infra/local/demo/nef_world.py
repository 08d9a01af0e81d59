"""The default scenario of the NEF emulators: four cells, three UEs that go round between them when told to.

Positions are degrees; where a UE is depends only on the moment and on when its loop was started.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from quintet.handover.nef_radio import metres
from quintet.handover.radio_model import NOISE_DBM, SUBCARRIERS, Radio, decibels, path_loss, watts

RADIO = Radio("rma", mast_m=35.0)
LOADS = (0.2, 0.4, 0.3, 0.5)
SHADOW_DB, SHADOW_M = 6.0, 35.0
"""Instead of drawn shadowing: waves along the way, so that the same place sounds the same."""


@dataclass(frozen=True)
class Cell:
    number: int
    name: str
    latitude: float
    longitude: float
    radius: float

    @property
    def place(self) -> tuple[float, float]:
        return self.latitude, self.longitude


CELLS = (
    Cell(1, "AAAAA1001", 37.999239, 23.819069, 100),
    Cell(2, "AAAAA1002", 37.998194, 23.820883, 150),
    Cell(3, "AAAAA1003", 37.996136, 23.818535, 100),
    Cell(4, "AAAAA1004", 37.997708, 23.818464, 85),
)
ORIGIN = CELLS[3].place
ROUND = (CELLS[0].place, (37.998900, 23.820400), CELLS[1].place, (37.997000, 23.820000), CELLS[2].place, CELLS[3].place)
"""The corners of the path, which ends where it begins."""


@dataclass
class Ue:
    """`pace` is m/s, of which the original emulator tells only `word`; `ahead` is how far round it begins, 0…1."""

    supi: str
    name: str
    word: str
    pace: float
    ahead: float = 0.0
    started_at: float | None = None


def three_ues() -> dict[str, Ue]:
    ues = (
        Ue("202010000000001", "UE1", "LOW", 1.5),
        Ue("202010000000002", "UE2", "HIGH", 10.0, ahead=0.3),
        Ue("202010000000003", "UE3", "HIGH", 14.0, ahead=0.7),
    )
    return {ue.supi: ue for ue in ues}


@dataclass
class World:
    ues: dict[str, Ue] = field(default_factory=three_ues)

    def start(self, supi: str, now: float) -> None:
        self.ues[supi].started_at = now

    def moving(self) -> list[Ue]:
        return [ue for ue in self.ues.values() if ue.started_at is not None]

    def place(self, ue: Ue, now: float) -> tuple[float, float]:
        """Degrees of latitude and longitude."""
        return along(ROUND, self._way(ue, now))

    def _way(self, ue: Ue, now: float) -> float:
        gone = 0.0 if ue.started_at is None else ue.pace * (now - ue.started_at)
        return ue.ahead * length(ROUND) + gone

    def plain(self, ue: Ue, now: float) -> dict[str, Any]:
        """What the original emulator says of a UE. Its cell is the nearest in whose radius the UE is."""
        latitude, longitude = self.place(ue, now)
        cell = nearest((latitude, longitude))
        return {
            "supi": ue.supi,
            "name": ue.name,
            "description": "This is a UE",
            "ip_address_v4": f"10.0.0.{int(ue.supi) % 256}",
            "ip_address_v6": "0:0:0:0:0:0:0:0",
            "mac_address": f"22-00-00-00-00-0{ue.supi[-1]}",
            "dnn": "province1.mnc01.mcc202.gprs",
            "mcc": 202,
            "mnc": 1,
            "external_identifier": f"1000{ue.supi[-1]}@domain.com",
            "speed": ue.word,
            "latitude": latitude,
            "longitude": longitude,
            "path_id": 1,
            "Cell_id": cell.number if cell else None,
            "cell_id_hex": cell.name if cell else None,
            "gnb_id_hex": "AAAAA1" if cell else None,
            "owner_id": 1,
        }

    def features(self, ue: Ue, now: float) -> dict[str, Any]:
        """What the fork's `ml/state` says of a UE: metres of a plane around cell 4, and how each cell is heard.

        The serving cell is still the nearest, be it heard best or not.
        """
        x, y = (round(float(one), 2) for one in metres([self.place(ue, now)], ORIGIN)[0])
        heard = {cell.name: rsrp for cell, rsrp in zip(CELLS, rsrps(self.place(ue, now)), strict=True)}
        cell = nearest(self.place(ue, now))
        serving = cell.name if cell else max(heard, key=lambda name: heard[name])
        return {
            "ue_id": ue.supi,
            "latitude": y,
            "longitude": x,
            "altitude": 1.5,
            "speed": ue.pace,
            "velocity": ue.pace,
            "acceleration": 0.0,
            "direction": [1.0, 0.0, 0.0],
            "heading_change_rate": 0.02,
            "path_curvature": 0.004,
            "handover_count": 0,
            "handover_history": [],
            "time_since_handover": 4.0,
            "cell_load": LOADS[[cell.name for cell in CELLS].index(serving)],
            "connected_to": serving,
            "neighbor_rsrp_dbm": heard,
            "neighbor_sinrs": sinrs(heard),
            "neighbor_rsrqs": {name: round(-6 - (max(heard.values()) - level) / 3, 2) for name, level in heard.items()},
            "neighbor_cell_loads": {cell.name: load for cell, load in zip(CELLS, LOADS, strict=True)},
            "rsrp_stddev": 1.2,
            "sinr_stddev": 0.8,
            "rf_provenance": {"model": "3GPP TR 38.901 RMa", "frequency_ghz": 3.5, "bandwidth_mhz": 100},
            "observed_qos": None,
            "qos_requirements": None,
        }


def nearest(place: tuple[float, float]) -> Cell | None:
    cell, far = min(((cell, distance(place, cell.place)) for cell in CELLS), key=lambda pair: pair[1])
    return cell if far <= cell.radius else None


def rsrps(place: tuple[float, float]) -> list[float]:
    """dBm, of each of CELLS."""
    ground = np.array([distance(place, cell.place) for cell in CELLS])
    x, y = metres([place], ORIGIN)[0]
    waves = [SHADOW_DB * math.sin((x + 2 * cell.number * y) / SHADOW_M + cell.number) for cell in CELLS]
    level = RADIO.power_dbm + RADIO.gain_db - 10 * math.log10(SUBCARRIERS)
    loss = path_loss(ground, RADIO, in_sight=False) + np.array(waves)
    return [round(float(one), 2) for one in level - loss]


def sinrs(heard: Mapping[str, float]) -> dict[str, float]:
    """dB: each cell's power over the others' loads and the noise."""
    powers = watts(np.array(list(heard.values())))
    others = (powers * LOADS).sum() - powers * LOADS
    ratios = decibels(powers / (others + watts(np.array(NOISE_DBM))))
    return {name: round(float(ratio), 2) for name, ratio in zip(heard, ratios, strict=True)}


def distance(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Metres."""
    return float(np.linalg.norm(metres([first], second)[0]))


def length(corners: Sequence[tuple[float, float]]) -> float:
    """Metres, back to the first corner."""
    return sum(distance(old, new) for old, new in pairwise((*corners, corners[0])))


def along(corners: Sequence[tuple[float, float]], way: float) -> tuple[float, float]:
    """The place after `way` metres, round and round."""
    left = way % length(corners)
    for old, new in pairwise((*corners, corners[0])):
        piece = distance(old, new)
        if left < piece:
            share = left / piece
            return (old[0] + share * (new[0] - old[0]), old[1] + share * (new[1] - old[1]))
        left -= piece
    return corners[0]
