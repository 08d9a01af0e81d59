"""A drive asked anew: what the service advises at each moment, beside what the network really did."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from quintet.cli.handover_drives import NEIGHBOUR, Moment
from quintet.kernel.ids import new_id

AHEAD_SECONDS = 3.0
"""Advice counts as in time where the real change came so soon after it."""
BACK_SECONDS = 10.0
"""Back in the cell that was left so shortly before: a ping-pong."""

Ask = Callable[[dict[str, Any]], dict[str, Any]]
Happened = Literal["change", "advice", "both", ""]


@dataclass
class Path:
    """What happened to one UE so far: where it was, (moment, cell left, cell entered); and the advice that stands."""

    serving: str | None = None
    changes: list[tuple[float, str, str]] = field(default_factory=list)
    advised: tuple[float, str] | None = None


@dataclass
class Score:
    """Counts over a drive. `advised` are advices to leave the serving cell, each counted once while it stands."""

    moments: int = 0
    changes: int = 0
    pingpongs: int = 0
    advised: int = 0
    in_time: int = 0
    taken_back: int = 0
    suppressed: int = 0

    @property
    def pingpong_rate(self) -> float:
        return self.pingpongs / self.changes if self.changes else 0.0


@dataclass(frozen=True)
class Step:
    """One moment of the drive, and what the service said to it."""

    moment: Moment
    answer: dict[str, Any]
    happened: Happened
    left: str | None


@dataclass
class Replay:
    """`ask` predicts. Each replay has UEs of its own, so that no earlier one is remembered as theirs."""

    ask: Ask
    score: Score = field(default_factory=Score)
    _paths: dict[str, Path] = field(default_factory=dict)
    _mark: str = field(default_factory=lambda: new_id()[:8])

    def steps(self, drive: Sequence[Moment], begin: float, wait: Callable[[float], None]) -> Iterator[Step]:
        """`wait` gets the seconds of the drive until each moment; times are told as if the drive had begun at `begin`.

        What was measured stays as it was: the network's own cell serves, be the advice followed by it or not.
        """
        before = drive[0].at
        for moment in drive:
            wait(moment.at - before)
            before = moment.at
            name = f"{moment.ue}-{self._mark}"
            told = begin + moment.at - drive[0].at
            answer = self.ask({**moment.request, "ue_id": name[-100:], "timestamp": told})
            yield self._step(moment, answer)

    def _step(self, moment: Moment, answer: dict[str, Any]) -> Step:
        path = self._paths.setdefault(moment.ue, Path())
        self.score.moments += 1
        self.score.suppressed += bool(answer.get("anti_pingpong_applied"))
        left = self._really(path, moment)
        advised = self._advice(path, moment, str(answer["predicted_antenna"]))
        happened: Happened = "both" if left and advised else "change" if left else "advice" if advised else ""
        return Step(moment, answer, happened, left)

    def _really(self, path: Path, moment: Moment) -> str | None:
        """The cell that the network left since the moment before."""
        left, path.serving = path.serving, moment.serving or path.serving
        if left is None or path.serving in (None, left):
            return None
        entered = str(path.serving)
        self.score.changes += 1
        if path.changes and path.changes[-1][1] == entered and moment.at - path.changes[-1][0] <= BACK_SECONDS:
            self.score.pingpongs += 1
        path.changes.append((moment.at, left, entered))
        if path.advised and moment.at - path.advised[0] <= AHEAD_SECONDS and path.advised[1] in (entered, NEIGHBOUR):
            self.score.in_time += 1
        path.advised = None
        return left

    def _advice(self, path: Path, moment: Moment, cell: str) -> bool:
        """Whether there is a new one."""
        if cell == moment.serving:
            self.score.taken_back += path.advised is not None
            path.advised = None
            return False
        if path.advised and path.advised[1] == cell:
            return False
        path.advised = (moment.at, cell)
        self.score.advised += 1
        return True
