"""What a phone would measure of its cells: 3GPP TR 38.901's path loss, line of sight and shadowing, drawn with a seed.

Of TR 38.901 (V17): path loss from Table 7.4.1-1, the probability of a line of sight from Table 7.4.2-1, shadowing
from Table 7.4.1-1 with the correlation distances of Table 7.5-6 (and of Table 7.6.3.1-2 for the line of sight itself).
Its letters: d2D, d3D distances along the ground and between the antennas, h_BS and h_UT their heights, f_c the
frequency in GHz, d_BP the break point, σ_SF the spread of the shadowing in dB.

Two scenarios: `uma` (streets between houses) and `rma` (open country). Metres, dB, dBm.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scenario = Literal["uma", "rma"]

LIGHT = 3.0e8
"""m/s, as TR 38.901 has it in its notes."""
STREET_WIDTH, BUILDING_HEIGHT = 20.0, 5.0
"""W and h of the rma formulas: the defaults of Table 7.4.1-1."""

SHADOWING_DB = {("uma", True): 4.0, ("uma", False): 6.0, ("rma", True): 4.0, ("rma", False): 8.0}
CORRELATED_M = {("uma", True): 37.0, ("uma", False): 50.0, ("rma", True): 37.0, ("rma", False): 120.0}
SIGHT_CORRELATED_M = {"uma": 50.0, "rma": 60.0}

SUBCARRIERS = 3276
"""Of 100 MHz with 30 kHz between them, over which a cell's power is spread."""
NOISE_DBM = -174.0 + 10 * np.log10(30e3) + 9.0
"""Of one subcarrier, with a receiver's noise figure of 9 dB."""
PER_BLOCK = 12
"""Subcarriers of a resource block, which RSSI is measured over."""


@dataclass(frozen=True)
class Radio:
    """How the cells of one drive send. `power_dbm` is a whole cell's, `gain_db` its antenna's."""

    scenario: Scenario = "uma"
    frequency_ghz: float = 3.5
    power_dbm: float = 46.0
    gain_db: float = 8.0
    mast_m: float = 25.0
    phone_m: float = 1.5


@dataclass(frozen=True)
class Heard:
    """(T, C) arrays over T moments and C cells; `local_mean` is the RSRP without what fades within a wavelength."""

    local_mean: Floats
    rsrp: Floats
    sinr: Floats
    rsrq: Floats


def hear(path: Floats, cells: Floats, loads: Floats, radio: Radio, random: np.random.Generator) -> Heard:
    """What a phone measures along `path` (T, 2) of `cells` (C, 2), whose `loads` (T, C) interfere with each other."""
    mean = received(path, cells, radio, random)
    rsrp = mean + random.normal(0, 1.0, mean.shape)
    own, everything = watts(rsrp), (watts(rsrp) * loads).sum(axis=1, keepdims=True)
    noise = watts(np.array(NOISE_DBM))
    sinr = decibels(own / (everything - own * loads + noise))
    rssi = PER_BLOCK * (everything + noise) + 2 * own
    return Heard(mean, rsrp, np.clip(sinr, -20, 40), np.clip(decibels(own / rssi), -30, -3))


def received(path: Floats, cells: Floats, radio: Radio, random: np.random.Generator) -> Floats:
    """The local mean of every cell's RSRP (T, C) in dBm along `path` (T, 2)."""
    ground = np.linalg.norm(path[:, None, :] - cells[None, :, :], axis=2)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    seen = sight_share(ground, steps, radio, random)
    loss = blend(seen, *(path_loss(ground, radio, in_sight=los) for los in (True, False)))
    fade = blend(seen, *(shadowing(ground.shape[1], steps, radio, los, random) for los in (True, False)))
    subcarrier = radio.power_dbm - 10 * np.log10(SUBCARRIERS)
    levels: Floats = subcarrier + radio.gain_db - loss - fade
    return levels


def path_loss(ground: Floats, radio: Radio, *, in_sight: bool) -> Floats:
    """dB over `ground` distances d2D in m: Table 7.4.1-1.

    >>> round(float(path_loss(np.array([100.0]), Radio("uma"), in_sight=True)[0]), 1)
    83.1
    >>> round(float(path_loss(np.array([1000.0]), Radio("rma", mast_m=35), in_sight=False)[0]), 1)
    130.4
    """
    near = np.maximum(ground, 10.0)
    straight = np.hypot(near, radio.mast_m - radio.phone_m)
    seen: Floats = {"uma": uma_in_sight, "rma": rma_in_sight}[radio.scenario](near, straight, radio)
    if in_sight:
        return seen
    hidden = {"uma": uma_hidden, "rma": rma_hidden}[radio.scenario](straight, radio)
    loss: Floats = np.maximum(seen, hidden)
    return loss


def uma_in_sight(ground: Floats, straight: Floats, radio: Radio) -> Floats:
    """PL_UMa-LOS. Effective heights are less by h_E = 1 m, as for every phone below 13 m (note 1)."""
    breaks = 4 * (radio.mast_m - 1) * (radio.phone_m - 1) * radio.frequency_ghz * 1e9 / LIGHT
    across = 20 * np.log10(radio.frequency_ghz)
    first = 28.0 + 22 * np.log10(straight) + across
    correction = 9 * np.log10(breaks**2 + (radio.mast_m - radio.phone_m) ** 2)
    loss: Floats = np.where(ground <= breaks, first, 28.0 + 40 * np.log10(straight) + across - correction)
    return loss


