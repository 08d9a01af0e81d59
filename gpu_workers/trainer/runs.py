"""A record of each training for those who compare them, kept beside the work: it never makes the work wait.

What can't be recorded now is recorded later, at the end at the latest; where even that fails, the log says so.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Literal, NamedTuple, Protocol

from aws_lambda_powertools import Logger

from quintet.entry.worker import beside
from quintet.kernel.errors import QuintetError, Unavailable

Ending = Literal["FINISHED", "FAILED", "KILLED", "SCHEDULED"]
"""SCHEDULED: the task has to go, and another one goes on with the run."""

PAUSES = (2.0, 5.0, 15.0, 30.0)
FAREWELL_SECONDS = 20.0


class Recorder(Protocol):
    """Where runs are recorded. Everything raises Unavailable."""

    def open(self, name: str, tags: Mapping[str, str]) -> str:
        """The id of the run that has these tags, now running: a known one, else a new one called `name`."""
        ...

    def params(self, run: str, params: Mapping[str, str]) -> None: ...
    def metrics(self, run: str, epoch: int, metrics: Mapping[str, float]) -> None: ...
    def artifact(self, run: str, path: Path) -> None: ...

    def close(self, run: str, ending: Ending, tags: Mapping[str, str]) -> None: ...


class Farewell(NamedTuple):
    ending: Ending
    tags: Mapping[str, str]
    artifacts: Sequence[Path]


class NoRecord:
    """Where there is no server."""

    def begin(self, params: Mapping[str, object]) -> None: ...
    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None: ...
    def end(self, ending: Ending, *, tags: Mapping[str, str] | None = None, artifacts: Sequence[Path] = ()) -> None: ...


@dataclass
class Record:
    """One run, recorded in a thread. `tags` find it again."""

    recorder: Recorder
    name: str
    tags: Mapping[str, str]
    log: Logger
    patience: float = FAREWELL_SECONDS
    pauses: Sequence[float] = PAUSES
    _waiting: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    _params: Mapping[str, str] = field(default_factory=dict)
    _run: str | None = None
    _farewell: Farewell | None = None
    _deadline: float = math.inf
    _woken: Event = field(default_factory=Event)

    def begin(self, params: Mapping[str, object]) -> None:
        self._params = {name: str(value)[:500] for name, value in params.items()}
        self._thread = beside(self._keep, name="record", on_failure=self._failed)
        self._woken.set()

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        known = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self._waiting.append((epoch, known))
        self._woken.set()

    def end(
        self,
        ending: Ending,
        *,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
    ) -> None:
        """Returns when all is recorded, or the patience is over."""
        self._deadline = time.monotonic() + self.patience
        self._farewell = Farewell(ending, tags or {}, artifacts)
        self._woken.set()
        self._thread.join(self.patience)
        if self._thread.is_alive():
            self.log.warning("the run is not recorded to its end: the server is too slow", extra={"run": self._run})

    def _keep(self) -> None:
        failures = 0
        while True:
            self._woken.wait()
            self._woken.clear()
            try:
                if self._recorded():
                    return
                failures = 0
            except Unavailable as error:
                if not self._wait(failures, error):
                    return
                failures += 1

    def _recorded(self) -> bool:
        """Record what waits; whether that was the end."""
        farewell = self._farewell
        run = self._run or self._open()
        while self._waiting:
            self.recorder.metrics(run, *self._waiting[0])
            self._waiting.pop(0)
        if farewell is None:
            return False
        for path in farewell.artifacts:
            self.recorder.artifact(run, path)
        self.recorder.close(run, farewell.ending, farewell.tags)
        return True

    def _open(self) -> str:
        run = self.recorder.open(self.name, self.tags)
        self.recorder.params(run, self._params)
        self._run = run
        return run

    def _wait(self, failures: int, error: QuintetError) -> bool:
        """Whether there is time for another attempt."""
        self.log.warning("the run could not be recorded", extra={"reason": error.message, "details": error.details})
        pause = self.pauses[min(failures, len(self.pauses) - 1)]
        until = time.monotonic() + pause
        while time.monotonic() < min(until, self._deadline) and not (self._farewell and failures == 0):
            time.sleep(0.05)
        self._woken.set()
        return time.monotonic() < self._deadline

    def _failed(self, error: Exception) -> None:
        self.log.error("the run is not recorded", exc_info=error)
