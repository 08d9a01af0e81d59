"""A circuit breaker: something that failed again and again is left alone for a while.

    closed ──5 failures within 60 s, no success between──▶ open ──60 s──▶ half open ──2 successes──▶ closed
                                                             ◀──a failure──┘

All processes that share the state see one breaker. While half open, one call at a time goes through to try.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable

T = TypeVar("T")

AWAY = (Unavailable, Misconfigured)
"""Of the states: what counts as their being away, so that calls go on."""

PREFIX = "breaker:"
KEPT_SECONDS = 30 * 24 * 3600
ATTEMPTS = 100
"""So often a step is tried anew because another process was faster."""


class States(Protocol):
    """Where the state is kept, shared by all processes: a cache. All raise Unavailable."""

    def get(self, key: str) -> bytes | None: ...
    def add(self, key: str, value: bytes, *, seconds: int) -> bool: ...
    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool: ...
    def delete(self, key: str) -> None: ...


@dataclass(frozen=True)
class Rule:
    """`call_seconds`: an answer that took longer counts as a failure. `open_seconds` is the window of failures, too."""

    failures: int = 5
    open_seconds: float = 60.0
    successes: int = 2
    call_seconds: float = 30.0


class CircuitOpen(Unavailable):
    """It was not asked: it failed too often a moment ago."""


class Standing(BaseModel):
    """What is known of a breaker. Moments are seconds of 1970; `failed_at` are failures since the last success."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    state: Literal["closed", "open", "half_open"] = "closed"
    failed_at: tuple[float, ...] = ()
    successes: int = 0
    opened_at: float | None = None
    trial_until: float = 0.0
    calls: int = 0
    total_failures: int = 0
    refused: int = 0
    last_failure_at: float | None = None
    reason: str = ""


NEW = Standing()


def seen_at(standing: Standing, now: float, rule: Rule) -> Standing:
    """An open breaker is half open once its time is over.

    >>> seen_at(Standing(state="open", opened_at=100.0), 160.0, Rule()).state
    'half_open'
    """
    if standing.state == "open" and standing.opened_at is not None and now >= standing.opened_at + rule.open_seconds:
        return standing.model_copy(update={"state": "half_open", "successes": 0, "trial_until": 0.0})
    return standing


def admits(standing: Standing, now: float) -> bool:
    return standing.state == "closed" or (standing.state == "half_open" and now >= standing.trial_until)


def admitted(standing: Standing, now: float, rule: Rule) -> Standing:
    """What a call leaves behind when it comes: a trial is under way, or one more was refused."""
    if not admits(standing, now):
        return standing.model_copy(update={"refused": standing.refused + 1})
    if standing.state == "half_open":
        return standing.model_copy(update={"trial_until": now + rule.call_seconds})
    return standing


def succeeded(standing: Standing, rule: Rule) -> Standing:
    changed = standing.model_copy(update={"calls": standing.calls + 1})
    if standing.state == "closed":
        return changed.model_copy(update={"failed_at": ()})
    if standing.state == "open":
        return changed
    enough = standing.successes + 1 >= rule.successes
    closed = {"state": "closed", "failed_at": (), "successes": 0, "opened_at": None, "trial_until": 0.0, "reason": ""}
    return changed.model_copy(update=closed if enough else {"successes": standing.successes + 1, "trial_until": 0.0})


def failed(standing: Standing, now: float, rule: Rule, reason: str) -> Standing:
    failures = (*(moment for moment in standing.failed_at if moment > now - rule.open_seconds), now)
    changed = standing.model_copy(
        update={
            "calls": standing.calls + 1,
            "total_failures": standing.total_failures + 1,
            "failed_at": failures[-rule.failures :],
            "last_failure_at": now,
            "reason": reason,
        }
    )
    opens = standing.state == "half_open" or (standing.state == "closed" and len(failures) >= rule.failures)
    return changed.model_copy(update={"state": "open", "opened_at": now, "successes": 0}) if opens else changed


class Breaker:
    """`states` None, or away: each process counts for itself."""

    def __init__(self, name: str, states: States | None, clock: Clock, rule: Rule = Rule()) -> None:
        self.name = name
        self.rule = rule
        self._states = states
        self._clock = clock
        self._own = NEW
        self._lock = Lock()

    def call(self, work: Callable[[], T]) -> T:
        """What `work` gives. An error that may pass (`retry`) is a failure, any other is an answer.

        Raises CircuitOpen where it is not asked, and what `work` raises.
        """
        self._admit()
        begun = self._clock.now()
        try:
            answer = work()
        except QuintetError as error:
            self._settle(error.message if error.retry else "")
            raise
        late = self._clock.now() - begun > timedelta(seconds=self.rule.call_seconds)
        self._settle("it took too long" if late else "")
        return answer

    def standing(self) -> Standing:
        """As of now."""
        return seen_at(self._read()[0], self._now(), self.rule)

    def reset(self) -> None:
        """Closed, with nothing counted."""
        self._step(lambda _: NEW)

    def _admit(self) -> None:
        now = self._now()
        before = self._step(lambda standing: admitted(seen_at(standing, now, self.rule), now, self.rule))
        if not admits(seen_at(before, now, self.rule), now):
            opened = before.opened_at if before.opened_at is not None else now
            left = max(1, round(opened + self.rule.open_seconds - now))
            raise CircuitOpen(f"it failed again and again ({before.reason}); try again in {left} s", breaker=self.name)

    def _settle(self, failure: str) -> None:
        now = self._now()
        if failure:
            self._step(lambda standing: failed(seen_at(standing, now, self.rule), now, self.rule, failure))
        else:
            self._step(lambda standing: succeeded(seen_at(standing, now, self.rule), self.rule))

    def _step(self, change: Callable[[Standing], Standing]) -> Standing:
        """Changes what is shared in one atomic step; gives what was there before."""
        with self._lock:
            for _ in range(ATTEMPTS):
                before, text = self._read()
                after = change(before)
                if after == before or self._write(after, text):
                    self._own = after
                    return before
        raise Unavailable("the breaker's state is changed by too many at once", breaker=self.name)

    def _read(self) -> tuple[Standing, bytes | None]:
        """Also as it was written; an unreadable one counts as new, and is written over."""
        try:
            text = self._states.get(self._key) if self._states else None
        except AWAY:
            return self._own, None
        if self._states is None or text is None:
            return (self._own if self._states is None else NEW), text
        try:
            return Standing.model_validate_json(text), text
        except ValidationError:
            return NEW, text

    def _write(self, after: Standing, expect: bytes | None) -> bool:
        if self._states is None:
            return True
        value = after.model_dump_json().encode()
        try:
            if expect is None:
                return self._states.add(self._key, value, seconds=KEPT_SECONDS)
            return self._states.replace(self._key, value, expect=expect, seconds=KEPT_SECONDS)
        except AWAY:
            return True

    @property
    def _key(self) -> str:
        return f"{PREFIX}{self.name}"

    def _now(self) -> float:
        return self._clock.now().timestamp()
