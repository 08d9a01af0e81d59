"""Exports of other countries: the same file in another language, unit or dialect of CSV is the same trace."""

from collections.abc import Callable

import numpy as np
import pytest

from quintet.glucose.readers import read
from tests.glucose import oracle
from tests.glucose.foreign_exports import (
    CLARITY_WORDS,
    LIBREVIEW_NAMES,
    by_spreadsheet,
    clarity_in,
    in_mmol,
    libreview_in,
)
from tests.glucose.vendor_exports import LAYOUTS

SEEDS = 12
IN_MG_DL = ("dexcom", "libre", "medtronic", "nightscout", "unified")


@pytest.mark.parametrize("mmol", [False, True], ids=["mg/dL", "mmol/L"])
@pytest.mark.parametrize(
    ("translated", "language"),
    [(libreview_in, language) for language in LIBREVIEW_NAMES] + [(clarity_in, language) for language in CLARITY_WORDS],
)
def test_a_file_in_another_language_is_the_same_trace(
    translated: Callable[..., tuple[bytes, bytes]], language: str, mmol: bool
) -> None:
    for seed in range(SEEDS):
        english, foreign = translated(language, seed, mmol=mmol)
        assert read(foreign).to_csv() == oracle.converted(english), f"seed {seed}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_a_spreadsheet_saved_is_the_same_trace(layout: str) -> None:
    for seed in range(SEEDS):
        content = LAYOUTS[layout](seed)
        saved = by_spreadsheet(content, ";" if layout == "medtronic" else ",")
        assert read(saved).to_csv() == oracle.converted(content), f"seed {seed}"


@pytest.mark.parametrize("layout", IN_MG_DL)
def test_a_file_in_mmol_is_the_same_trace(layout: str) -> None:
    for seed in range(SEEDS):
        content = LAYOUTS[layout](seed)
        expected, got = read(content), read(in_mmol(content, ";" if layout == "medtronic" else ","))
        assert got.event_type.tolist() == expected.event_type.tolist(), f"seed {seed}"
        assert got.datetime.tolist() == expected.datetime.tolist()
        assert np.allclose(got.glucose, expected.glucose, atol=0.01, equal_nan=True)
        assert np.allclose(got.original_glucose, expected.original_glucose, atol=0.01, equal_nan=True)
