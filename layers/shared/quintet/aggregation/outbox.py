"""The outbox: what is still to be told of a job, where, and how often that was tried.

    partition            name              record
    aggregation#outbox   <job>#<channel>   a delivery, from the job's end until it is done

    pending ──claimed for one attempt──▶ pending ──done──▶ (no row)
                                            └──refused for good, or tried too often──▶ dead ──revived──▶ pending

Rows are written in the step that ends the job. Who tries a delivery claims it first: the count of attempts and the
time of the next one stand before anything is sent, so that two never try at once, and one who dies in the midst is
followed by another, with the same key.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from quintet.aggregation.ports import Rows
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Change, Create, Place, Remove

Channel = Literal["api", "file", "log", "return-url"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

OUTBOX = "aggregation#outbox"
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
REASON_CHARACTERS = 500

_NAMESPACE = uuid.UUID("0f3d1a0e-3f3b-5b0e-9d57-8a5f7f0c4f6e")


class Delivery(BaseModel):
    """`key` is the idempotency key, one for all attempts; `next_at` (UTC) is when it may be tried again, and
    `completed_at` when the job ended.

    `url` is where a channel goes that has no place of its own, and `body_key` the stored body, where it is not made of
    the job's result.
    """

    model_config = ConfigDict(frozen=True)

    job: str
    channel: Channel
    key: str
    correlation: str
    completed_at: datetime
    next_at: datetime
    url: str = ""
    body_key: str = ""
    state: Literal["pending", "dead"] = "pending"
    attempts: int = 0
    reason: str = ""

    @property
    def place(self) -> Place:
        return Place(OUTBOX, f"{self.job}#{self.channel}")


class Errand(BaseModel):
    """Word to who delivers: of one job, of all that is due (`sweep`), or that a dead delivery is to be tried anew."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: Literal["job", "sweep", "revive"] = "job"
    job: str = ""
    channel: str = ""


@dataclass(frozen=True)
class Outbox:
    """`random` gives numbers in [0, 1); `retention` is how long a delivery is kept, dead ones too."""

    rows: Rows
    clock: Clock
    random: Callable[[], float]
    retention: timedelta

    def rows_for(
        self,
        job: str,
        channels: Sequence[Channel],
        *,
        completed_at: datetime,
        correlation: str = "",
        return_url: str = "",
        body_key: str = "",
    ) -> list[Create]:
        """The writes that make a job's deliveries, for the step in which it ends."""
        keys = {channel: _key(job, channel, completed_at) for channel in channels}
        deliveries = [
            Delivery(
                job=job,
                channel=channel,
                key=key,
                correlation=correlation or key,
                completed_at=completed_at,
                next_at=completed_at,
                url=return_url if channel == "return-url" else "",
                body_key=body_key,
            )
            for channel, key in keys.items()
        ]
        return [Create(one.place, _record(one), completed_at + self.retention) for one in deliveries]

    def of(self, job: str) -> list[Delivery]:
        """All of a job that are not done."""
        found = (self.find(job, channel) for channel in CHANNELS)
        return [one for one in found if one is not None]

    def find(self, job: str, channel: str) -> Delivery | None:
        try:
            return _delivery(self.rows.read(Place(OUTBOX, f"{job}#{channel}")))
        except NotFound:
            return None

    def due(self) -> list[Delivery]:
        """Those that may be tried now, the longest due first."""
        due = [one for one in self.all() if self.is_due(one)]
        return sorted(due, key=lambda one: one.next_at)

    def is_due(self, delivery: Delivery) -> bool:
        return delivery.state == "pending" and delivery.next_at <= self.clock.now()

    def all(self) -> Iterator[Delivery]:
        after = ""
        while page := self.rows.list(OUTBOX, after=after):
            yield from (_delivery(record) for _, record in page)
            after = page[-1][0]

    def claim(self, delivery: Delivery) -> Delivery | None:
        """The delivery for one attempt; None where another has it, or has done it."""
        attempts = delivery.attempts + 1
        changes = {"attempts": attempts, "next_at": self.clock.now() + pause(attempts, self.random())}
        try:
            return self._change(delivery, changes)
        except Conflict:
            return None

    def done(self, delivery: Delivery) -> None:
        self.rows.write(Remove(delivery.place))

    def failed(self, delivery: Delivery, reason: str) -> None:
        """It stays pending, and says why."""
        self._say(delivery, {"reason": reason[:REASON_CHARACTERS]})

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """It is dead, and says why."""
        self._say(delivery, {"state": "dead", "reason": reason[:REASON_CHARACTERS]})

    def revive(self, job: str, channel: str) -> Delivery | None:
        """A dead delivery as if it had never been tried; None where there is none."""
        delivery = self.find(job, channel)
        if delivery is None or delivery.state != "dead":
            return None
        try:
            return self._change(delivery, {"state": "pending", "attempts": 0, "next_at": self.clock.now()})
        except Conflict:
            return None  # somebody else was quicker

    def _say(self, delivery: Delivery, changes: Mapping[str, Any]) -> None:
        try:
            self._change(delivery, changes)
        except Conflict:
            return  # it was done, or is being tried, by another meanwhile: what that finds counts

    def _change(self, before: Delivery, changes: Mapping[str, Any]) -> Delivery:
        after = before.model_copy(update=dict(changes))
        record = _record(after)
        expected = {"key": before.key, "state": before.state, "attempts": before.attempts}
        self.rows.write(Change(before.place, {name: record[name] for name in changes}, expected))
        return after


def pause(attempts: int, random: float) -> timedelta:
    """After so many attempts: 30 s, doubled each time up to an hour, and up to half as much again at random.

    >>> [pause(attempts, 0.0).seconds for attempts in (1, 2, 3, 8, 99)], pause(1, 0.5).seconds
    ([30, 60, 120, 3600, 3600], 37)
    """
    doubled = FIRST_PAUSE * 2 ** min(attempts - 1, 16)
    return timedelta(seconds=min(doubled, LONGEST_PAUSE).total_seconds() * (1 + random / 2))


def _key(job: str, channel: str, moment: datetime) -> str:
    """A job of the same id that comes after this one is forgotten has another key."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps([job, channel, moment.isoformat()])))


def _record(delivery: Delivery) -> dict[str, Any]:
    return {"schema": 1, **delivery.model_dump(mode="json")}


def _delivery(record: Mapping[str, Any]) -> Delivery:
    return Delivery.model_validate({name: value for name, value in record.items() if name != "schema"})
