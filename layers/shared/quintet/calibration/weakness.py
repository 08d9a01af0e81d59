"""Why a result says less than it might: a code and its figures, so that the words can be written elsewhere."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WeaknessCode = Literal[
    "no_calibration",
    "short_calibration",
    "coarse_alpha",
    "no_uncertainty",
    "short_uncertainty",
    "undecided_batches",
    "no_prediction_sets",
    "threshold_sets",
    "temperature_not_fitted",
    "temperature_at_bound",
    "few_rows",
]


class Weakness(BaseModel):
    """
    code                     figures                what it means
    ──────────────────────   ────────────────────   ────────────────────────────────────────────────────────────────
    no_calibration           expected               no batch of the first stage: no bound, no alpha, no sets
    short_calibration        expected, found        batches of the first stage
    coarse_alpha             rows, smallest_alpha   so few calibration rows that 95 % can't be promised
    no_uncertainty           expected               no batch of the second stage: no bound, no alpha, no sets
    short_uncertainty        expected, found        batches of the second stage
    undecided_batches        batches, of            so many of them cover no true class at any threshold: U is 1
    no_prediction_sets                              no batch of the third stage: no coverage, size or accuracy
    threshold_sets                                  APS: the second stage's sets are LAC's (p >= 1 - q), as the
                                                    original's are, so U is not the bound of APS's own sets
    temperature_not_fitted   rows                   too few calibration rows: the temperature is 1
    temperature_at_bound     temperature, rows      the best temperature lies beyond the bounds
    few_rows                 rows, bins             fewer than ten rows a bin beyond calibration: ECE, MCE and ACE
                                                    are noisy, and too large rather than too small
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    code: WeaknessCode
    figures: dict[str, int | float] = Field(default_factory=dict)
