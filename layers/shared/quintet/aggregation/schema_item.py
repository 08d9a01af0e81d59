"""One item of a schema, read field by field; whatever is wrong with it is told with the item's number and the field."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from quintet.kernel.errors import InvalidInput

LONGEST = 256
"""Of a name, a field or a category, in characters."""


class Item:
    """`number` counts from 1. A key whose value is null is taken for absent. Every method raises InvalidInput."""

    def __init__(self, number: int, raw: Mapping[str, Any]) -> None:
        self.number = number
        if not isinstance(raw, Mapping):
            raise InvalidInput(f'schema item {number}: must be an object like {{"name": "age", "dataType": "NUMERIC"}}')
        self._raw = raw

    def wrong(self, field: str, what: str) -> InvalidInput:
        return InvalidInput(f"schema item {self.number}, {field}: {what}")

    def has(self, field: str) -> bool:
        return self._raw.get(field) is not None

    def name(self) -> str:
        """Under either key; not under two that disagree."""
        names = {key: self._text(key, self._raw[key]) for key in ("featureName", "name") if self.has(key)}
        if not names:
            raise self.wrong("name", "is missing")
        if len(set(names.values())) > 1:
            raise self.wrong("name", "differs from featureName: give one of the two")
        return next(iter(names.values()))

    def data_type(self, default: str | None) -> str:
        if not self.has("dataType") and default is None:
            raise self.wrong("dataType", "is missing: give BOOLEAN, NUMERIC, NOMINAL or ORDINAL")
        return self._text("dataType", self._given("dataType", default))

    def whole(self, field: str, least: int, most: int, *, default: int | None = None) -> int:
        value = self._given(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(field, f"is {_short(value)}, must be a whole number from {least} to {most}")
        return value

    def decimal(self, field: str, farthest: int) -> Decimal:
        """A float counts as what is written of it: 0.1 is a tenth."""
        value = self._given(field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(field, f"is {_short(value)}, must be a number")
        if not -farthest <= value <= farthest:
            raise self.wrong(field, f"is {_short(value)}, must be within ±{farthest:.0e}")
        return Decimal(repr(value))

    def choice(self, field: str, known: Sequence[str], *, default: str) -> str:
        value = self._given(field, default)
        if value not in known:
            raise self.wrong(field, f"is {_short(value)}, must be one of {', '.join(known)}")
        return str(value)

    def texts(self, field: str, most: int, *, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Distinct ones, one at least; whole numbers are taken for their text."""
        value = self._given(field, default)
        if isinstance(value, str) or not isinstance(value, Sequence) or not 1 <= len(value) <= most:
            raise self.wrong(field, f"must be a list of 1 to {most} names")
        found = tuple(self._text(field, one) for one in value)
        if len(set(found)) < len(found):
            twice = next(one for one in found if found.count(one) > 1)
            raise self.wrong(field, f"has {_short(twice)} twice")
        return found

    def _given(self, field: str, default: Any = None) -> Any:
        value = self._raw.get(field)
        if value is None and default is None:
            raise self.wrong(field, f"is missing, which {_short(self._raw.get('dataType'))} needs here")
        return default if value is None else value

    def _text(self, field: str, value: Any) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not 1 <= len(text) <= LONGEST:
            raise self.wrong(field, f"is {_short(value)}, must be a text of 1 to {LONGEST} characters")
        return text


def _short(value: Any) -> str:
    """As JSON would say it, roughly, and not all of a long one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
