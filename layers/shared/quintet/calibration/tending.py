"""What a worker looks after while messages come and go: its lease, the sessions of workers that died, clients that fell
silent, ended sessions that are done with, and the status that the HTTP door shows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from quintet.calibration.calibrator import NOTIFICATIONS, Calibrator, Tenure
from quintet.calibration.closing import DRAIN_SECONDS, LINGER_SECONDS, REPORT, Closing
from quintet.calibration.kept import live_status_of
from quintet.calibration.ledger import Beat
from quintet.calibration.live import End, Live
from quintet.calibration.messages import Session, Stretch
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Conflict, NotFound

RELEASED = -1
"""The beat of a worker that has stopped in an orderly way: its sessions may be taken over at once."""

WAITING_AT_ONCE = 50
"""Ended sessions that wait in memory for MLflow or the connections service; of more, the ledger alone knows until there
is room again.
"""

SETTLING = timedelta(seconds=30)
"""How long a session may be in the ledger and not yet in memory."""


@dataclass
class Tending:
    """`renew` and `round` are called every few seconds, by a thread each: taking over may last."""

    calibrator: Calibrator
    closing: Closing
    connections_queue: str = ""
    status_seconds: float = 3.0
    _seen: dict[str, tuple[Beat, float]] = field(default_factory=dict)
    _listening: bool = False
    _status_at: float = -inf
    _status: str = ""
    _parted: bool = False

    def renew(self) -> None:
        """Say that we are alive. A lease that ran out is lost: others may have our sessions."""
        calibrator, tenure = self.calibrator, self.calibrator.tenure
        if not tenure.good():
            calibrator.on_event("the lease is lost; beginning anew", {"worker": tenure.worker})
            calibrator.reset()
            return
        asked_at = stopwatch()
        try:
            calibrator.ledger.renew(tenure.worker, tenure.beat + 1, calibrator.clients)
        except Conflict:
            tenure.lost = True
        else:
            tenure.beat, tenure.renewed_at = tenure.beat + 1, asked_at

    def round(self) -> None:
        """Raises Unavailable where the ledger is away; the next round goes on."""
        self.end_the_silent()
        waiting = self.release_the_ended()
        self.closing.again()
        self.listen()
        self.write_status()
        self.take_over_the_dead()
        if self._parted and waiting <= WAITING_AT_ONCE // 2:
            self.take_up_again()

    def end_the_silent(self) -> None:
        """Nobody is silent while the broker can't be heard, or what it brings can't be stored."""
        if not self.calibrator.tenure.good():
            return
        if not self.calibrator.streams.state().connected or self.calibrator.held_up:
            for live in self.calibrator.lives():
                live.heard_at = stopwatch()
        for live in self.calibrator.lives():
            silent, longest = stopwatch() - live.heard_at, self.calibrator.manner.timeout
            if live.ending is None and silent > longest:
                self.calibrator.end(live, End("TIMED_OUT", silence(live, longest)))

    def release_the_ended(self) -> int:
        """Those that wait for others alone leave the memory, too, where they are many; how many are left of them."""
        waiting = 0
        for live in self.calibrator.lives():
            linger = DRAIN_SECONDS if live.drains else LINGER_SECONDS
            if live.ending is None or not live.session.ended or stopwatch() - live.ended_at < linger:
                continue
            if not live.session.tasks:
                self.calibrator.release(live)
            else:
                self.calibrator.streams.close(live.session.id)
                waits = REPORT not in live.session.tasks
                waiting += waits
                if waits and waiting > WAITING_AT_ONCE:
                    self.calibrator.release(live)
                    self._parted = True
        return waiting

    def listen(self) -> None:
        """Notifications are taken while there is room."""
        if not self.connections_queue:
            return
        if self.calibrator.room and not self._listening:
            self._listening = True  # first: who pauses it meanwhile has the last word, or it is opened once more
            self.calibrator.streams.open("", "", {NOTIFICATIONS: self.connections_queue})
        elif not self.calibrator.room and self._listening:
            self.pause_listening()

    def pause_listening(self) -> None:
        """What is not acknowledged of the notifications goes to another worker, or comes again."""
        self.calibrator.streams.close("")
        self._listening = False

    def take_over_the_dead(self) -> None:
        """Serve the sessions of workers whose lease has run out, as far as there is room."""
        now, workers = stopwatch(), self.calibrator.ledger.workers()
        for name in self._seen.keys() - workers.keys():
            del self._seen[name]
        for name, beat in workers.items():
            if name == self.calibrator.tenure.worker:
                continue
            if name not in self._seen or self._seen[name][0].beat != beat.beat:
                self._seen[name] = beat, now
            if beat.beat == RELEASED or now - self._seen[name][1] > self.calibrator.manner.lease:
                self._take_over(name)

    def take_up_again(self) -> None:
        """Sessions of ours that are not in memory: those that made room for others, or could not be replayed."""
        tenure = self.calibrator.tenure
        ids = [one for one in self.calibrator.ledger.held_ids(tenure.worker) if self.calibrator.live(one) is None]
        found = [self.calibrator.ledger.find(one) for one in ids[:WAITING_AT_ONCE]]
        since = self.calibrator.clock.now() - SETTLING
        sessions = [one for one in found if one and one.worker == tenure.worker and one.registered_at < since]
        lineages = {one.id: closed(one.lineage, tenure.journal.next - 1) for one in sessions}
        self.calibrator.admit(self._replayed(sessions, lineages, tenure), tenure)
        self._parted = len(ids) > len(sessions)

    def write_status(self) -> None:
        """What the HTTP door shows of open sessions; written where it changed."""
        if stopwatch() - self._status_at < self.status_seconds:
            return
        lives = [live for live in self.calibrator.lives() if live.ending is None]
        status = json.dumps({live.session.id: live.status() for live in lives})
        if status != self._status:
            key = live_status_of(self.calibrator.tenure.worker)
            self.calibrator.objects.put(key, status.encode(), content_type="application/json")
        self._status, self._status_at = status, stopwatch()

    def leave(self) -> None:
        """Others may take our sessions over at once."""
        self.calibrator.tenure.lost = True
        self.calibrator.ledger.renew(self.calibrator.tenure.worker, RELEASED, 0)

    def _take_over(self, dead: str) -> None:
        if not self.calibrator.room:
            return
        tenure, held = self.calibrator.tenure, self.calibrator.ledger.held_by(dead)
        if not held:
            self.calibrator.ledger.leave(dead)
            return
        last = tenure.journal.last(dead)
        self._parted = True  # until all that are taken are in memory
        taken = list(self._taken(held, tenure, last))
        lineages = {session.id: session.lineage[:-1] for session in taken}
        self.calibrator.admit(self._replayed(taken, lineages, tenure), tenure)
        if taken:
            said = {"worker": dead, "sessions": len(taken), "left": len(held) - len(taken)}
            self.calibrator.on_event("took over", said)

    def _taken(self, held: Iterable[Session], tenure: Tenure, last: int) -> Iterator[Session]:
        room, take_over = self.calibrator.room, self.calibrator.ledger.take_over
        for session in held:
            if session.ended or room > 0:
                with suppress(Conflict):
                    yield take_over(session, worker=tenure.worker, last=last, first=tenure.journal.next)
                    room -= not session.ended

    def _replayed(
        self, sessions: Sequence[Session], lineages: Mapping[str, Sequence[Stretch]], tenure: Tenure
    ) -> list[Live]:
        """One whose journal has expired ends, and keeps no other from being taken up."""
        try:
            return self._replayed_together(sessions, lineages, tenure)
        except NotFound:
            return [self._replayed_alone(session, lineages[session.id], tenure) for session in sessions]

    def _replayed_alone(self, session: Session, lineage: Sequence[Stretch], tenure: Tenure) -> Live:
        try:
            return self._replayed_together([session], {session.id: lineage}, tenure)[0]
        except NotFound as error:
            live = self.calibrator.revived(session)
            live.conclude_without(error.message)
            return live

    def _replayed_together(
        self, sessions: Sequence[Session], lineages: Mapping[str, Sequence[Stretch]], tenure: Tenure
    ) -> list[Live]:
        lives = {session.id: self.calibrator.revived(session) for session in sessions}
        for half in tenure.journal.replay(lineages):
            self.calibrator.take(lives[half.session], half)
        for live in lives.values():
            self.calibrator.guarded(live, live.judge)
        return list(lives.values())


def closed(lineage: Sequence[Stretch], last: int) -> Sequence[Stretch]:
    """The lineage so far, where the last stretch is still going on."""
    *before, going = lineage
    return [*before, going.model_copy(update={"last": last})]


def silence(live: Live, seconds: float) -> str:
    missing = live.join.missing().text()
    trouble = f"; {live.trouble}" if live.trouble else ""
    return f"nothing came for {seconds:g} seconds; missing: {missing or 'nothing'}{trouble}"
