"""Glucose is in mg/dL inside and in the caller's unit outside."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from quintet.glucose.messages import Unit
from quintet.glucose.unified import MMOL_TO_MGDL

Glucose = TypeVar("Glucose", float, NDArray[np.float64])


def in_unit(mg_dl: Glucose, unit: Unit) -> Glucose:
    """
    >>> in_unit(np.array([70.0, 180.0]), "mmol/L").round(1)
    array([ 3.9, 10. ])
    """
    return mg_dl / MMOL_TO_MGDL if unit == "mmol/L" else mg_dl
