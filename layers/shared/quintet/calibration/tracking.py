"""Logging the runs of all sessions from one thread: a server that is slow or away holds up nothing but the log.

Every session has its turn: first the metrics of all, then files, one a turn, for as long as a round lasts. What could
not be logged is logged later, in the same order.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from quintet.calibration.experiment import Columns
from quintet.calibration.ports import Experiments
from quintet.calibration.run_log import RunLog, Unreadable
from quintet.calibration.tracked import Tracked
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import QuintetError, Unavailable

IDLE_SECONDS = 2.0
"""How long the thread sleeps when there is nothing to log."""

TURNS_SECONDS = 2.0
"""How long turns of one kind go on in a round."""

RESTS = (2.0, 5.0, 15.0, 30.0)
"""How long nobody is asked after the server was away: one session's question is what finds out that it is back."""

SESSION_RESTS = (2.0, 5.0, 15.0, 60.0, 300.0)
PATIENCE = 5
"""How often the run of a session that has ended may be refused before it is given up."""


Piece = Callable[[RunLog], bool]


@dataclass(frozen=True)
class Trouble:
    """What could not be logged now, in words for the log."""

    session: str
    problem: str
    details: dict[str, Any]


@dataclass
class Round:
    """`finished` are the sessions of which nothing is left to log; `pause` is how long to wait for the next round."""

    finished: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    pause: float = 0.0


@dataclass
class Turns:
    """One session's log, and how patient to be with it."""

    log: RunLog
    failures: int = 0
    refusals: int = 0
    rests_until: float = 0.0

    @property
    def session(self) -> str:
        return self.log.tracked.session.id


class Tracker:
    """`table` makes a file of columns; `experiment` is what the names of some experiments begin with. `guard` is around
    whatever is logged: it makes unforeseen errors, of which none may cost more than one run, errors of the house.
    """

    def __init__(
        self,
        experiments: Experiments,
        table: Callable[[Columns], bytes],
        experiment: str,
        watch: Callable[[], float] = stopwatch,
        guard: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._experiments = experiments
        self._table = table
        self._prefix = experiment
        self._watch = watch
        self._guard = guard
        self._turns: OrderedDict[str, Turns] = OrderedDict()
        self._lock = Lock()
        self._outages = 0
        self._rests_until = 0.0

    def add(self, tracked: Tracked) -> None:
        """Any thread may call it. A session that is logged already goes on as it was."""
        with self._lock:
            log = RunLog(tracked, self._experiments, self._table, self._prefix)
            self._turns.setdefault(tracked.session.id, Turns(log))

    def drop(self, session: str) -> None:
        """Another worker logs it from now on. Any thread may call it."""
        with self._lock:
            self._turns.pop(session, None)

    def round(self) -> Round:
        """One turn for everybody, as far as the time goes. Belongs to one thread."""
        done = Round()
        busy = [self._everybody(piece, done) for piece in (RunLog.figures, RunLog.file, RunLog.end)]
        done.pause = self._resting or (0.0 if any(busy) else IDLE_SECONDS)
        return done

    @property
    def _resting(self) -> float:
        return max(self._rests_until - self._watch(), 0.0)

    def _everybody(self, piece: Piece, done: Round) -> bool:
        """Whether anybody had something to do. Who had goes to the end of the line."""
        until = self._watch() + TURNS_SECONDS
        busy = False
        with self._lock:
            line = list(self._turns.values())
        for turns in line:
            if self._resting or (busy and self._watch() >= until):
                break
            if turns.rests_until <= self._watch() and self._turn(turns, piece, done):
                busy = True
                self._to_the_end(turns)
        return busy

    def _turn(self, turns: Turns, piece: Piece, done: Round) -> bool:
        try:
            with self._guard():
                did = piece(turns.log)
        except Unreadable as error:
            self._let_rest(turns, error, done)
        except Unavailable as error:
            self._away(turns, piece, error, done)
        except QuintetError as error:
            self._refused(turns, piece, error, done)
        else:
            if did:
                turns.failures = self._outages = 0
            if did and piece is RunLog.end:
                self._finish(turns, done)
            return did
        return True

    def _let_rest(self, turns: Turns, error: QuintetError, done: Round) -> None:
        done.troubles.append(Trouble(turns.session, error.message, error.details))
        turns.rests_until = self._watch() + step(SESSION_RESTS, turns.failures)
        turns.failures += 1

    def _away(self, turns: Turns, piece: Piece, error: QuintetError, done: Round) -> None:
        """A file that fails again and again while the server answers others is left out: a run has to end."""
        self._let_rest(turns, error, done)
        if piece is RunLog.file and turns.failures > PATIENCE and not self._outages:
            self._skip(turns, error, done)
        self._rests_until = self._watch() + step(RESTS, self._outages)
        self._outages += 1

    def _refused(self, turns: Turns, piece: Piece, error: QuintetError, done: Round) -> None:
        self._outages = 0
        if piece is RunLog.file:
            self._skip(turns, error, done)
            return
        self._let_rest(turns, error, done)
        turns.refusals += 1
        turns.log.forget()
        if turns.refusals >= PATIENCE and turns.log.tracked.ending():
            done.troubles.append(Trouble(turns.session, "the run is given up: it was refused too often", {}))
            self._finish(turns, done)

    def _skip(self, turns: Turns, error: QuintetError, done: Round) -> None:
        left_out = turns.log.skip()
        done.troubles.append(Trouble(turns.session, f"{left_out} is not logged: {error.message}", error.details))
        turns.failures = 0

    def _finish(self, turns: Turns, done: Round) -> None:
        self.drop(turns.session)
        done.finished.append(turns.session)

    def _to_the_end(self, turns: Turns) -> None:
        with self._lock:
            if turns.session in self._turns:
                self._turns.move_to_end(turns.session)


def step(rests: Sequence[float], failures: int) -> float:
    return rests[min(failures, len(rests) - 1)]
