"""Fails while it is imported."""

from typing import Any

import not_in_any_layer  # type: ignore[import-not-found]  # noqa: F401


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return event
