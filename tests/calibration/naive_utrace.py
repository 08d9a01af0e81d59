"""U-TraCE once more, slowly and from the definitions: loops over rows and thresholds, nothing shared with the room."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Row = Sequence[float]
Rows = Sequence[Row]


class Told(NamedTuple):
    alphas: list[float | None]
    uncertainties: list[float]
    coverages: list[float]
    sizes: list[int]
    accuracy: float | None


def lac(row: Row, label: int) -> float:
    return 1 - row[label]


def aps(row: Row, label: int) -> float:
    """The mass down to the class; of equal classes the higher number comes first."""
    order = sorted(range(len(row)), key=lambda k: (row[k], k), reverse=True)
    mass = 0.0
    for k in order[: order.index(label) + 1]:
        mass += row[k]
    return mass


SCORES = {"lac": lac, "aps": aps}


def threshold(scores: Sequence[float], alpha: float) -> float:
    n = len(scores)
    level = min(1.0, math.ceil((n + 1) * (1 - alpha)) / n)
    return sorted(scores)[math.ceil((n - 1) * level)]


def bound(scores: Sequence[float], rows: Rows, labels: Sequence[int]) -> tuple[float, float | None]:
    best, chosen = 0.0, None
    for j, q in enumerate(sorted(scores)):
        alpha = 1 - (j + 1) / (len(scores) + 1)
        shares = []
        for row, label in zip(rows, labels, strict=True):
            members = [k for k, p in enumerate(row) if p >= 1 - q]
            if label in members:
                shares.append(1 / len(members))
        if shares and math.fsum(shares) / len(shares) * (1 - alpha) > best:
            best, chosen = math.fsum(shares) / len(shares) * (1 - alpha), alpha
    return 1 - best, chosen


def told(rows: Rows, labels: Sequence[int], score: str, size: int, first: int, second: int) -> Told:
    calibration: list[float] = []
    q, right, tested = None, 0, 0
    seen = Told([], [], [], [], None)
    for index, (some, true) in enumerate(batches(rows, labels, size)):
        if index < first:
            calibration += [SCORES[score](row, label) for row, label in zip(some, true, strict=True)]
        elif index < first + second and calibration:
            uncertainty, alpha = bound(calibration, some, true)
            q = q if alpha is None else threshold(calibration, alpha)
            seen.uncertainties.append(uncertainty)
            seen.alphas.append(alpha)
        elif index >= first + second:
            right += sum(row.index(max(row)) == label for row, label in zip(map(list, some), true, strict=True))
            tested += len(true)
            if q is not None:
                sets = [{k for k in range(len(row)) if SCORES[score](row, k) <= q} for row in some]
                seen.coverages.append(sum(label in one for label, one in zip(true, sets, strict=True)) / len(true))
                seen.sizes.append(max(map(len, sets)))
    return seen._replace(accuracy=right / tested if tested else None)


def batches(rows: Rows, labels: Sequence[int], size: int) -> Iterator[tuple[Rows, Sequence[int]]]:
    for start in range(0, len(labels), size):
        yield rows[start : start + size], labels[start : start + size]
