"""How far a job is, as its owners are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal[
    "waiting", "advertise", "share", "mask", "confirm", "unmask", "computing", "aggregating", "completed", "failed"
]

ORDER: tuple[Stage, ...] = ("waiting", "advertise", "share", "mask", "confirm", "unmask", "computing", "completed")

SAID: Mapping[Stage, str] = {
    "waiting": "waiting for the owners to report",
    "advertise": "round 1 of 5: keys",
    "share": "round 2 of 5: shares of secrets",
    "mask": "round 3 of 5: masked values",
    "confirm": "round 4 of 5: who is still there",
    "unmask": "round 5 of 5: shares of the masks",
    "computing": "the sum is put together",
    "aggregating": "the aggregator is at work",
    "completed": "completed",
    "failed": "failed",
}


@dataclass(frozen=True)
class Progress:
    """`got` of `of` owners are through with `stage`, where the server has told (0: it has not); `sent`: this owner has
    just sent its message of it.
    """

    job: str
    stage: Stage
    got: int = 0
    of: int = 0
    sent: bool = False

    def __str__(self) -> str:
        counted = f" {self.got}/{self.of}" if self.got else ""
        return f"{SAID[self.stage]}{counted}{', sent' if self.sent else ''}"


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Nobody listens."""


def of_status(job: str, status: Mapping[str, Any]) -> Progress:
    """From an answer of /api/job-status."""
    state, counted = status["status"], status["progress"]
    if state == "AGGREGATING":
        return _of_rounds(job, status.get("aggregation") or {})
    stage: Stage = "completed" if state == "COMPLETED" else "failed" if state == "FAILED" else "waiting"
    return Progress(job, stage, int(counted["doneCount"]), int(counted["totalClients"]))


def _of_rounds(job: str, rounds: Mapping[str, Any]) -> Progress:
    name = str(rounds.get("round", "")).lower()
    if name == "completed":  # its rounds are over, and the job is still to say so
        name = "computing"
    stage: Stage = next((stage for stage in ORDER if stage == name), "aggregating")
    return Progress(job, stage, int(rounds.get("got") or 0), int(rounds.get("of") or 0))
