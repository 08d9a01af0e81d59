"""What one door says, the other says too: every message of the room survives the way over the wire."""

import math
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as some

from quintet.glucose import wire
from quintet.glucose.messages import (
    CacheAnswer,
    ConvertResponse,
    HealthResponse,
    ProcessResponse,
    QuickPlotResponse,
    Warnings,
)
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.kernel.errors import InvalidInput

Sent = TypeVar("Sent", bound=Message)

TEXTS = some.text(max_size=20)
SOME_TEXT = some.none() | some.text(min_size=1, max_size=20)
COUNTS = some.integers(0, 2**31 - 1)
NUMBERS = some.floats(0, allow_infinity=False)
JSON: Any = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda parts: some.lists(parts, max_size=3) | some.dictionaries(TEXTS, parts, max_size=3),
    max_leaves=8,
)
WARNINGS = some.builds(
    Warnings,
    **{name: some.booleans() for name in Warnings.model_fields if name != "messages"},
    messages=some.lists(TEXTS, max_size=3),
)
TOLD = [field.name for field in pb.HealthResponse.DESCRIPTOR.fields]
KINDS: Any = {int: COUNTS, float: NUMBERS, str: TEXTS, bool: some.booleans()}
PRIORITIES = some.dictionaries(some.integers(0, 3), COUNTS)
HEALTH = some.builds(
    HealthResponse,
    **{name: KINDS.get(HealthResponse.model_fields[name].annotation, PRIORITIES) for name in TOLD},
    notes=some.just([]),
)


def over_the_wire(message: Sent) -> Sent:
    return type(message).FromString(message.SerializeToString())


@given(some.builds(ConvertResponse, csv_content=SOME_TEXT, error=SOME_TEXT))
def test_conversions(answer: ConvertResponse) -> None:
    told = over_the_wire(wire.converted(answer))
    assert ConvertResponse(csv_content=told.csv_content or None, error=told.error or None) == answer


@given(some.builds(ProcessResponse, handle=SOME_TEXT, total_samples=COUNTS, warnings=WARNINGS, error=SOME_TEXT))
def test_processed_traces(answer: ProcessResponse) -> None:
    told = over_the_wire(wire.processed(answer))
    assert (told.handle or None, told.total_samples, told.error or None) == (
        answer.handle,
        answer.total_samples,
        answer.error,
    )
    assert warnings_of(told.warnings) == answer.warnings


@given(some.builds(QuickPlotResponse, plot_data=some.dictionaries(TEXTS, JSON), warnings=WARNINGS, error=SOME_TEXT))
def test_figures(answer: QuickPlotResponse) -> None:
    told = over_the_wire(wire.plotted(answer))
    assert wire.figure_of(told.plot_json) == answer.plot_data
    assert (warnings_of(told.warnings), told.error or None) == (answer.warnings, answer.error)
    assert wire.figure_of(over_the_wire(wire.drawn(answer.plot_data)).plot_json) == answer.plot_data


@given(HEALTH)
def test_health(answer: HealthResponse) -> None:
    told = over_the_wire(wire.healthy(answer))
    given = {name: getattr(told, name) for name in TOLD}
    given["inference_requests_by_priority"] = dict(given["inference_requests_by_priority"])
    assert HealthResponse(**given) == answer


@given(
    some.builds(
        CacheAnswer,
        success=some.booleans(),
        message=TEXTS,
        cache_size=COUNTS,
        persisted_count=COUNTS,
        items_affected=COUNTS,
    )
)
def test_cache_answers(answer: CacheAnswer) -> None:
    told = over_the_wire(wire.managed(answer))
    assert CacheAnswer(**{name: getattr(told, name) for name in CacheAnswer.model_fields}) == answer


@given(some.text(min_size=1), some.booleans(), some.sampled_from(["mg/dL", "mmol/L"]))
def test_requests_to_process_and_to_plot(csv_base64: str, force: bool, unit: str) -> None:
    for kind in (pb.ProcessUnifiedRequest, pb.QuickPlotRequest):
        sent = over_the_wire(kind(csv_base64=csv_base64, force_calculate=force))
        assert wire.process_request(sent, unit).model_dump() == {
            "csv_base64": csv_base64,
            "force_calculate": force,
            "unit": unit,
        }


@given(some.text("0123456789abcdef", min_size=8, max_size=64), some.integers(-(2**31), 0), some.booleans())
def test_requests_to_draw(handle: str, index: int, force: bool) -> None:
    sent = over_the_wire(pb.PlotRequest(handle=handle, index=index, force_calculate=force))
    asked = wire.draw_request(sent, "mmol/L")
    assert (asked.handle, asked.index, asked.force_calculate, asked.unit) == (handle, index, force, "mmol/L")


@pytest.mark.parametrize("action", ["flush", "info", "delete", "save", "load"])
def test_requests_to_the_cache(action: str) -> None:
    assert wire.cache_request(pb.CacheManagementRequest(action=action)).handle is None
    asked = wire.cache_request(over_the_wire(pb.CacheManagementRequest(action=action, handle="0123abcd")))
    assert (asked.action, asked.handle) == (action, "0123abcd")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: wire.process_request(pb.ProcessUnifiedRequest(), "mg/dL"),
            "csv_base64: String should have at least 1",
        ),
        (
            lambda: wire.process_request(pb.QuickPlotRequest(csv_base64="YQ=="), "stones"),
            "unit: Input should be 'mg/dL'",
        ),
        (lambda: wire.draw_request(pb.PlotRequest(handle="0123abcd", index=1), "mg/dL"), "index: Input should be less"),
        (lambda: wire.draw_request(pb.PlotRequest(handle="short"), "mg/dL"), "handle: String should have at least 8"),
        (lambda: wire.cache_request(pb.CacheManagementRequest(action="burn")), "action: Input should be 'flush'"),
    ],
)
def test_a_wrong_request_is_refused_in_words(make: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        make()
    assert not any(sent in refused.value.message for sent in ("stones", "short", "burn"))


def test_what_is_no_number_leaves_as_null() -> None:
    assert wire.figure_text({"y": [math.nan, math.inf, 1.0]}) == '{"y":[null,null,1.0]}'


def test_a_count_beyond_the_messages_range_stands_still(health_so_far: HealthResponse) -> None:
    assert wire.healthy(health_so_far.model_copy(update={"total_calc_runs": 2**40})).total_calc_runs == 2**31 - 1


@pytest.fixture
def health_so_far() -> HealthResponse:
    kinds: Any = {int: 0, float: 0.0, str: "", bool: False}
    fields = {name: kinds.get(HealthResponse.model_fields[name].annotation, {}) for name in TOLD}
    return HealthResponse(**fields)


def warnings_of(told: pb.Warnings) -> Warnings:
    given: Any = {name: getattr(told, name) for name in Warnings.model_fields}
    return Warnings(**{**given, "messages": list(told.messages)})