def uma_hidden(straight: Floats, radio: Radio) -> Floats:
    """PL'_UMa-NLOS."""
    height = 0.6 * (radio.phone_m - 1.5)
    hidden: Floats = 13.54 + 39.08 * np.log10(straight) + 20 * np.log10(radio.frequency_ghz) - height
    return hidden


def rma_in_sight(ground: Floats, straight: Floats, radio: Radio) -> Floats:
    """PL_RMa-LOS."""
    breaks = 2 * np.pi * radio.mast_m * radio.phone_m * radio.frequency_ghz * 1e9 / LIGHT
    at_break = np.hypot(breaks, radio.mast_m - radio.phone_m)
    far = rma_first(at_break, radio) + 40 * np.log10(np.maximum(straight, at_break) / at_break)
    loss: Floats = np.where(ground <= breaks, rma_first(straight, radio), far)
    return loss


def rma_first(straight: Floats, radio: Radio) -> Floats:
    """PL1 of PL_RMa-LOS."""
    height = BUILDING_HEIGHT**1.72
    slope = min(0.03 * height, 10) * np.log10(straight) - min(0.044 * height, 14.77)
    free = 20 * np.log10(40 * np.pi * straight * radio.frequency_ghz / 3)
    first: Floats = free + slope + 0.002 * np.log10(BUILDING_HEIGHT) * straight
    return first


def rma_hidden(straight: Floats, radio: Radio) -> Floats:
    """PL'_RMa-NLOS."""
    mast = np.log10(radio.mast_m)
    places = 161.04 - 7.1 * np.log10(STREET_WIDTH) + 7.5 * np.log10(BUILDING_HEIGHT)
    masts = (24.37 - 3.7 * (BUILDING_HEIGHT / radio.mast_m) ** 2) * mast
    phones = 3.2 * np.log10(11.75 * radio.phone_m) ** 2 - 4.97
    far = (43.42 - 3.1 * mast) * (np.log10(straight) - 3)
    hidden: Floats = places - masts + far + 20 * np.log10(radio.frequency_ghz) - phones
    return hidden


def chance_of_sight(ground: Floats, radio: Radio) -> Floats:
    """Pr_LOS over d2D: Table 7.4.2-1, for phones below 13 m.

    >>> chance_of_sight(np.array([5.0, 18.0]), Radio("uma")).tolist()
    [1.0, 1.0]
    """
    if radio.scenario == "rma":
        return np.exp(-np.maximum(ground - 10, 0) / 1000)
    far = np.maximum(ground, 18.0)
    return 18 / far + np.exp(-far / 63) * (1 - 18 / far)


def sight_share(ground: Floats, steps: Floats, radio: Radio, random: np.random.Generator) -> Floats:
    """How far each cell is in sight (T, C), 0 to 1: the soft state of 7.6.3.3, which lasts for some way.

    There G is a standard normal walk and F(d) the quantile of Pr_LOS; both stand here on the logistic scale.
    """
    drawn = walk(ground.shape[1], steps, SIGHT_CORRELATED_M[radio.scenario], random)
    chance = np.minimum(chance_of_sight(ground, radio), 1 - 1e-12)
    ahead = (np.log(chance / (1 - chance)) - logit_of_normal(drawn)) / LOGIT_SLOPE
    wavelength = LIGHT / (radio.frequency_ghz * 1e9)
    share: Floats = 0.5 + np.arctan(np.sqrt(20 / wavelength) * ahead) / np.pi
    return share


def blend(share: Floats, seen: Floats, hidden: Floats) -> Floats:
    return share * seen + (1 - share) * hidden


def shadowing(cells: int, steps: Floats, radio: Radio, los: bool, random: np.random.Generator) -> Floats:
    """SF (T, C) in dB: log-normal, its autocorrelation exp(-Δx / d_cor) (7.4.4)."""
    return SHADOWING_DB[radio.scenario, los] * walk(cells, steps, CORRELATED_M[radio.scenario, los], random)


def walk(cells: int, steps: Floats, correlated: float, random: np.random.Generator) -> Floats:
    """About standard normal (len(steps) + 1, cells), whose correlation over a way is exp(-way / correlated).

    Drawn every half of that distance and interpolated between, as 7.6.3.1 interpolates on its grid: a street's end or
    a house comes nearer step by step.
    """
    gone, apart = np.concatenate([[0.0], np.cumsum(steps)]), correlated / 2
    nodes = random.normal(0, 1, (int(gone[-1] / apart) + 2, cells))
    stays = np.exp(-apart / correlated)
    for number in range(1, len(nodes)):
        nodes[number] = stays * nodes[number - 1] + np.sqrt(1 - stays**2) * nodes[number]
    first = (gone / apart).astype(np.int64)
    share = (gone / apart - first)[:, None]
    walked: Floats = (1 - share) * nodes[first] + share * nodes[first + 1]
    return walked


LOGIT_SLOPE = 1.5976


def logit_of_normal(values: Floats) -> Floats:
    """log(Φ / (1 - Φ)) of the normal distribution's Φ, which so is known to 1e-4 (Bowling et al., 2009)."""
    logit: Floats = 0.07056 * values**3 + LOGIT_SLOPE * values
    return logit


def watts(level: Floats) -> Floats:
    """mW of dBm."""
    return np.power(10.0, level / 10)


def decibels(ratio: Floats) -> Floats:
    levels: Floats = 10 * np.log10(ratio)
    return levels
