"""Whatever fits the OpenAPI document, or does not: no answer is a 500, none undocumented, none of another form."""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.handover.doors.open_room import API_KEY, OpenRoom

OPERATIONS = """
    GET /api/health
    GET /api/model-health
    POST /api/login
    POST /api/refresh
    POST /api/predict
    POST /api/predict-async
    POST /api/predict-with-qos
    POST /api/train
    POST /api/train-async
    GET /api/models
    POST /api/models/{version}
    PUT /api/models/{version}
    GET /api/feature-importance
    GET /api/model-type
    POST /api/collect-data
    GET /api/nef-status
    POST /api/feedback
    POST /api/qos-feedback
    GET /api/visualization/coverage-map
    POST /api/visualization/trajectory
    GET /api/v1/circuit-breakers/status
    GET /api/v1/circuit-breakers/health
    POST /api/v1/circuit-breakers/reset
    POST /api/v1/circuit-breakers/reset/{name}
    GET /api/v1/circuit-breakers/{name}/stats
    GET /metrics
    POST /metrics/auth/token
    GET /metrics/auth/stats
    POST /uploads
    GET /jobs/{job_id}
    GET /jobs/{job_id}/result
"""
EACH = [line.strip() for line in OPERATIONS.strip().splitlines()]
NOTHING_TO_BE_WRONG = {"GET /api/health", "GET /api/model-health"}
DRAWN = {"GET /api/visualization/coverage-map", "POST /api/visualization/trajectory"}
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "20"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def room() -> OpenRoom:
    return OpenRoom(per_minute=10**9)


@pytest.fixture(scope="module")
def document(room: OpenRoom) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", room.app())


def test_the_document_knows_every_operation(document: BaseSchema) -> None:
    found = [one.ok() for one in document.get_all_operations() if isinstance(one, Ok)]
    assert {f"{one.method.upper()} {one.path}" for one in found} == set(EACH)


@pytest.mark.parametrize("operation", EACH)
def test_right_requests_are_answered_as_described(document: BaseSchema, room: OpenRoom, operation: str) -> None:
    ask(document, room, operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation", [one for one in EACH if one not in NOTHING_TO_BE_WRONG])
def test_wrong_ones_too(document: BaseSchema, room: OpenRoom, operation: str) -> None:
    ask(document, room, operation, GenerationMode.NEGATIVE)


def ask(document: BaseSchema, room: OpenRoom, operation: str, mode: GenerationMode) -> None:
    method, path = operation.split()
    shown = {"Authorization": f"Bearer {API_KEY}"} if path.startswith("/metrics") else room.headers
    examples = min(EXAMPLES, 3) if operation in DRAWN else EXAMPLES

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def answer(case: Any) -> None:
        case.call_and_validate(headers=shown, checks=CHECKS)

    answer()
