"""The end of a session: its result, its report, and whoever is to be told. Each at least once, by whoever serves it.

The ledger has the end before anything follows from it, and what is still to be done with it: a worker that dies leaves
the rest to the one that takes over.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from queue import SimpleQueue
from threading import Lock

from quintet.calibration.calibrator import Calibrator
from quintet.calibration.evaluation import Result
from quintet.calibration.kept import RESULT, kept_as
from quintet.calibration.live import End, Live
from quintet.calibration.messages import Session
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Conflict, QuintetError, Unavailable

REPORT, TRACKING, CALLBACK = "report", "tracking", "callback"
REST_SECONDS = 15.0
"""How long the connections service is left alone once it was away: each try may keep a thread waiting for seconds."""

REASON_CHARACTERS = 2000
"""Of why a session ended, in the ledger: whatever a client sent may be named in it."""

LINGER_SECONDS = 1.0
"""How long an ended session's queues are still read: copies of what is known are acknowledged, too."""

DRAIN_SECONDS = 10.0
"""How long they are read where the session failed and its messages could be taken for those of the next."""

Files = Mapping[str, tuple[bytes, str]]
"""Content and content type, by name."""


@dataclass(frozen=True)
class Aftermath:
    """What follows an end. `files` draws the report; `tell` tells the connections service how a session ended, and
    returns what to note of its answer; `track` has the session's record completed in MLflow, and may be given it again.
    None: there is nobody to tell.
    """

    files: Callable[[Live, Result], Files]
    tell: Callable[[Session], str] | None = None
    track: Callable[[Live], None] | None = None

    def tasks_of(self, session: Session) -> tuple[str, ...]:
        told = [CALLBACK] if self.tell is not None and session.via == "notification" else []
        return (REPORT, *([TRACKING] if self.track is not None else []), *told)


class Closing:
    """Any thread may `put` a session that has ended; any number of threads `run`."""

    def __init__(self, calibrator: Calibrator, aftermath: Aftermath, *, rest: float = REST_SECONDS) -> None:
        self._calibrator = calibrator
        self._aftermath = aftermath
        self._rest = rest
        self._rests_until = -inf
        self._waiting: SimpleQueue[Live | None] = SimpleQueue()
        self._put_off: list[Live] = []
        self._lock = Lock()

    def put(self, live: Live) -> None:
        self._waiting.put(live)

    def again(self) -> None:
        """What could not be done is tried once more, of the sessions that are still served here."""
        with self._lock:
            put_off, self._put_off = self._put_off, []
        for live in put_off:
            if self._calibrator.live(live.session.id) is live:
                self.put(live)

    def run(self) -> None:
        while (live := self._waiting.get()) is not None:
            self.close(live)

    def stop(self, threads: int) -> None:
        for _ in range(threads):
            self._waiting.put(None)

    def close(self, live: Live) -> None:
        """Do what can be done now; what can't is put off."""
        with self._tried(live):
            self._keep_rejects(live)
            if not live.session.ended:
                self._finish(live)
            if live.rejects:
                self._calibrator.streams.settle([delivery for delivery, _ in live.rejects])
                live.rejects = []
            if REPORT in live.session.tasks:
                self._report(live)
                self.done(live, REPORT)
            if TRACKING in live.session.tasks and self._aftermath.track is not None:
                self._aftermath.track(live)
            if CALLBACK in live.session.tasks and self._aftermath.tell is not None:
                self._tell(live, self._aftermath.tell)

    def done(self, live: Live, task: str) -> None:
        """Raises Conflict where another worker serves the session now, and Unavailable."""
        self._now(live, self._calibrator.ledger.done(live.session, task))

    def tracked(self, live: Live) -> None:
        """Its record is complete. Where that can't be noted now, it is completed once more."""
        with self._tried(live):
            self.done(live, TRACKING)

    def _finish(self, live: Live) -> None:
        result = self._concluded(live)  # which may find out why it ends otherwise
        ending = live.ending or End("FAILED", "it ended for no reason that is known")
        tasks, moment = self._aftermath.tasks_of(live.session), self._calibrator.clock.now()
        reason, finish = ending.reason[:REASON_CHARACTERS], self._calibrator.ledger.finish
        self._now(live, finish(live.session, ending.state, reason, result.summary(), tasks, moment))
        told = {"session": live.session.id, "client": live.session.client_id, "state": live.session.state}
        self._calibrator.on_event("session ended", {**told, "reason": live.session.reason})

    def _report(self, live: Live) -> None:
        """After the end is in the ledger: one who lost the session has learned so there, and writes over nothing."""
        result = self._concluded(live)
        self._store(live, {RESULT: (result.model_dump_json().encode(), "application/json")})
        self._store(live, self._drawn(live, result))

    def _drawn(self, live: Live, result: Result) -> Files:
        """What nobody foresaw costs one session's report, and no worker."""
        try:
            with self._calibrator.guard():
                return self._aftermath.files(live, result)
        except Unavailable:
            raise
        except QuintetError as error:
            said = {"session": live.session.id, "reason": error.message}
            self._calibrator.on_event("a report could not be drawn", said)
            return {}

    @staticmethod
    def _now(live: Live, session: Session) -> None:
        """Two threads may do two tasks of it: what is later stands."""
        with live.lock:
            live.session = max(live.session, session, key=lambda known: known.version)

    def _concluded(self, live: Live) -> Result:
        try:
            with self._calibrator.guard():
                return live.conclude(self._calibrator.tenure.journal)
        except Unavailable:
            raise
        except QuintetError as error:
            return live.conclude_without(error.message)

    def _keep_rejects(self, live: Live) -> None:
        """Messages that could not be used are acknowledged once the end that they led to is durable."""
        for delivery, why in live.rejects:
            self._calibrator.set_aside(delivery, live.session, why)

    def _store(self, live: Live, files: Files) -> None:
        for name, (content, content_type) in files.items():
            self._calibrator.objects.put(kept_as(live.session, name), content, content_type=content_type)

    def _tell(self, live: Live, tell: Callable[[Session], str]) -> None:
        if stopwatch() < self._rests_until:
            self._put_it_off(live)
            return
        try:
            told = tell(live.session)
        except Unavailable:
            self._rests_until = stopwatch() + self._rest
            raise
        self._calibrator.on_event("the connections service was told", {"session": live.session.id, "answer": told})
        self.done(live, CALLBACK)

    def _put_it_off(self, live: Live) -> None:
        with self._lock:
            self._put_off.append(live)

    @contextmanager
    def _tried(self, live: Live) -> Iterator[None]:
        try:
            with self._calibrator.guard():
                yield
        except Conflict:
            self._calibrator.release(live)
        except QuintetError as error:  # whatever it is, other sessions go on
            self._calibrator.on_event(
                "an end could not be completed yet", {"session": live.session.id, "reason": error.message}
            )
            self._put_it_off(live)
