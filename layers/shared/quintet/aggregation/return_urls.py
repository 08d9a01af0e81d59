"""Where the starter of a secure aggregation wants its result posted, besides asking for it.

`aggregation#return-urls`/`<job>` holds the URL, and whether the delivery was handed to the outbox: that happens in the
same step, once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from quintet.aggregation.addresses import Host, check_url
from quintet.aggregation.ports import Objects, Rows
from quintet.aggregation.results import path_part
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied, QuintetError
from quintet.kernel.rows import Change, Create, Place

RETURN_URLS = "aggregation#return-urls"


class Deliveries(Protocol):
    """Makes the writes that put a delivery into the outbox."""

    def __call__(self, job: str, *, return_url: str, body_key: str) -> Sequence[Create]: ...


@dataclass(frozen=True)
class ReturnUrls:
    """`hosts` are the operator's; `nudge` hears of a job that has something to deliver."""

    rows: Rows
    objects: Objects
    clock: Clock
    hosts: Sequence[Host]
    deliveries: Deliveries
    nudge: Callable[[str], None]
    retention: timedelta

    def check(self, url: str) -> None:
        """Raises InvalidInput, with the reason, for one that we may not be told to call."""
        try:
            check_url(url, self.hosts)
        except PermissionDenied as error:
            raise InvalidInput(error.message) from None

    def set(self, job: str, url: str) -> None:
        """Raises InvalidInput, and Conflict where the result was handed over for delivery already."""
        self.check(url)
        until = self.clock.now() + self.retention
        try:
            self.rows.write(Create(place_of(job), {"schema": 1, "url": url, "told": False}, until))
        except Conflict:
            self._replace(job, url)

    def read(self, job: str) -> str | None:
        try:
            return str(self.rows.read(place_of(job))["url"])
        except NotFound:
            return None

    def tell(self, job: str, result: Mapping[str, Any]) -> None:
        """Hand `result` over for delivery, once however often it is asked for, where there is a URL for it."""
        try:
            standing = self.rows.read(place_of(job))
        except NotFound:
            return
        key = f"aggregation/returns/{path_part(job)}.json"
        if standing["told"]:
            return
        self.objects.put(key, json.dumps(result, ensure_ascii=False).encode(), content_type="application/json")
        with suppress(Conflict):  # somebody else handed it over
            self._hand_over(job, standing["url"], key)

    def _hand_over(self, job: str, url: str, key: str) -> None:
        handed = Change(place_of(job), {"told": True}, {"told": False, "url": url})
        self.rows.write(handed, *self.deliveries(job, return_url=url, body_key=key))
        with suppress(QuintetError):  # the sweep makes up for it
            self.nudge(job)

    def _replace(self, job: str, url: str) -> None:
        try:
            self.rows.write(Change(place_of(job), {"url": url}, {"told": False}))
        except Conflict:
            raise Conflict(f"the result of {job} is on its way already") from None


def place_of(job: str) -> Place:
    return Place(RETURN_URLS, job)
