"""A session as its worker has it in memory: what has come, what is judged of it, and how it ends.

Halves come from the journal alone, so that a worker that takes a session over, and replays its journal, has the same in
memory as the one that died.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import numpy as np

from quintet.calibration.evaluation import BatchMetrics, Evaluator, Result, Stages
from quintet.calibration.join import Frontier, Join
from quintet.calibration.journal import Journal, Spot, Taken
from quintet.calibration.messages import INPUTS, OUTPUTS, Session, Side, State
from quintet.calibration.tracked import Contents
from quintet.calibration.wire import labels_match, shape_of
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import InvalidInput
from quintet.kernel.streams import Delivery


@dataclass(frozen=True)
class Limits:
    """What one session may take; more ends it."""

    batches: int = 10_000
    repeats: int = 10_000
    held_bytes: int = 2 * 1024 * 1024
    strays: int = 20


@dataclass(frozen=True)
class End:
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a half stands in the journal, and how much it is."""

    spot: Spot | None
    rows: int | None
    size: int
    inputs: Spot | None


@dataclass
class Live:
    """All methods may be called from any thread."""

    session: Session
    evaluator: Callable[[], Evaluator]
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.lock = RLock()
        self.join = Join()
        self.ending: End | None = None
        self.sealed: End | None = None
        """How the ledger says that it ended, before it is replayed."""
        self.told = False
        """Whether somebody sees to its end."""
        self.trouble = ""
        self.repeats = 0
        self.strays: set[str] = set()
        self.rejects: list[tuple[Delivery, str]] = []
        self.heard_at = stopwatch()
        self.ended_at = 0.0
        self.stored = False
        """Whether too much waits for its turn: then the judgement is made from the journal, at the end."""
        self.concluded: Result | None = None
        self._frontier: Frontier[Taken] = Frontier()
        self._judge = self.evaluator()
        self.shape = shape_of(self.session.inputs_format)
        self._found: dict[tuple[int, Side], Found] = {}
        self._history: list[BatchMetrics] = []

    def take(self, half: Taken) -> None:
        """A half that is durable. What comes after the end changes nothing."""
        with self.lock:
            if self.ending is not None:
                return
            self.heard_at = stopwatch()
            accepted = self.join.accept(half.side, half.index, half.last, half.bare, half.digest)
            if accepted == "duplicate":
                self.repeat()
            elif accepted == "new":
                self._found[half.index, half.side] = found(half)
                self._advance(self._frontier.put(half.index, half.side, half))
            self._bound()
            if self.join.complete:
                self.end(End("COMPLETED"))

    def repeat(self) -> None:
        """One more message that says nothing new."""
        with self.lock:
            self.heard_at = stopwatch()
            self.repeats += 1
            if self.repeats > self.limits.repeats:
                self.fail(f"more than {self.limits.repeats} messages said nothing new: send each batch once")

    def knows(self, half: Taken) -> bool:
        """Whether this half, with this content, is in the journal already."""
        with self.lock:
            return self.join.knows(half.side, half.index, half.last, half.bare, half.digest)

    @property
    def waits(self) -> str:
        """What stands in its way, in a sentence; empty where nothing does."""
        return f"{self.session.client_id} waits: {self.trouble}" if self.trouble else ""

    @property
    def unlabelled(self) -> int:
        """Batches without labels, which can't be judged."""
        with self.lock:
            return sum(batch.accuracy is None and batch.rows > 0 for batch in self._history)

    def fail(self, reason: str) -> None:
        self.end(End("FAILED", reason))

    def end(self, ending: End) -> None:
        """The first ending stands."""
        with self.lock:
            if self.ending is None:
                self.ending, self.ended_at = ending, stopwatch()

    def conclude(self, journal: Journal) -> Result:
        """What can be said now that it has ended. Raises Unavailable, and NotFound where the journal has expired.

        The journal is read without the lock: what is joined changes no more, and whoever takes messages waits for it.
        """
        if self.concluded is None and self.stored:
            anew = self._judged_anew(journal)
        with self.lock:
            if self.concluded is None:
                if self.stored:
                    self._judge, self._history, problem = anew
                    self._end_otherwise(End("FAILED", problem) if problem else None)
                else:
                    self._flush()
                self.concluded = self._judge.result()
            return self.concluded

    def conclude_without(self, reason: str) -> Result:
        """Nothing of it can be judged."""
        with self.lock:
            self.ending, self.ended_at = End("FAILED", reason), stopwatch()
            self.concluded = self.evaluator().result()
            return self.concluded

    def history(self, after: int = -1) -> Sequence[BatchMetrics]:
        """The metrics of each judged batch of an index beyond `after`, in the order of indexes."""
        with self.lock:
            start = bisect_right(self._history, after, key=lambda batch: batch.index)
            return self._history[start:]

    def contents(self, index: int, journal: Journal) -> Contents:
        """A batch whose halves are both here. Raises Unavailable, and NotFound where the journal has expired."""
        with self.lock:
            inputs, outputs = self._found[index, INPUTS], self._found[index, OUTPUTS]
        assert outputs.spot is not None
        probabilities = journal.values(outputs.spot, OUTPUTS, outputs.rows or 0)
        labels = None
        if inputs.spot is not None and inputs.rows is not None:
            labels = journal.values(inputs.spot, INPUTS, inputs.rows)
        data = journal.inputs(inputs.inputs) if inputs.inputs is not None else b""
        return Contents(data, probabilities.astype(np.float32, copy=False), labels)  # type: ignore[arg-type]

    def status(self) -> Mapping[str, Any]:
        """For who watches: counts and figures so far."""
        with self.lock:
            return {
                "joined": self.join.joined,
                "halves": self.join.size,
                "missing": self.join.missing().text(),
                "judged": len(self._history),
                "repeats": self.repeats,
                "conflicts": len(self.join.conflicts),
                "strays": len(self.strays),
                "trouble": self.trouble,
                "judged_at_the_end": self.stored,
                "latest": self._history[-1].model_dump(mode="json") if self._history else None,
            }

    def _advance(self, pairs: Sequence[tuple[int, Taken, Taken]]) -> None:
        for index, inputs, outputs in pairs:
            if self.ending is not None:
                return
            try:
                self._history.append(judged(self._judge, index, inputs, outputs))
            except InvalidInput as error:
                self.fail(error.message)

    def _bound(self) -> None:
        if self.join.size > 2 * self.limits.batches:
            self.fail(f"more than {self.limits.batches} batches: raise CALIBRATION_BATCH_LIMIT, or end the session")
        if not self.stored and self._frontier.held_bytes > self.limits.held_bytes:
            self._frontier.drop()
            self.stored = True

    def _flush(self) -> None:
        ending, self.ending = self.ending, None
        self._advance(self._frontier.flush())
        found, self.ending = self.ending, ending
        self._end_otherwise(found)

    def _end_otherwise(self, found: End | None) -> None:
        """What was found when all was judged stands, but before another failure."""
        if found is not None and (self.ending is None or self.ending.state != "FAILED"):
            self.ending = found

    def _judged_anew(self, journal: Journal) -> tuple[Evaluator, list[BatchMetrics], str]:
        """With what can't be judged, in words, where it ends there."""
        judge, history = self.evaluator(), list[BatchMetrics]()
        for index in self._joined_indexes():
            try:
                history.append(judged(judge, index, *self._halves(index, journal)))
            except InvalidInput as error:
                return judge, history, error.message
        return judge, history, ""

    def _joined_indexes(self) -> Iterator[int]:
        """In order, of what came before the end."""
        yield from sorted(index for index, side in self._found if side == INPUTS and (index, OUTPUTS) in self._found)

    def _halves(self, index: int, journal: Journal) -> tuple[Taken, Taken]:
        return self._half(index, INPUTS, journal), self._half(index, OUTPUTS, journal)

    def _half(self, index: int, side: Side, journal: Journal) -> Taken:
        known = self._found[index, side]
        values = None
        if known.spot is not None and known.rows is not None:
            values = journal.values(known.spot, side, known.rows)
        return Taken(self.session.id, side, index, False, b"", values, known.size)


def judged(judge: Evaluator, index: int, inputs: Taken, outputs: Taken) -> BatchMetrics:
    """Raises InvalidInput."""
    if inputs.values is None:
        return unlabelled(index, judge.stages, len(outputs.probabilities))
    labels_match(index, inputs.labels, outputs.probabilities)
    return judge.add(index, outputs.probabilities, inputs.labels)


def unlabelled(index: int, stages: Stages, rows: int) -> BatchMetrics:
    """What there is to say of a batch without labels."""
    return BatchMetrics(index=index, stage=stages.of(index), rows=rows)


def found(half: Taken) -> Found:
    return Found(half.spot, None if half.values is None else len(half.values), half.size, half.inputs)
