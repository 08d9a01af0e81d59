"""Lambda environments of the handover room that share nothing but a Redis: each is a process with the function `api`,
from API Gateway's event to the answer.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from quintet.adapters.prometheus_page import page
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_telemetry import RedisTelemetry
from quintet.entry.http import as_lambda
from quintet.handover.scraping import Scrape
from quintet.handover.telemetry import METRICS
from tests.handover.doors.open_room import API_KEY, OpenRoom


@dataclass
class SharedRoom(OpenRoom):
    """Its telemetry is that of all."""

    url: str = ""
    per_minute: int = 100_000

    @cached_property
    def telemetry(self) -> RedisTelemetry:  # type: ignore[override]
        return RedisTelemetry(RedisConnection(self.url), METRICS, prefix="handover:1", clock=self.clock)

    def scrape(self) -> bytes:
        manifest = self.serving.versions.read("1.0.0")
        return page(Scrape(self.telemetry, lambda: manifest, lambda: (0.0, 0)).families())


def event(method: str, path: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "path": path,
        "resource": "/{proxy+}",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "192.0.2.7"}, "stage": "local", "requestId": "r", "path": path},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


class Context:
    function_name, memory_limit_in_mb, aws_request_id = "api", 512, "r"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:api"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def predict(url: str, number: int, times: int, wrong: int) -> int:
    """Environment `number` answers so many requests well, and so many that hear nothing; how many were answered."""
    room = SharedRoom(url=url)
    handler, headers = as_lambda(room.app()), {**room.headers, "Content-Type": "application/json"}
    answered = 0
    for turn in range(times + wrong):
        cells = {"a": {"rsrp": -100 + turn % 9}, "b": {"rsrp": -70, "sinr": 12}} if turn < times else {}
        asked = {"ue_id": f"ue-{number}-{turn}", "connected_to": "b", "rf_metrics": cells}
        answer = handler(event("POST", "/api/predict", headers, asked), Context())
        answered += answer["statusCode"] == 200
    return answered


def scrape(url: str) -> tuple[str, str]:
    """What one more environment answers to Prometheus: the content's type, and the content."""
    handler = as_lambda(SharedRoom(url=url).app())
    answer = handler(event("GET", "/metrics", {"Authorization": f"Bearer {API_KEY}"}), Context())
    if answer["statusCode"] != 200:
        raise AssertionError(answer)
    single, several = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
    return single.get("content-type") or several["content-type"][0], answer["body"]
