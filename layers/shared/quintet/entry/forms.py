"""Which form an answer takes: JSON, or the picture that the caller prefers."""

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

JSON, SVG, PNG = "application/json", "image/svg+xml", "image/png"

PICTURES: dict[int | str, dict[str, Any]] = {200: {"content": {SVG: {}, PNG: {}}}}
"""What routes say of the forms besides JSON."""


def answer(
    request: Request,
    content: BaseModel | dict[str, Any],
    draw: Callable[[], str] | None,
    png: Callable[[str], bytes],
) -> Response:
    """`content` as JSON, or what `draw` draws of it as SVG, which `png` makes pixels of; None: nothing to draw."""
    form = preferred(request.headers.get("accept", ""))
    if draw is None or form == JSON:
        return Response(to_json(content, inf_nan_mode="null"), media_type=JSON)
    drawing = draw()
    return Response(drawing if form == SVG else png(drawing), media_type=form)


def preferred(accept: str) -> str:
    """The form that an Accept header (RFC 9110) likes best, JSON where it does not say.

    PNG only where it is named first: API Gateway looks no further to know whether an answer is binary.

    >>> preferred("image/png, application/json;q=0.5"), preferred("text/html, */*"), preferred("image/svg+xml;q=0")
    ('image/png', 'application/json', 'application/json')
    """
    ranges = [part.partition(";") for part in accept.split(",")]
    weights = {name.strip(): _weight(parameters) for name, _, parameters in ranges}
    forms = (JSON, SVG, PNG) if ranges[0][0].strip() == PNG else (JSON, SVG)
    offered = {form: weights.get(form, 0.0) for form in forms}
    best = max(offered, key=lambda form: offered[form])
    return best if offered[best] else JSON


def _weight(parameters: str) -> float:
    value = parameters.replace(" ", "").removeprefix("q=")
    try:
        return float(value)
    except ValueError:
        return 1.0
