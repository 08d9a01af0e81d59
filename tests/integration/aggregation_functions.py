"""The aggregation room's three functions in this process: their handlers, with all that they keep in memory."""

import json
import runpy
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import pytest

from infra.local.cloud import ROOT
from quintet.adapters.memory import MemoryDoneMessages, MemoryObjects, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.wiring import AggregationRoom, aggregation
from quintet.kernel.clock import Clock

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Context:
    function_name = "aggregation"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:aggregation"
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@dataclass
class Functions:
    """`spent` are the seconds of each call, by what was called; `computed` those of the processor."""

    room: AggregationRoom
    api: Handler
    aggregate: Handler
    deliver: Handler
    spent: dict[str, list[float]] = field(default_factory=dict)
    computed: dict[str, list[float]] = field(default_factory=dict)
    _taken: dict[str, int] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, *, about: str = "", **query: str) -> tuple[int, Any]:
        """Status and body of an answer through the handler of the HTTP function."""
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        answer = self._timed(about or path, self.api, gateway_event(method, path, text, query))
        return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None

    def run_queues(self) -> None:
        """Until nothing is left on them. A message that fails stays and is not tried again."""
        while self._next("aggregate", self.room.nudges, self.aggregate) or self._next(
            "deliver", self.room.errands, self.deliver
        ):
            pass

    def sweep(self) -> None:
        self.room.nudges.send('{"about": "sweep"}')
        self.run_queues()

    def _next(self, name: str, queue: Any, handler: Handler) -> bool:
        position = self._taken.get(name, 0)
        if position >= len(queue.sent):
            return False
        self._taken[name] = position + 1
        event = queue.as_event(position) if position else {"Records": queue.as_event()["Records"][:1]}
        event["Records"][0]["messageId"] = str(uuid4())
        self._timed(name, handler, event)
        return True

    def _timed(self, about: str, handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
        began, busy = perf_counter(), process_time()
        answer = handler(event, Context())
        self.spent.setdefault(about, []).append(perf_counter() - began)
        self.computed.setdefault(about, []).append(process_time() - busy)
        return answer


@contextmanager
def functions_of(clock: Clock, **settings: str) -> Iterator[Functions]:
    given = {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "aggregation", "QUINTET_BUCKET": "bucket", **settings}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COORDINATOR_HOST", "ENABLE_API_KEYS", "REDIS_URL", "AGGREGATION_CALLERS", "RESULTS_API_URL"):
            patch.delenv(name, raising=False)
        for name, value in given.items():
            patch.setenv(name, value)
        aggregation.cache_clear()
        room = aggregation()
        room.clock = clock
        room.rows, room.objects = MemoryRows(clock), MemoryObjects()
        room.nudges, room.errands, room.dead_letters = MemoryQueue(), MemoryQueue(), MemoryQueue()
        room.done_messages = MemoryDoneMessages()
        yield Functions(room, handler_of("api"), handler_of("aggregate"), handler_of("deliver"))
        aggregation.cache_clear()


def handler_of(function: str) -> Handler:
    handler: Handler = runpy.run_path(str(ROOT / f"functions/aggregation/{function}/app.py"))["handler"]
    return handler


def gateway_event(method: str, path: str, body: str, query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "requestContext": {"identity": {"sourceIp": "127.0.0.1"}, "httpMethod": method, "path": path, "stage": "prod"},
        "body": b64encode(body.encode()).decode() if body else None,
        "isBase64Encoded": bool(body),
    }
