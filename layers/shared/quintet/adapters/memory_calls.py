"""Calls over HTTP that go nowhere, held to the same contract as those that do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from quintet.kernel.calls import Answer


class Call(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    addresses: tuple[str, ...] | None = None


@dataclass
class MemoryCalls:
    """`answer` plays the other side, and raises Unavailable where it is away; `made` are the calls, oldest first."""

    answer: Callable[[Call], Answer] = lambda call: Answer(200)
    made: list[Call] = field(default_factory=list)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, seconds: float) -> Answer:
        return self._call(Call("GET", url, headers or {}))

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float,
        addresses: Sequence[str] | None = None,
    ) -> Answer:
        where = None if addresses is None else tuple(addresses)
        return self._call(Call("POST", url, headers or {}, body, where))

    def _call(self, call: Call) -> Answer:
        self.made.append(call)
        return self.answer(call)
