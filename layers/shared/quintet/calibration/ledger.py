"""The ledger: every session, who serves it, and which workers are alive. Durable before a client is told anything.

    partition                          name                     record
    calibration#session#<id>           session                  the Session
    calibration#client#<client>        current                  the client's open session: there is at most one
    calibration#worker#<worker>        <id>                     a session that this worker serves, or still has tasks of
    calibration#workers                <worker>                 its heartbeat
    calibration#sessions#<client>      <registered at>#<id>     a line of the client's list

Each happening is one step, all or nothing, against the session's `version`. Only the worker that serves a session, at
the fence at which it was given it, can change it: who was taken over learns so by Conflict.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from quintet.calibration.messages import Registration, Session, State, Stretch
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.ids import new_id
from quintet.kernel.rows import Change, Create, Place, Remove, Rows, Write

RETENTION = timedelta(days=90)
"""How long an ended session is known."""

WORKERS = "calibration#workers"


@dataclass(frozen=True)
class Beat:
    """A worker's sign of life: a number that grows, and how many sessions it serves.

    `heard_at` is by that worker's clock, for people: whether it is alive, others tell by the number's growing.
    """

    beat: int
    clients: int
    heard_at: datetime


@dataclass(frozen=True)
class Ledger:
    rows: Rows
    clock: Clock
    retention: timedelta = field(default=RETENTION)

    def enter(self, registration: Registration, *, worker: str, first: int) -> Session:
        """A new session, which `worker` serves from its journal's segment `first` on: one write, no look before.

        Raises Conflict where this client has an open session, or there is a session of this id.
        """
        session = Session(
            id=registration.session_id or new_id(),
            **registration.model_dump(exclude={"session_id"}),
            registered_at=self.clock.now(),
            worker=worker,
            lineage=(Stretch(worker=worker, first=first),),
        )
        own = {"schema": 1, "session_id": session.id}
        try:
            self.rows.write(
                Create(place_of(session.id), record_of(session)),
                Create(current_of(session.client_id), own),
                Create(held_of(worker, session.id), own),
                Create(line_of(session), own),
            )
        except Conflict:
            raise Conflict(f"Client {session.client_id} is already registered", session=session.id) from None
        return session

    def read(self, session_id: str) -> Session:
        """Raises NotFound."""
        try:
            return session_of(self.rows.read(place_of(session_id)))
        except NotFound:
            raise NotFound(f"there is no session {session_id!r}") from None

    def find(self, session_id: str) -> Session | None:
        try:
            return self.read(session_id)
        except NotFound:
            return None

    def current(self, client_id: str) -> Session | None:
        """The client's open session."""
        try:
            named = self.rows.read(current_of(client_id))["session_id"]
        except NotFound:
            return None
        session = self.find(named)
        return session if session and not session.ended else None

    def sessions_of(self, client_id: str, *, limit: int) -> list[Session]:
        """The client's sessions, newest first."""
        lines = self.rows.list(f"calibration#sessions#{client_id}", limit=limit, newest_first=True)
        return self._known(record for _, record in lines)

    def held_ids(self, worker: str) -> list[str]:
        """The ids of the sessions that `held_by` gives, and perhaps of some that have just gone."""
        return [name for name, _ in self._all(f"calibration#worker#{worker}")]

    def held_by(self, worker: str, *, limit: int | None = None) -> list[Session]:
        """The worker's sessions, or `limit` of them: open ones, and ended ones that still have tasks."""
        held = self._known(record for _, record in islice(self._all(f"calibration#worker#{worker}"), limit))
        return [session for session in held if session.worker == worker]

    def finish(
        self,
        session: Session,
        state: State,
        reason: str,
        summary: dict[str, Any] | None,
        tasks: tuple[str, ...],
        ended_at: datetime,
    ) -> Session:
        """The session's end; its client can register anew. One that has ended stays as it ended.

        Raises Conflict where another worker has taken it over.
        """
        told: dict[str, Any] = {"state": state, "reason": reason, "summary": summary, "tasks": tasks}
        return self._amend(session, lambda now: now if now.ended else updated(now, **told, ended_at=ended_at))

    def done(self, session: Session, task: str) -> Session:
        """One task less; with the last of them the worker holds the session no more. Raises as `finish` does."""
        return self._amend(session, lambda now: updated(now, tasks=tuple(one for one in now.tasks if one != task)))

    def take_over(self, session: Session, *, worker: str, last: int, first: int) -> Session:
        """The session is `worker`'s from now on: its predecessor's journal counts up to segment `last`, its own from
        `first` on.

        Raises Conflict where the session is no longer as it was seen: ended, amended, or another took it.
        """
        *closed, going = session.lineage
        lineage = (*closed, going.model_copy(update={"last": last}), Stretch(worker=worker, first=first))
        after = updated(session, worker=worker, fence=session.fence + 1, lineage=lineage)
        return self._write(session, after)

    def announce(self, worker: str, clients: int = 0) -> None:
        """A worker that was not there before. Raises Conflict where there is one of this name."""
        self.rows.write(Create(Place(WORKERS, worker), self._beat(0, clients), self._forgotten()))

    def renew(self, worker: str, beat: int, clients: int) -> None:
        """Raises Conflict where others have declared the worker dead: it has to stop."""
        self.rows.write(Change(Place(WORKERS, worker), self._beat(beat, clients), {}, self._forgotten()))

    def workers(self) -> dict[str, Beat]:
        return {name: beat_of(record) for name, record in self._all(WORKERS)}

    def leave(self, worker: str) -> None:
        """The worker is no more. What it still held is found by `held_by` as before: take it over first."""
        self.rows.write(Remove(Place(WORKERS, worker)))

    def _amend(self, session: Session, happening: Callable[[Session], Session]) -> Session:
        """Let `happening` befall the session as it is now; anew where something else came between."""
        before = session
        while True:
            after = happening(before)
            try:
                if after is not before:
                    return self._write(before, after)
                if before is not session:
                    return before
            except Conflict:
                if before is not session and self.read(session.id).version == before.version:
                    raise
            before = self.read(session.id)
            if (before.worker, before.fence) != (session.worker, session.fence):
                raise Conflict(f"session {session.id!r} is served by another worker now", worker=before.worker)

    def _write(self, before: Session, after: Session) -> Session:
        after = updated(after, version=before.version + 1)
        known, until = record_of(before), self._expiry(after)
        changes = {name: value for name, value in record_of(after).items() if value != known.get(name)}
        expected = {"version": before.version, "worker": before.worker, "fence": before.fence}
        self.rows.write(
            Change(place_of(after.id), changes, expected, until),
            *moved(before, after),
            *([Change(line_of(after), {}, {}, until)] if after.ended and not before.ended else []),
        )
        return after

    def _beat(self, beat: int, clients: int) -> dict[str, Any]:
        return {"schema": 1, "beat": beat, "clients": clients, "heard_at": self.clock.now().isoformat()}

    def _forgotten(self) -> datetime:
        return self.clock.now() + self.retention

    def _expiry(self, session: Session) -> datetime | None:
        return session.ended_at + self.retention if session.ended_at else None

    def _known(self, records: Iterator[dict[str, Any]]) -> list[Session]:
        found = (self.find(record["session_id"]) for record in records)
        return [session for session in found if session is not None]

    def _all(self, partition: str) -> Iterator[tuple[str, dict[str, Any]]]:
        after = ""
        while page := self.rows.list(partition, after=after):
            yield from page
            after = page[-1][0]


