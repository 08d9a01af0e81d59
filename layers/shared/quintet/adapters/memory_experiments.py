"""Runs of experiments in memory: for tests and demonstrations. Held to the same contract as MLflow's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Protocol

from quintet.kernel.errors import Conflict


class Measured(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def step(self) -> int: ...
    @property
    def milliseconds(self) -> int: ...


@dataclass
class Run:
    """`history` holds (step, moment, value) of each metric once."""

    experiment: str
    name: str
    tags: dict[str, str]
    status: str = "RUNNING"
    deleted: bool = False
    params: dict[str, str] = field(default_factory=dict)
    history: dict[str, set[tuple[int, int, float]]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)

    def values(self, key: str) -> list[tuple[int, float]]:
        """(step, value) by step."""
        return [(step, value) for step, _, value in sorted(self.history.get(key, ()))]


@dataclass
class MemoryExperiments:
    runs: dict[str, Run] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _lock: Lock = field(default_factory=Lock)

    def open(self, experiment: str, run_name: str, tags: Mapping[str, str]) -> str:
        with self._lock:
            for known, run in self.runs.items():
                if run.experiment == experiment and tags.items() <= run.tags.items() and not run.deleted:
                    run.status = "RUNNING"
                    return known
            made = f"run-{next(self._numbers)}"
            self.runs[made] = Run(experiment, run_name, dict(tags))
            return made

    def params(self, run: str, params: Mapping[str, str]) -> None:
        found = self._run(run)
        found.params = {**params, **found.params}

    def metrics(self, run: str, measurements: Sequence[Measured]) -> None:
        history = self._run(run).history
        for one in measurements:
            history.setdefault(one.key, set()).add((one.step, one.milliseconds, one.value))

    def artifact(self, run: str, path: str, content: bytes) -> None:
        self._run(run).artifacts[path] = content

    def close(self, run: str, status: str, tags: Mapping[str, str]) -> None:
        found = self._run(run)
        found.status = status
        found.tags.update(tags)

    def _run(self, run: str) -> Run:
        if run not in self.runs or self.runs[run].deleted:
            raise Conflict("there is no such run", run=run)
        return self.runs[run]
