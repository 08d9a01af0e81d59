"""Data drift: whether the last looks still look like those that the active model was trained on.

Of each look one row counts: the features of the pair with the strongest cell. It is the same whatever model answers,
and of a training as of a prediction. The training's rows are kept in the manifest as a mean, a standard deviation and
deciles of each feature; the last rows are in telemetry.

Looks of one phone resemble each other, so 100 of them say less than 100 phones would. The detector is therefore shown
PER_UE looks of each at most, and where that leaves fewer than LEAST it is not asked. Whoever lies outside of all that
the training saw has drifted, be it one phone.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.handover.features import PAIR_FEATURES, pair_features
from quintet.handover.sights import Look
from quintet.kernel.ids import fingerprint
from quintet.kernel.telemetry import Keep, Recent

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Whole = NDArray[np.int64]
Baseline = Mapping[str, Mapping[str, Any]]

PER_UE, LEAST = 3, 20
OUTSIDE = 0.5
"""Share of the looks."""

LEVEL = 1e-4
"""Of the test, for all features together: how often looks like those of the training may be taken for others."""

SMALLEST = 1e-6
"""Features that hardly vary in training count their shift in units of this share of their size, at least."""

MOST_SHIFT = 10.0
"""A feature that never varied in training would outweigh all others."""

_NAMES = zlib.crc32(",".join(PAIR_FEATURES).encode())


class Detector(Protocol):
    def shifted(self, reference: Sequence[float], recent: Sequence[float], *, alpha: float) -> bool:
        """Whether both, of the same size, are draws from different distributions, at level `alpha`."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """at: unix seconds; ue: its fingerprint; row: (F,)."""

    at: float
    ue: str
    row: Rows


@dataclass(frozen=True)
class Drift:
    """`score`: the mean of |mean of the looks − mean of the training| over its standard deviation; `features`: those
    that the detector finds shifted.
    """

    score: float
    features: tuple[str, ...]

    def found(self, alert: float) -> bool:
        return bool(self.features) or self.score >= alert


def looks(most: int) -> Recent:
    """Where the last looks are kept, for a day. Rows of other features are elsewhere."""
    return Recent(f"looks:{_NAMES:08x}", most, 24 * 60 * 60)


def seen(recent: Recent, ue: str, look: Look, features: Rows | None = None) -> Keep:
    """What a prediction leaves behind. `features`: the look's pair_features, where they are at hand."""
    row = row_of(look, pair_features(look) if features is None else features)
    text = base64.b64encode(row.astype("<f4").tobytes()).decode()
    return Keep(recent, json.dumps([look.sight.at, fingerprint(ue), text]))


def row_of(look: Look, features: Rows) -> Rows:
    """(F,) of (C, F): the row of the cell with the strongest signal, the first of equals."""
    signals = [candidate.rsrp for candidate in look.sight.candidates]
    row: Rows = features[signals.index(max(signals))]
    return row


def looks_of(texts: Iterable[str]) -> list[Seen]:
    """What was kept by `seen`; a text that is none is passed over."""
    return [found for text in texts if (found := _seen(text)) is not None]


def baseline_of(looks: Sequence[Look]) -> dict[str, dict[str, Any]]:
    """What a manifest says of the looks that a model was trained on; of none, nothing."""
    if not looks:
        return {}
    rows = np.array([row_of(look, pair_features(look)) for look in looks], np.float64)
    deciles = np.quantile(rows, np.linspace(0, 1, 11), axis=0)
    return {
        name: {"mean": float(rows[:, at].mean()), "std": float(rows[:, at].std()), "deciles": deciles[:, at].tolist()}
        for at, name in enumerate(PAIR_FEATURES)
    }


def drift(window: Sequence[Seen], baseline: Baseline, detector: Detector) -> Drift:
    """`window` against `baseline`, in the features that both know."""
    if not window:
        return Drift(0.0, ())
    ordered = sorted(window, key=lambda one: (one.ue, one.at))
    rows, few = np.array([one.row for one in ordered], np.float64), few_of_each([one.ue for one in ordered])
    known = [(at, name) for at, name in enumerate(PAIR_FEATURES) if name in baseline]
    found = tuple(
        name for at, name in known if _shifted(rows[:, at], few, baseline[name], detector, LEVEL / len(known))
    )
    return Drift(_score(rows, known, baseline), found)


def _shifted(values: Floats, few: Whole, described: Mapping[str, Any], detector: Detector, alpha: float) -> bool:
    """values: (n,), of all looks; few: places of those that the detector is shown. Its reference are the training's
    quantiles, as many.
    """
    deciles = np.array(described["deciles"])
    if float(((values < deciles[0]) | (values > deciles[-1])).mean()) > OUTSIDE:
        return True
    if len(few) < LEAST:
        return False
    reference = np.interp((np.arange(len(few)) + 0.5) / len(few), np.linspace(0, 1, 11), deciles)
    return detector.shifted(reference.tolist(), values[few].tolist(), alpha=alpha)


def few_of_each(ues: Sequence[str]) -> Whole:
    """Places of PER_UE looks of each UE, spread over its looks.

    >>> few_of_each(["a", "b", "b", "b", "b", "b"]).tolist()
    [0, 1, 3, 5]
    """
    places: dict[str, list[int]] = {}
    for place, ue in enumerate(ues):
        places.setdefault(ue, []).append(place)
    spread = [np.linspace(0, len(own) - 1, min(PER_UE, len(own))).round().astype(int) for own in places.values()]
    return np.array([own[at] for own, picked in zip(places.values(), spread, strict=True) for at in picked], np.int64)


def _score(rows: Floats, known: Sequence[tuple[int, str]], baseline: Baseline) -> float:
    if not known:
        return 0.0
    means = np.array([baseline[name]["mean"] for _, name in known])
    spreads = np.array([baseline[name]["std"] for _, name in known])
    shifts = np.abs(rows[:, [at for at, _ in known]].mean(axis=0) - means)
    units = np.maximum(spreads, SMALLEST * np.maximum(1.0, np.abs(means)))
    return float(np.minimum(shifts / units, MOST_SHIFT).mean())


def _seen(text: str) -> Seen | None:
    try:
        at, ue, encoded = json.loads(text)
        row = np.frombuffer(base64.b64decode(encoded, validate=True), "<f4")
        found = Seen(float(at), str(ue), row)
    except (ValueError, TypeError, binascii.Error):
        return None
    return found if row.shape == (len(PAIR_FEATURES),) and np.isfinite(row).all() else None
