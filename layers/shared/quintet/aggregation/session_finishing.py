"""The end of a session: the sum is computed and durable, then everything that it was made of is forgotten.

Killed at any point, or done by two at once, it is done again and comes to the same: all who compute the sum compute
the same one from what the closed rounds hold, and the session runs until its last trace is removed.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from quintet.aggregation.kept_rounds import KeptRounds, outcome_key, prefix_of
from quintet.aggregation.messages import Outcome, RunStatus
from quintet.aggregation.ports import Objects
from quintet.aggregation.secagg import server
from quintet.aggregation.secagg.fixed_point import decode
from quintet.aggregation.secagg.messages import Unmasking
from quintet.aggregation.session import Session
from quintet.aggregation.session_rows import SessionRows, batches
from quintet.aggregation.session_tending import Tending
from quintet.kernel.errors import Conflict, InvalidInput, NotFound

READERS = 8
"""Masked inputs fetched at a time; so many are in memory at once."""

LISTED = 1000


@dataclass(frozen=True)
class Finishing:
    """`told` hears of an ended session before its traces are removed, more than once if need be."""

    rows: SessionRows
    kept: KeptRounds
    objects: Objects
    tending: Tending
    told: Callable[[Session, Outcome], None]

    def finish(self, session: Session) -> Session:
        """Raises Unavailable; the next attempt goes on."""
        if session.state == "COMPUTING":
            session = self._summed(session)
        if session.ended and not session.cleaned:
            self.told(session, self.outcome(session))
            session = self._cleaned(session)
        return session

    def outcome(self, session: Session) -> Outcome:
        if session.state != "COMPLETED":
            return Outcome(status=status_of(session), message=session.reason)
        body, _ = self.objects.get(outcome_key(session))
        return Outcome(status="COMPLETED", **json.loads(body))

    def _summed(self, session: Session) -> Session:
        """The session with its sum; as it stands where somebody else was quicker."""
        try:
            self.objects.put(outcome_key(session), self._sum(session), content_type="application/json")
            return self.rows.change(session, state="COMPLETED")
        except Conflict:
            return self.rows.read(session.job)
        except (InvalidInput, NotFound) as error:
            return self._failed(session, f"the sum could not be put together: {error.message}")

    def _failed(self, session: Session, reason: str) -> Session:
        """Unless what was missing had been removed by somebody who was quicker."""
        try:
            return self.tending.fail(session, reason)
        except Conflict:
            return self.rows.read(session.job)

    def _sum(self, session: Session) -> bytes:
        survivors = session.names(session.members["mask"])
        answered = set(session.members["unmask"])
        unmaskings = [text for position, text in self.rows.bodies(session, "unmask") if position in answered]
        total = server.unmasked(
            session.terms,
            self.kept.advertisements(session),
            self.kept.commitments(session),
            survivors,
            server.survivors_sum(self._masked(session), session.size or 0),
            [Unmasking.model_validate_json(text) for text in unmaskings],
        )
        output = decode(total, session.terms.decimals)
        return json.dumps({"output": output, "clients": survivors}, ensure_ascii=False).encode()

    def _masked(self, session: Session) -> Iterator[bytes]:
        survivors = set(session.members["mask"])
        keys = [key for position, key in self.rows.bodies(session, "mask") if position in survivors]
        if len(keys) < len(survivors):
            raise NotFound("the masked vector of an owner is gone")
        with ThreadPoolExecutor(READERS) as readers:
            for some in batches(keys, READERS):
                yield from (body for body, _ in readers.map(self.objects.get, some))

    def _cleaned(self, session: Session) -> Session:
        """Only what everybody may know is left: the terms, who was in which round, and the sum."""
        self._delete_objects(session)
        self.rows.forget_messages(session)
        try:
            return self.rows.settle(session)
        except Conflict:  # somebody else has
            return self.rows.read(session.job)

    def _delete_objects(self, session: Session) -> None:
        while found := self.objects.list(prefix_of(session), LISTED):
            for key, *_ in found:
                self.objects.delete(key)


def status_of(session: Session) -> RunStatus:
    """In the coordinator's words."""
    if session.ended:
        return "COMPLETED" if session.state == "COMPLETED" else "FAILED"
    if session.state == "COMPUTING":
        return "VALIDATING"
    return "IN_QUEUE" if session.round == "advertise" else "RUNNING"
