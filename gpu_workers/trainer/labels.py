"""Labels of an image: a line a box, `class x_center y_center width height`, the last four as shares of the image."""

import math
from collections.abc import Iterator

LIMIT = 16 * 1024 * 1024
SLACK = 1e-6  # what rounding may add to 1


def problems(content: bytes, classes: int) -> Iterator[str]:
    """What is wrong with a label file, a phrase a line that is."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield "it is not text"
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and (problem := problem_of(line.split(), classes)):
            yield f"line {number}: {problem}"


def problem_of(values: list[str], classes: int) -> str | None:
    """
    >>> problem_of("7 0.5 0.5 0.1 0.1".split(), classes=3)
    'class 7 is not among 0..2'
    """
    if len(values) != 5:
        return f"there are {len(values)} values instead of five"
    numbers = [as_number(value) for value in values]
    wrong = next((value for value, number in zip(values, numbers, strict=True) if not math.isfinite(number)), None)
    if wrong is not None:
        return f"{wrong[:20]!r} is not a number"
    if numbers[0] not in range(classes):
        return f"class {values[0][:20]} is not among 0..{classes - 1}"
    outside = next((value for value, n in zip(values[1:], numbers[1:], strict=True) if not 0 <= n <= 1 + SLACK), None)
    if outside is not None:
        return f"{outside[:20]} is not between 0 and 1"
    return None if min(numbers[3:]) > 0 else "the box has no area"


def as_number(text: str) -> float:
    """NaN for what is none."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
