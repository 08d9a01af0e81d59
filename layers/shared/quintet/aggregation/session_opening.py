"""Opening a session: terms that owners can agree to, the keys they are known by, and its place in the books."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from quintet.aggregation.owners import Owners
from quintet.aggregation.secagg.terms import ROUNDS, Terms, default_threshold, flaw
from quintet.aggregation.session import Session
from quintet.aggregation.session_rows import SessionRows
from quintet.aggregation.settings import Jobs
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound

MOST_OWNERS = 300
"""Each has a box for each other one, and a mask with it; their boxes, all in one partition of the table, grow with the
square, and DynamoDB takes 300 owners' in a third of a minute.
"""


@dataclass(frozen=True)
class Opening:
    rows: SessionRows
    owners: Owners
    clock: Clock
    settings: Jobs
    ids: Callable[[], str]

    def terms(
        self, job: str, clients: Sequence[str], *, size: int | None, minimum: int, threshold: int | None
    ) -> Terms:
        """Raises InvalidInput for terms that nobody should agree to."""
        if len(clients) > MOST_OWNERS:
            raise InvalidInput(f"{len(clients)} clients are too many for one session: it takes {MOST_OWNERS}")
        if "/" in job and job.rpartition("/")[2] in ROUNDS:
            raise InvalidInput(f"a job can't be called {job!r}: its end is the name of a round")
        least = max(minimum, self.settings.minimum_cohort)
        try:
            terms = Terms(
                session=self.ids(),
                job=job,
                clients=tuple(sorted(set(clients))),
                threshold=threshold or default_threshold(len(clients)),
                minimum=least,
                size=size,
            )
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise InvalidInput(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
        if why := flaw(terms):
            raise InvalidInput(f"{why}: no sum of so few is released" if least > len(clients) else why)
        return terms

    def session(self, terms: Terms, round_seconds: float, kind: str) -> Session:
        """One that begins now. Raises NotFound where clients are not registered."""
        now = self.clock.now()
        ends_at = now + timedelta(seconds=self.settings.aggregation_seconds)
        return Session(
            terms=terms,
            keys=self._keys(terms.clients),
            kind=kind,
            size=terms.size,
            round_seconds=round_seconds,
            created_at=now,
            closes_at=min(now + timedelta(seconds=round_seconds), ends_at),
            ends_at=ends_at,
        )

    def _keys(self, clients: Sequence[str]) -> tuple[str, ...]:
        """Raises NotFound."""
        owners = self.owners.connected(clients)
        if absent := [client for client in clients if client not in owners]:
            raise NotFound(
                f"The requested clients were not connected: {', '.join(absent)}. Each must register a signing key."
            )
        return tuple(owners[client].signing_key for client in clients)

    def entered(self, session: Session) -> Session:
        """The job's session, which is another one where somebody was quicker."""
        try:
            self.rows.enter(session)
        except Conflict:
            return self.rows.read(session.job)
        return session
