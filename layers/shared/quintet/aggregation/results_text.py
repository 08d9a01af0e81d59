"""Results for people: the text file, and the lines of the log where results go nowhere else.

>>> feature = {"featureName": "is_employed", "dataType": "BOOLEAN", "aggregatedNotNull": 1000,
...            "aggregatedTrue": 750, "percentage": 75.0}
>>> for line in log_lines("job_123", ["client1"], [feature])[2:4]:
...     print(line)
[Aggregator] Feature 1/1: is_employed (BOOLEAN)
[Aggregator]   → NotNull: 1000, True: 750, Percentage: 75.0%
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from quintet.kernel.text import printable

Feature = Mapping[str, Any]
"""As `quintet.aggregation.decoding` makes it."""

OF_AVERAGES = " (sum of owners' values)"


def text(job: str, moment: str, clients: Sequence[str], features: Sequence[Feature]) -> str:
    """The content of a .txt file: a head, and a block of `key: value` lines for each feature."""
    head = [
        f"=== AGGREGATED RESULTS FOR JOB {printable(job)} ===",
        f"Timestamp: {moment}",
        f"Clients: {_listed(clients)}",
        f"Total Features: {len(features)}",
        "",
    ]
    blocks = [line for number, feature in enumerate(features, 1) for line in _block(number, feature)]
    return "\n".join([*head, *blocks, ""])


def log_lines(job: str, clients: Sequence[str], features: Sequence[Feature]) -> list[str]:
    """What the log says of results that are neither sent nor saved."""
    job = printable(job)
    lines = [
        f"[Aggregator] Both API sending and filesystem saving disabled - logging results for job {job}",
        f"[Aggregator] Job: {job}, Clients: {_listed(clients)}, Features: {len(features)}",
    ]
    for number, feature in enumerate(features, 1):
        lines.append(f"[Aggregator] Feature {number}/{len(features)}: {_name(feature)} ({_type(feature)})")
        lines.append(f"[Aggregator]   → {_figures(feature)}")
    return [*lines, f"[Aggregator] Results logging completed for job {job}"]


def _block(number: int, feature: Feature) -> list[str]:
    values = [f"  {printable(str(key))}: {_shown(value)}" for key, value in feature.items()]
    return [f"--- Feature {number}: {_name(feature)} ---", *values, ""]


def _figures(feature: Feature) -> str:
    """The few numbers that say most; what is not known of a feature is left out."""
    figures = {"NotNull": feature.get("aggregatedNotNull"), **_telling(feature)}
    return ", ".join(f"{name}: {_shown(value)}" for name, value in figures.items() if value is not None)


def _telling(feature: Feature) -> dict[str, Any]:
    kind = _type(feature)
    if kind == "NUMERIC":
        return _numeric(feature)
    if kind == "BOOLEAN":
        percentage = _first(feature, "percentage", "percentageTrue")
        return {"True": feature.get("aggregatedTrue"), "Percentage": _with_sign(percentage)}
    if kind in ("CATEGORICAL", "NOMINAL", "ORDINAL"):
        unique = _first(_pooled(feature), "uniqueValues") or feature.get("aggregatedUniqueValues")
        return {"Unique": unique, "Diversity": _with_sign(feature.get("diversity"))}
    return {"Data": feature}


def _numeric(feature: Feature) -> dict[str, Any]:
    """Of all records where owners use our encoding; else what the owners' own averages add up to, and called so."""
    pooled = _pooled(feature)
    if pooled:
        return {"Sum": pooled.get("sum"), "Avg": _fractional(pooled.get("mean"))}
    average = _fractional(feature.get("aggregatedAvg"))
    if average is not None and "aggregatedAvg" in feature.get("sumsOfOwnersValues", ()):
        return {"Avg": f"{average}{OF_AVERAGES}"}
    return {"Sum": feature.get("aggregatedSum"), "Avg": average}


def _pooled(feature: Feature) -> Feature:
    pooled = feature.get("pooled")
    return pooled if isinstance(pooled, Mapping) else {}


def _first(known: Feature, *names: str) -> Any:
    return next((known[name] for name in names if known.get(name) is not None), None)


def _with_sign(percentage: Any) -> str | None:
    return None if percentage is None else f"{percentage}%"


def _fractional(value: Any) -> Any:
    """An average is no count, and looks it: 45.0."""
    return float(value) if isinstance(value, int) and abs(value) < 2**53 else value


def _name(feature: Feature) -> str:
    return printable(str(feature.get("featureName", "Unknown")))


def _type(feature: Feature) -> str:
    return printable(str(feature.get("dataType", "Unknown")))


def _listed(clients: Sequence[str]) -> str:
    return ", ".join(map(printable, clients))


def _shown(value: Any) -> str:
    """In one line."""
    if isinstance(value, (Mapping, list, tuple)):
        return printable(json.dumps(value, ensure_ascii=False, default=str))
    return printable(str(value))
