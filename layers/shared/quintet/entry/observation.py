"""One log line and one set of metrics a request, its correlation id, and an answer to whatever went wrong."""

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quintet.entry.answers import ErrorForm, answer_to
from quintet.entry.metrics import metrics_line
from quintet.entry.tracebacks import where
from quintet.kernel.clock import SystemClock, stopwatch
from quintet.kernel.errors import Overloaded, QuintetError
from quintet.kernel.ids import correlation_id
from quintet.kernel.log import logger
from quintet.kernel.settings import PlaceSettings, read

CORRELATION_HEADER = "X-Correlation-ID"

CORRELATION = "quintet.correlation_id"
"""Where a request's scope carries its correlation id."""

ANSWERED_ERRORS = "quintet.answered_errors"
"""Where a request's scope collects the errors of the house that were answered further in, to be logged here."""

BEGAN = "quintet.began"
"""When the request came, by the stopwatch."""

OnAnswer = Callable[[int, float], None]
"""Told the status and the milliseconds of each answer."""


class Observation:
    """ASGI middleware. Neither bodies nor query strings are logged: they may be health data."""

    def __init__(self, app: ASGIApp, errors: ErrorForm, on_answer: OnAnswer | None = None) -> None:
        self._app = app
        self._errors = errors
        self._on_answer = on_answer or (lambda status, milliseconds: None)

    @cached_property
    def _place(self) -> PlaceSettings:
        return read(PlaceSettings)

    @cached_property
    def _log(self) -> Any:
        return logger(f"{self._place.room}-api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation = correlation_id(Headers(scope=scope).get(CORRELATION_HEADER))
        scope[CORRELATION] = correlation
        answered: list[QuintetError] = scope.setdefault(ANSWERED_ERRORS, [])
        started, status = scope.setdefault(BEGAN, stopwatch()), 0

        async def send_with_correlation(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[CORRELATION_HEADER] = correlation
            await send(message)

        try:
            await self._app(scope, receive, send_with_correlation)
        except Exception as error:
            self._log_error(error, correlation)
            if status == 0:
                await answer_to(error, self._errors, correlation)(scope, receive, send_with_correlation)
        for told in answered:
            self._log_error(told, correlation)
        self._tell(scope, status, 1000 * (stopwatch() - started))

    def _log_error(self, error: Exception, correlation: str) -> None:
        """The reason and the details, which the caller is never told; the traceback where the fault is on our side."""
        said: dict[str, object] = {"error": type(error).__name__, "correlation_id": correlation}
        if isinstance(error, QuintetError):
            said |= {"reason": error.message, "details": error.details}
            if error.status < 500 or isinstance(error, Overloaded):
                self._log.info("request refused", extra=said)
                return
        self._log.error("request failed", extra={**said, "traceback": where(error)})

    def _tell(self, scope: Scope, status: int, milliseconds: float) -> None:
        self._on_answer(status, milliseconds)
        route = getattr(scope.get("route"), "path", "unknown")
        self._log.info(
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "status": status,
                "duration_ms": round(milliseconds, 1),
                "correlation_id": scope[CORRELATION],
            },
        )
        if self._place.function:
            self._measure(route, status, milliseconds)

    def _measure(self, route: str, status: int, milliseconds: float) -> None:
        values = {"Requests": 1, "Duration": milliseconds, "ServerErrors": int(status >= 500)}
        sys.stdout.write(metrics_line(f"{self._place.room}-api", route, values, SystemClock().now()) + "\n")
