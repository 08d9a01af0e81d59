"""Where feedback is kept, durable before it is answered.

    partition            name                record
    handover#feedback    state               the State
                         part#<first>        the samples of one request, or the key of an object that holds them

`<first>` is the number of its first sample, 12 digits. A part is written in one step with the state that counts it. The
newest samples count, as many as the buffer has room for; parts that hold none of them are removed, and all go after
KEPT: they say where phones were.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from pydantic import TypeAdapter

from quintet.handover.messages import FeedbackSample
from quintet.handover.ports import Objects
from quintet.kernel.clock import Clock
from quintet.kernel.errors import NotFound
from quintet.kernel.ids import new_id
from quintet.kernel.rows import Change, Create, Place, Remove, Rows

PARTITION = "handover#feedback"
STATE = Place(PARTITION, "state")
PART = "part#"
KEPT = timedelta(days=30)
IN_A_ROW = 200_000
"""Bytes of samples that a row holds itself, as rows write them down: a letter beyond ASCII is 6. More are an object."""

PAGE = 100

_SAMPLES = TypeAdapter(list[FeedbackSample])

Reason = Literal["data", "performance"]


@dataclass(frozen=True)
class Wanted:
    """A retraining that is asked for, under a name of its own, and not queued yet."""

    name: str
    reason: Reason


@dataclass(frozen=True)
class State:
    """taken: samples so far. outcomes: of feedback since the last drift or change of `version`, `1` for a success.
    rests_until: no drift asks for a retraining before then, unix seconds.
    """

    taken: int = 0
    outcomes: str = ""
    version: str = ""
    rests_until: float = 0.0
    wanted: Wanted | None = None
    turn: int = 0

    def record(self) -> dict[str, Any]:
        wanted = self.wanted and {"name": self.wanted.name, "reason": self.wanted.reason}
        return {**{name: getattr(self, name) for name in _PLAIN}, "wanted": wanted, "schema": 1}


_PLAIN = ("taken", "outcomes", "version", "rests_until", "turn")


@dataclass(frozen=True)
class FeedbackRows:
    rows: Rows
    objects: Objects
    clock: Clock
    room: int
    prefix: str = "handover/feedback"

    def state(self) -> State:
        try:
            record = self.rows.read(STATE)
        except NotFound:
            return State()
        wanted = record["wanted"]
        return State(**{name: record[name] for name in _PLAIN}, wanted=Wanted(**wanted) if wanted else None)

    def change(self, before: State, after: State, samples: "Packed | None" = None) -> State:
        """The state that stands now, and the samples with it. Raises Conflict where it has changed since `before`."""
        after = replace(after, turn=before.turn + 1)
        write = (
            Change(STATE, after.record(), expect={"turn": before.turn})
            if before.turn
            else Create(STATE, after.record())
        )
        self.rows.write(write, *([self._part(before.taken, samples)] if samples and samples.count else []))
        return after

    def packed(self, samples: Sequence[FeedbackSample]) -> "Packed":
        """As they will be kept: the newest that there is room for. Many are stored at once, before they count."""
        kept = list(samples[-self.room :])
        text = _SAMPLES.dump_json(kept, exclude_none=True).decode()
        if len(json.dumps(text)) <= IN_A_ROW:
            return Packed(len(kept), text, "")
        key = f"{self.prefix}/{new_id()}.json"
        self.objects.put(key, text.encode(), content_type="application/json")
        return Packed(len(kept), "", key)

    def samples(self) -> list[FeedbackSample]:
        """Those in the buffer, oldest first."""
        first = self.state().taken - self.room
        parts = self.rows.list(PARTITION, prefix=PART, after=_name(max(0, first - self.room) - 1), limit=2 * self.room)
        wanted = [part for _, part in parts if part["first"] + part["count"] > first]
        return [sample for part in wanted for sample in self._unpacked(part)][-self.room :]

    def trim(self) -> int:
        """Removes parts of which no sample counts any more; how many."""
        over, removed = self.state().taken - self.room, 0
        while gone := [
            (name, part)
            for name, part in self.rows.list(PARTITION, prefix=PART, limit=PAGE)
            if part["first"] + part["count"] <= over
        ]:
            self._remove(gone)
            removed += len(gone)
        return removed

    def _remove(self, parts: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.rows.write(*(Remove(Place(PARTITION, name)) for name, _ in parts))
        for _, part in parts:
            if part["key"]:
                self.objects.delete(part["key"])

    def _part(self, first: int, packed: "Packed") -> Create:
        record = {"schema": 1, "first": first, "count": packed.count, "samples": packed.text, "key": packed.key}
        return Create(Place(PARTITION, _name(first)), record, expires_at=self.clock.now() + KEPT)

    def _unpacked(self, part: dict[str, Any]) -> list[FeedbackSample]:
        text: str | bytes = part["samples"]
        if part["key"]:
            with suppress(NotFound):  # removed meanwhile
                text = self.objects.get(part["key"])[0]
        return _SAMPLES.validate_json(text or "[]")


@dataclass(frozen=True)
class Packed:
    count: int
    text: str
    key: str


def _name(first: int) -> str:
    """Of a part, in the order of samples; that of -1 comes before all."""
    return f"{PART}{first:012d}" if first >= 0 else PART
