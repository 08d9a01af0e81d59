"""A session as its worker has it in memory: what has come, what is judged of it, and how it ends.

Halves come from the journal alone, so that a worker that takes a session over, and replays its journal, has the same in
memory as the one that died.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import RLock
from typing import Any

import numpy as np

from quintet.calibration.evaluation import TOGETHER, BatchMetrics, Evaluator, Result
from quintet.calibration.join import Frontier, Join
from quintet.calibration.journal import Journal, Spot, Taken
from quintet.calibration.messages import INPUTS, OUTPUTS, Session, Side, State
from quintet.calibration.shapes import shape_of
from quintet.calibration.tracked import Contents
from quintet.calibration.wire import labels_match
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import InvalidInput
from quintet.kernel.streams import Delivery

Pair = tuple[int, Taken, Taken]
"""A batch: its index, and the halves of its inputs and outputs."""


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
    """All methods may be called from any thread. What is taken is judged when `judge` is called, and at the end."""

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
        self.kept_strays = False
        self._stray_bytes = 0
        self.rejects: list[tuple[Delivery, str]] = []
        self.heard_at = stopwatch()
        self.ended_at = 0.0
        self.stored = False
        """Whether too much waits for its turn: then the judgement is made from the journal, at the end."""
        self.concluded: Result | None = None
        self._frontier: Frontier[Taken] = Frontier()
        self._ready: list[Pair] = []
        self._judge = self.evaluator()
        self.shape = shape_of(self.session.inputs_format)
        self._found: dict[tuple[int, Side], Found] = {}
        self._unlabelled: list[BatchMetrics] = []

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
                self._queue(self._frontier.put(half.index, half.side, half))
            self._bound()
            if self.join.complete:
                self.judge()
                self.end(End("COMPLETED"))

    def judge(self) -> None:
        """Judge what is ready: many batches at once cost a fraction of as many alone. One that is wrong is the end."""
        with self.lock:
            ready, self._ready = self._ready, []
            if problem := judged(self._judge, ready, self._unlabelled):
                self._frontier.drop()
                self._fail_after_all(problem)

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
            return sum(batch.rows > 0 for batch in self._unlabelled)

    @property
    def drains(self) -> bool:
        """Whether what is left on its queues is to be kept aside for a while, now that it has ended: its messages bear
        no session's name, and the client's next session would take them for its own.
        """
        return self.session.via == "grpc" and self.ending is not None and self.ending.state != "COMPLETED"

    def strayed(self, size: int) -> int:
        """`size` more bytes of other sessions' messages are on their way aside, or fewer; how many those are."""
        with self.lock:
            self._stray_bytes += size
            return self._stray_bytes

    def fail(self, reason: str) -> None:
        """Unless what came before proves wrong."""
        with self.lock:
            self.judge()
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
                    self._judge, self._unlabelled, problem = anew
                else:
                    problem = judged(self._judge, [*self._ready, *self._frontier.flush()], self._unlabelled)
                self._ready = []
                if problem:
                    self._fail_after_all(problem)
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
            unlabelled = (batch for batch in self._unlabelled if batch.index > after)
            return sorted([*self._judge.history(after), *unlabelled], key=lambda batch: batch.index)

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
            last = max([self._judge.last, *(batch.index for batch in self._unlabelled[-1:])])
            latest = self.history(after=last - 1)
            return {
                "joined": self.join.joined,
                "halves": self.join.size,
                "missing": self.join.missing().text(),
                "judged": self._judge.batches + len(self._unlabelled),
                "repeats": self.repeats,
                "conflicts": len(self.join.conflicts),
                "strays": len(self.strays),
                "trouble": self.trouble,
                "judged_at_the_end": self.stored,
                "latest": latest[-1].model_dump(mode="json") if latest else None,
            }

    def _queue(self, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            if self.ending is None:
                self._ready.append(pair)
                if self._enough(self._ready):
                    self.judge()

    def _enough(self, pairs: Sequence[Pair]) -> bool:
        """Whether they are to be judged before more are held: large batches gain nothing by being together."""
        return len(pairs) >= TOGETHER or pairs[-1][2].memory * TOGETHER > self.limits.held_bytes

    def _bound(self) -> None:
        if self.join.size > 2 * self.limits.batches:
            self.fail(f"more than {self.limits.batches} batches: raise CALIBRATION_BATCH_LIMIT, or end the session")
        if not self.stored and self._frontier.held_bytes > self.limits.held_bytes:
            self._frontier.drop()
            self.stored = True

    def _fail_after_all(self, problem: str) -> None:
        """What shows when batches are judged stands, but before another failure: they came before the end."""
        if self.ending is not None and self.ending.state != "FAILED":
            self.ending = End("FAILED", problem)
        self.end(End("FAILED", problem))

    def _judged_anew(self, journal: Journal) -> tuple[Evaluator, list[BatchMetrics], str]:
        """With what can't be judged, in words, where it ends there."""
        judge, unlabelled, some = self.evaluator(), list[BatchMetrics](), list[Pair]()
        for index in self._joined_indexes():
            some.append((index, *self._halves(index, journal)))
            if self._enough(some):
                if problem := judged(judge, some, unlabelled):
                    return judge, unlabelled, problem
                some = []
        return judge, unlabelled, judged(judge, some, unlabelled)

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


def judged(judge: Evaluator, pairs: Sequence[Pair], unlabelled: list[BatchMetrics]) -> str:
    """Judges pairs in their order, and notes those without labels; what is wrong with the first wrong one, in words."""
    for labelled, some in groupby(pairs, key=lambda pair: pair[1].values is not None):
        if not labelled:
            stages = judge.stages
            unlabelled += [
                BatchMetrics(index=at, stage=stages.of(at), rows=len(out.probabilities)) for at, _, out in some
            ]
        elif problem := judged_with_labels(judge, some):
            return problem
    return ""


def judged_with_labels(judge: Evaluator, pairs: Iterable[Pair]) -> str:
    batches, problem = [], ""
    try:
        for index, inputs, outputs in pairs:
            labels_match(index, inputs.labels, outputs.probabilities)
            batches.append((index, outputs.probabilities, inputs.labels))
    except InvalidInput as error:
        problem = error.message  # unless one before it is wrong, too
    try:
        judge.add_many(batches)
    except InvalidInput as error:
        problem = error.message
    return problem


def found(half: Taken) -> Found:
    return Found(half.spot, None if half.values is None else len(half.values), half.size, half.inputs)
