"""Sessions of secure aggregation: the five rounds between owners, for whom this is a place to leave messages.

Nothing runs: who asks or sends something looks after what is due. Everything is durable before it is acknowledged, and
whoever is killed is made up for by the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from quintet.aggregation.kept_rounds import KeptRounds
from quintet.aggregation.message_taking import Taking
from quintet.aggregation.messages import Outcome
from quintet.aggregation.owners import Owners
from quintet.aggregation.ports import Objects, Rows
from quintet.aggregation.secagg.messages import Message
from quintet.aggregation.secagg.terms import Round, Terms
from quintet.aggregation.session import Session
from quintet.aggregation.session_finishing import Finishing
from quintet.aggregation.session_opening import Opening
from quintet.aggregation.session_rows import SessionRows
from quintet.aggregation.session_tending import Tending
from quintet.aggregation.settings import Jobs
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.ids import new_id


class Standing(BaseModel):
    """A session as one owner sees it. `members`: whose messages the round waits for."""

    model_config = ConfigDict(frozen=True)

    terms: Terms
    round: Round | Literal["COMPUTING", "COMPLETED", "FAILED"]
    closes_at: datetime
    members: tuple[str, ...]
    taking_part: bool
    reason: str = ""


@dataclass(frozen=True)
class Sessions:
    """`finished` is told, perhaps more than once, of a job whose session wants finishing; `told` of how it ended."""

    rows: Rows
    objects: Objects
    owners: Owners
    clock: Clock
    settings: Jobs
    finished: Callable[[str], None] = lambda job: None
    told: Callable[[Session, Outcome], None] = lambda session, outcome: None
    ids: Callable[[], str] = field(default=new_id)

    def open(
        self,
        job: str,
        clients: Sequence[str],
        *,
        size: int | None,
        minimum: int,
        threshold: int | None = None,
        round_seconds: float | None = None,
        kind: str = "sum",
    ) -> Terms:
        """A session for `job`, or the one that it has already.

        Raises InvalidInput for terms that nobody should agree to, NotFound where clients are not registered, and
        Conflict where the job's session is of other clients.
        """
        wanted = tuple(sorted(set(clients)))
        known = self._rows.find(job)
        if known is None:
            terms = self._opening.terms(job, wanted, size=size, minimum=minimum, threshold=threshold)
            known = self._opening.entered(
                self._opening.session(terms, round_seconds or self.settings.round_seconds, kind)
            )
        if known.terms.clients != wanted:
            raise Conflict(f"the job {job} has a secure aggregation of other clients")
        return known.terms

    def begin(self, job: str, clients: Sequence[str], *, kind: str) -> Terms:
        """A session for a job that has none. Raises InvalidInput, NotFound, and Conflict where it has one."""
        terms = self._opening.terms(job, sorted(set(clients)), size=None, minimum=0, threshold=None)
        self._rows.enter(self._opening.session(terms, self.settings.round_seconds, kind))
        return terms

    def read(self, job: str) -> Session:
        """As it stands, when what is due has been done. Raises NotFound."""
        return self._tending.tend(self._rows.read(job))

    def find(self, job: str) -> Session | None:
        """The same, or None."""
        session = self._rows.find(job)
        return self._tending.tend(session) if session else None

    def standing(self, job: str, client: str) -> Standing:
        """Raises NotFound where there is no such session, or `client` is not one of it."""
        session = self.read(job)
        if client not in session.positions:
            raise NotFound(f"Unknown jobId {job}")
        return standing_of(session, client)

    def waiting_for(self, client: str) -> list[Standing]:
        """The sessions that go on and `client` takes part in."""
        found = [self._rows.find(job) for job in self._rows.jobs_of(client)]
        tended = [self._tending.tend(session) for session in found if session and client in session.positions]
        return [standing_of(session, client) for session in tended if session.takes_part(client)]

    def take(self, job: str, round_: Round, message: Message) -> Standing:
        """Enter a message, once; how its owner stands then.

        Raises NotFound, InvalidInput, PermissionDenied, and Conflict where it is early, late, or another one stands.
        """
        after = self._taking.take(self.read(job), round_, message)
        return standing_of(after, message.client)

    def given(self, job: str, round_: Round, client: str) -> dict[str, Any]:
        """What `client` needs from a closed round: `advertisements`, `boxes`, `survivors` or `confirmations`.

        Raises NotFound, InvalidInput, and Conflict where the round goes on or the client is not one of it.
        """
        session = self.read(job)
        if client not in session.positions:
            raise NotFound(f"Unknown jobId {job}")
        return self._kept.given(session, round_, client)

    def tend(self, job: str) -> None:
        """Close what is due. Raises NotFound and Unavailable."""
        self.read(job)

    def finish(self, job: str) -> Outcome:
        """Compute the sum of a session whose rounds are closed; forget everything of one that has ended but that.

        Raises NotFound and Unavailable.
        """
        return self.outcome_of(self._finishing.finish(self.read(job)))

    def outcome(self, job: str) -> Outcome | None:
        """None where the job has no session."""
        session = self.find(job)
        return self.outcome_of(session) if session else None

    def outcome_of(self, session: Session) -> Outcome:
        return self._finishing.outcome(session)

    def running(self) -> list[str]:
        """The jobs whose sessions want looking after: `finish` each of them now and then."""
        return self._rows.running()

    def progress(self, job: str) -> dict[str, Any]:
        """Which round it is in, and how many messages of it have come. Raises NotFound."""
        session = self._rows.read(job)
        if session.state != "OPEN":
            return {"round": session.state, "got": len(session.awaited), "of": len(session.awaited)}
        arrived = self._rows.arrived(session, session.round)
        return {"round": session.round, "got": len(arrived), "of": len(session.awaited)}

    @cached_property
    def _rows(self) -> SessionRows:
        return SessionRows(self.rows, timedelta(days=self.settings.retention_days))

    @cached_property
    def _opening(self) -> Opening:
        return Opening(self._rows, self.owners, self.clock, self.settings, self.ids)

    @cached_property
    def _kept(self) -> KeptRounds:
        return KeptRounds(self._rows, self.objects)

    @cached_property
    def _tending(self) -> Tending:
        return Tending(self._rows, self._kept, self.clock, self.finished)

    @cached_property
    def _taking(self) -> Taking:
        return Taking(self._rows, self.objects, partial(self._tending.tend, news=True))

    @cached_property
    def _finishing(self) -> Finishing:
        return Finishing(self._rows, self._kept, self.objects, self._tending, self.told)


def standing_of(session: Session, client: str) -> Standing:
    return Standing(
        terms=session.terms,
        round=session.round if session.state == "OPEN" else session.state,
        closes_at=session.closes_at,
        members=tuple(session.names(session.awaited)),
        taking_part=session.takes_part(client),
        reason=session.why_not(client),
    )
