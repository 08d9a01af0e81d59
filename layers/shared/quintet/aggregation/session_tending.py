"""Looking after sessions: a round that is due is closed, one that can't go on ends its session.

Anything may be looked after twice, or at once by two: the session's row lets one of them win. An owner's message, an
owner's question and the sweep all look; the next look goes on where one was killed.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from quintet.aggregation.kept_rounds import KeptRounds
from quintet.aggregation.round_closing import Closed, Failed, following, verdict
from quintet.aggregation.session import Session
from quintet.aggregation.session_rows import SessionRows
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, QuintetError

COMPUTING_PATIENCE = timedelta(minutes=10)
"""A sum that has not been computed by then never will be."""


@dataclass(frozen=True)
class Tending:
    """`finished` is told of sessions that want finishing: their last round is closed, or they have failed."""

    rows: SessionRows
    kept: KeptRounds
    clock: Clock
    finished: Callable[[str], None]

    def tend(self, session: Session, *, news: bool = False) -> Session:
        """The session as it stands when what is due has been done. `news`: a message came, the round may be closed.

        Raises Unavailable.
        """
        while not session.ended and (news or self.clock.now() >= session.closes_at):
            after = self._looked_at(session)
            if after == session:
                break
            news, session = False, after
        return session

    def fail(self, session: Session, reason: str) -> Session:
        """End it. Raises Conflict where it has changed meanwhile."""
        after = self.rows.change(session, state="FAILED", reason=reason)
        self.tell(after)
        return after

    def tell(self, session: Session) -> None:
        with suppress(QuintetError):  # the sweep makes up for it
            self.finished(session.job)

    def _looked_at(self, session: Session) -> Session:
        try:
            if session.state == "COMPUTING":
                late = self.clock.now() >= session.closes_at
                return self.fail(session, "the sum could not be computed in time") if late else session
            return self._judged(session)
        except Conflict:
            return self.rows.read(session.job)

    def _judged(self, session: Session) -> Session:
        arrived = self.rows.arrived(session, session.round)
        now = self.clock.now()
        judgement = verdict(session, {position: facts["size"] for position, facts in arrived.items()}, now)
        if isinstance(judgement, Failed):
            return self.fail(session, judgement.reason)
        return self._closed(session, judgement, now) if judgement else session

    def _closed(self, session: Session, closed: Closed, now: datetime) -> Session:
        """Raises Conflict where somebody else closed the round first."""
        kept = self.kept.keep(session, closed)
        members = {**session.members, session.round: closed.members}
        after = following(session.round)
        if after is None:
            until = now + COMPUTING_PATIENCE
            summed = self.rows.change(session, state="COMPUTING", members=members, kept=kept, closes_at=until)
            self.tell(summed)
            return summed
        return self.rows.change(
            session,
            round=after,
            members=members,
            kept=kept,
            size=closed.size,
            out={**session.out, **closed.out},
            closes_at=min(now + timedelta(seconds=session.round_seconds), session.ends_at),
        )
