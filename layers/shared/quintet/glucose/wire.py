"""Between the room's messages and those of its .proto: the same fields, but no text there is an empty one, and a figure
is its JSON text.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from quintet.glucose.figure import Figure
from quintet.glucose.messages import (
    CacheAnswer,
    CacheRequest,
    ConvertResponse,
    DrawRequest,
    HealthResponse,
    ProcessRequest,
    ProcessResponse,
    QuickPlotResponse,
    Warnings,
)
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.kernel.errors import InvalidInput

Made = TypeVar("Made")

LARGEST = 2**31 - 1


def process_request(sent: pb.ProcessUnifiedRequest | pb.QuickPlotRequest, unit: str) -> ProcessRequest:
    """Raises InvalidInput."""
    given = {"csv_base64": sent.csv_base64, "force_calculate": sent.force_calculate, "unit": unit}
    return _checked(ProcessRequest.model_validate, given)


def draw_request(sent: pb.PlotRequest, unit: str) -> DrawRequest:
    """Raises InvalidInput."""
    given = {"handle": sent.handle, "index": sent.index, "force_calculate": sent.force_calculate, "unit": unit}
    return _checked(DrawRequest.model_validate, given)


def cache_request(sent: pb.CacheManagementRequest) -> CacheRequest:
    """Raises InvalidInput."""
    return _checked(CacheRequest.model_validate, {"action": sent.action, "handle": sent.handle or None})


def converted(answer: ConvertResponse) -> pb.ConvertToUnifiedResponse:
    return pb.ConvertToUnifiedResponse(csv_content=answer.csv_content or "", error=answer.error or "")


def processed(answer: ProcessResponse) -> pb.ProcessUnifiedResponse:
    return pb.ProcessUnifiedResponse(
        handle=answer.handle or "",
        total_samples=answer.total_samples or 0,
        warnings=warnings(answer.warnings),
        error=answer.error or "",
    )


def drawn(figure: Figure) -> pb.PlotResponse:
    return pb.PlotResponse(plot_json=figure_text(figure))


def plotted(answer: QuickPlotResponse) -> pb.QuickPlotResponse:
    return pb.QuickPlotResponse(
        plot_json=figure_text(answer.plot_data) if answer.plot_data else "",
        warnings=warnings(answer.warnings),
        error=answer.error or "",
    )


def managed(answer: CacheAnswer) -> pb.CacheManagementResponse:
    return pb.CacheManagementResponse(
        success=answer.success,
        message=answer.message,
        cache_size=answer.cache_size,
        persisted_count=answer.persisted_count,
        items_affected=answer.items_affected or 0,
    )


def healthy(answer: HealthResponse) -> pb.HealthResponse:
    """Without what the original's message has no field for."""
    known = pb.HealthResponse.DESCRIPTOR.fields_by_name
    return pb.HealthResponse(**{name: _within_int32(value) for name, value in answer if name in known})


def warnings(given: Warnings) -> pb.Warnings:
    return pb.Warnings(**dict(given))


def figure_text(figure: Figure) -> str:
    """JSON, with null for what is no number.

    >>> figure_text({"y": [1.5, float("nan")]})
    '{"y":[1.5,null]}'
    """
    return to_json(figure, inf_nan_mode="null").decode()


def figure_of(text: str) -> Figure:
    """The other way; an empty text is no figure."""
    return dict(from_json(text)) if text else {}


def _checked(make: Callable[[dict[str, Any]], Made], given: dict[str, Any]) -> Made:
    """Names what is wrong and where, without what was sent."""
    try:
        return make(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        said = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in problems)
        raise InvalidInput(said) from None


def _within_int32(value: Any) -> Any:
    """A count that has grown beyond what the message can tell stands still."""
    return min(value, LARGEST) if isinstance(value, int) else value
