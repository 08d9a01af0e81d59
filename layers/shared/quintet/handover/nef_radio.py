"""Radio for emulators that model none: what a phone would hear on the collected path, drawn from TR 38.901 by a seed.

Only on somebody's wish: such samples teach a model the formulas of radio_model.py, nothing about any real network.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from quintet.handover.nef_samples import Sample, optimal
from quintet.handover.path import METRES_A_DEGREE
from quintet.handover.radio_model import Floats, Heard, Radio, hear
from quintet.kernel.errors import InvalidInput

LOAD = 0.3
"""Of every cell: the original emulator knows no other."""
UNHEARD_DBM = -120.0


def with_radio(samples: Sequence[Sample], cells: Sequence[Mapping[str, Any]], *, seed: int) -> list[Sample]:
    """Samples that have no radio get one, in the order of each UE's path; the others stay as they are.

    `cells` have `cell_id`, `latitude` and `longitude` in degrees. Raises InvalidInput where there are none.
    """
    places = {str(cell["cell_id"]): (cell["latitude"], cell["longitude"]) for cell in cells if _placed(cell)}
    if not places:
        raise InvalidInput("the emulator has no cells with a position: radio can't be synthesised")
    random = np.random.default_rng(seed)
    bare = [sample for sample in samples if not sample["rf_metrics"] and _placed(sample)]
    made: dict[int, Sample] = {}
    for _, drive in groupby(sorted(bare, key=lambda sample: str(sample["ue_id"])), lambda sample: sample["ue_id"]):
        made |= _drive(list(drive), places, random)
    return [made.get(id(sample), sample) for sample in samples]


def _drive(drive: Sequence[Sample], places: Mapping[str, Any], random: np.random.Generator) -> dict[int, Sample]:
    where = metres([(sample["latitude"], sample["longitude"]) for sample in drive], next(iter(places.values())))
    masts = metres(list(places.values()), next(iter(places.values())))
    heard = hear(where, masts, np.full((len(drive), len(places)), LOAD), Radio(), random)
    return {id(sample): _heard(sample, heard, moment, list(places)) for moment, sample in enumerate(drive)}


def _heard(sample: Sample, heard: Heard, moment: int, names: Sequence[str]) -> Sample:
    radios = {
        name: {
            "rsrp": round(float(heard.rsrp[moment, cell]), 2),
            "sinr": round(float(heard.sinr[moment, cell]), 2),
            "rsrq": round(float(heard.rsrq[moment, cell]), 2),
            "cell_load": LOAD,
        }
        for cell, name in enumerate(names)
        if heard.rsrp[moment, cell] > UNHEARD_DBM
    }
    return {**sample, "rf_metrics": radios, "optimal_antenna": optimal(radios)}


def metres(places: Sequence[tuple[float, float]], origin: tuple[float, float]) -> Floats:
    """(N, 2) east and north of `origin`, from degrees of latitude and longitude; a plane does for a city."""
    degrees = np.asarray(places, float) - np.asarray(origin, float)
    east = degrees[:, 1] * METRES_A_DEGREE * math.cos(math.radians(origin[0]))
    return np.stack([east, degrees[:, 0] * METRES_A_DEGREE], axis=1)


def _placed(one: Mapping[str, Any]) -> bool:
    return all(isinstance(one.get(name), int | float) for name in ("latitude", "longitude"))
