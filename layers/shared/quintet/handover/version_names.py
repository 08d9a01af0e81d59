"""The names of versions: 1.0.N where nobody chose another, in an order in which people count."""

import re

SERIES = "1.0."
_NUMBER = re.compile(r"[0-9]+")


def in_order(version: str) -> tuple[tuple[int, str], ...]:
    """What to sort by: numbers within a version count as numbers.

    >>> sorted(["1.0.10", "1.0.9", "b", "1.0.9-tuned"], key=in_order)
    ['1.0.9', '1.0.9-tuned', '1.0.10', 'b']
    """
    parts = re.split(r"([0-9]+)", version)
    return tuple((int(part), "") if _NUMBER.fullmatch(part) else (-1, part) for part in parts)


def number_in_series(version: str) -> int:
    """N of 1.0.N; 0 for any other name.

    >>> [number_in_series(version) for version in ("1.0.12", "1.0.0", "1.0.9-tuned", "berlin")]
    [12, 0, 0, 0]
    """
    number = version.removeprefix(SERIES)
    return int(number) if version.startswith(SERIES) and _NUMBER.fullmatch(number) else 0
