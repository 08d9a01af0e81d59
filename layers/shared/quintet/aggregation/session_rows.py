"""Where sessions are kept, durable before anybody is told.

    partition                     name                         record
    aggregation#session#<job>     session                      the Session
                                  <round>#<position>           a message's digest, and what closing its round asks for
                                  body#<round>#<position>      the message; of a masked input the object's key alone
    aggregation#member#<client>   <job>                        a session that the client may take part in
    aggregation#running           <job>                        a session that is not over, or not cleaned up

A message never touches its session's row: many come at once. The row changes when a round is closed, against its
version: of two who close at once one wins.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from quintet.aggregation.ports import Rows
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.session import Session
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import STEP_LIMIT, Change, Create, Place, Remove, Write

RUNNING = "aggregation#running"
SLACK = timedelta(days=1)
"""Messages outlive their session's deadline by this, if nobody removes them."""

PAGE = 1000
BODIES_AT_ONCE = 100
Record = dict[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class SessionRows:
    rows: Rows
    retention: timedelta

    def read(self, job: str) -> Session:
        """Raises NotFound."""
        try:
            record = self.rows.read(place_of(job))
        except NotFound:
            raise NotFound(f"Unknown jobId {job}") from None
        return session_of(record)

    def find(self, job: str) -> Session | None:
        try:
            return self.read(job)
        except NotFound:
            return None

    def enter(self, session: Session) -> None:
        """Make the session known to its clients, then let it be. Raises Conflict where the job has one."""
        for members in batches(session.terms.clients, STEP_LIMIT):
            self._enlist(session, members)
        self.rows.write(
            Create(place_of(session.job), record_of(session), session.created_at + self.retention),
            Create(Place(RUNNING, session.job), {"schema": 1}, session.created_at + self.retention),
        )

    def change(self, before: Session, **fields: Any) -> Session:
        """Raises Conflict where somebody else changed it first."""
        after = before.model_copy(update={**fields, "version": before.version + 1})
        record = record_of(after)
        changes = {name: record[name] for name in (*fields, "version")}
        self.rows.write(Change(place_of(before.job), changes, {"version": before.version}))
        return after

    def post(self, session: Session, round_: Round, position: int, facts: Mapping[str, Any], body: str) -> None:
        """Enter a message. Raises Conflict where this client has one in the round."""
        until = session.ends_at + SLACK
        self.rows.write(
            Create(message_place(session.job, round_, position), {"schema": 1, **facts}, until),
            Create(body_place(session.job, round_, position), {"schema": 1, "body": body}, until),
        )

    def message(self, session: Session, round_: Round, position: int) -> Record | None:
        try:
            return self.rows.read(message_place(session.job, round_, position))
        except NotFound:
            return None

    def withdraw(self, session: Session, round_: Round, position: int) -> None:
        self.rows.write(*removals(session, round_, position))

    def arrived(self, session: Session, round_: Round) -> dict[int, Record]:
        """The facts of the round's messages, by position, as of now."""
        found = self._listed(session.job, f"{round_}#", PAGE)
        return {position_of(name): record for name, record in found}

    def bodies(self, session: Session, round_: Round) -> Iterator[tuple[int, str]]:
        """The round's messages by position; not all are in memory at once."""
        for name, record in self._listed(session.job, f"body#{round_}#", BODIES_AT_ONCE):
            yield position_of(name), record["body"]

    def running(self) -> list[str]:
        return [name for name, _ in self._pages(RUNNING, "", PAGE)]

    def jobs_of(self, client: str) -> list[str]:
        return [name for name, _ in self._pages(member_partition(client), "", PAGE)]

    def forget_messages(self, session: Session) -> None:
        for round_ in ROUNDS:
            for positions in batches(self.arrived(session, round_), STEP_LIMIT // 2):
                self.rows.write(*(remove for position in positions for remove in removals(session, round_, position)))

    def settle(self, session: Session) -> Session:
        """Nothing is left to do for an ended session."""
        for clients in batches(session.terms.clients, STEP_LIMIT):
            self.rows.write(*(Remove(Place(member_partition(client), session.job)) for client in clients))
        after = session.model_copy(update={"cleaned": True, "version": session.version + 1})
        changes = {"cleaned": True, "version": after.version}
        self.rows.write(
            Change(place_of(session.job), changes, {"version": session.version}), Remove(Place(RUNNING, session.job))
        )
        return after

    def _enlist(self, session: Session, clients: Sequence[str]) -> None:
        until = session.ends_at + SLACK
        writes: list[Write] = [
            Create(Place(member_partition(client), session.job), {"schema": 1}, until) for client in clients
        ]
        try:
            self.rows.write(*writes)
        except Conflict:  # some were enlisted by an attempt that went no further
            for write in writes:
                with suppress(Conflict):
                    self.rows.write(write)

    def _listed(self, job: str, prefix: str, at_once: int) -> Iterator[tuple[str, Record]]:
        return self._pages(partition_of(job), prefix, at_once)

    def _pages(self, partition: str, prefix: str, at_once: int) -> Iterator[tuple[str, Record]]:
        after = ""
        while page := self.rows.list(partition, prefix=prefix, after=after, limit=at_once):
            yield from page
            if len(page) < at_once:
                return
            after = page[-1][0]


def removals(session: Session, round_: Round, position: int) -> list[Remove]:
    """A message's two rows go together: who finds the one finds what the other needs."""
    return [Remove(message_place(session.job, round_, position)), Remove(body_place(session.job, round_, position))]


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def partition_of(job: str) -> str:
    return f"aggregation#session#{job}"


def member_partition(client: str) -> str:
    return f"aggregation#member#{client}"


def place_of(job: str) -> Place:
    return Place(partition_of(job), "session")


def message_place(job: str, round_: Round, position: int) -> Place:
    return Place(partition_of(job), f"{round_}#{position:04d}")


def body_place(job: str, round_: Round, position: int) -> Place:
    return Place(partition_of(job), f"body#{round_}#{position:04d}")


def position_of(name: str) -> int:
    return int(name.rpartition("#")[2])


def record_of(session: Session) -> Record:
    return {"schema": 1, **session.model_dump(mode="json")}


def session_of(record: Mapping[str, Any]) -> Session:
    return Session.model_validate(record)
