"""Where calls are made that may wait: in threads of their own, or on Lambda at once.

An environment of Lambda answers one request at a time, so nobody is kept waiting there, and a thread would be started
anew for each request: its event loop ends with it. That was half of the CPU of a prediction.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from quintet.kernel.settings import PlaceSettings, read

P = ParamSpec("P")
T = TypeVar("T")


Aside = Callable[..., Awaitable[Any]]
"""(call, *given) -> what the call gives or raises."""


def aside() -> Aside:
    """How calls are made in this process."""
    return at_once if read(PlaceSettings).function else run_in_threadpool


async def at_once(call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    return call(*given, **named)


def endpoint_here(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """On Lambda the endpoint as a coroutine, for FastAPI calls those without a thread; elsewhere as it is."""
    if iscoroutinefunction(endpoint) or not read(PlaceSettings).function:
        return endpoint

    @wraps(endpoint)
    async def coroutine(*given: Any, **named: Any) -> Any:
        return endpoint(*given, **named)

    return coroutine