def moved(before: Session, after: Session) -> list[Write]:
    """The rows of the client and of the workers that follow from a session's change."""
    writes: list[Write] = []
    if after.ended and not before.ended:
        writes.append(Remove(current_of(after.client_id)))
    if not held(after):
        writes.append(Remove(held_of(before.worker, after.id)))
    elif after.worker != before.worker:
        writes.append(Remove(held_of(before.worker, after.id)))
        writes.append(Create(held_of(after.worker, after.id), {"schema": 1, "session_id": after.id}))
    return writes


def held(session: Session) -> bool:
    """Whether a worker has something to do for it."""
    return not session.ended or bool(session.tasks)


def updated(session: Session, **changes: Any) -> Session:
    """The session with `changes`; the very same one where they change nothing."""
    after = session.model_copy(update=changes)
    return session if after == session else after


def place_of(session_id: str) -> Place:
    return Place(f"calibration#session#{session_id}", "session")


def current_of(client_id: str) -> Place:
    return Place(f"calibration#client#{client_id}", "current")


def held_of(worker: str, session_id: str) -> Place:
    return Place(f"calibration#worker#{worker}", session_id)


def line_of(session: Session) -> Place:
    moment = session.registered_at.isoformat(timespec="microseconds")
    return Place(f"calibration#sessions#{session.client_id}", f"{moment}#{session.id}")


def record_of(session: Session) -> dict[str, Any]:
    return {"schema": 1, **session.model_dump(mode="json")}


def session_of(record: dict[str, Any]) -> Session:
    return Session.model_validate({name: value for name, value in record.items() if name != "schema"})


def beat_of(record: dict[str, Any]) -> Beat:
    return Beat(record["beat"], record["clients"], datetime.fromisoformat(record["heard_at"]))
