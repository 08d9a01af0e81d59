"""Taking an owner's message: known by its signature, once, in its round, and durable before it is acknowledged.

What stands is never replaced: the same message again is taken again, another one of the same owner and round is
refused. One that comes as its round is being closed without it is refused and forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from quintet.aggregation.box_table import packed
from quintet.aggregation.kept_rounds import masked_key
from quintet.aggregation.ports import Objects
from quintet.aggregation.secagg import server
from quintet.aggregation.secagg.messages import WORD_BYTES, Advertisement, MaskedInput, Message, Shares
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.session import Session
from quintet.aggregation.session_rows import SessionRows
from quintet.kernel.errors import Conflict, InvalidInput, PermissionDenied, Unavailable


@dataclass(frozen=True)
class Taking:
    """`tend` closes the session's round where everybody has sent its message, and gives the session as it is then."""

    rows: SessionRows
    objects: Objects
    tend: Callable[[Session], Session]

    def take(self, session: Session, round_: Round, message: Message) -> Session:
        """Raises InvalidInput, PermissionDenied and Conflict, each with the reason."""
        position = session.positions.get(message.client)
        if position is None:
            raise PermissionDenied(f"{message.client} takes no part in the job {session.job}")
        digest = digest_of(message)
        if session.is_over(round_):
            self._check_standing(session, round_, position, digest)
            return session
        check_turn(session, round_, message)
        check(session, round_, message, session.key(position))
        self._enter(session, round_, position, message, digest)
        after = self.rows.read(session.job)
        if not after.is_over(round_):
            after = self.tend(after)
        if after.is_over(round_):
            self._check_included(after, round_, position, digest)
        return after

    def _enter(self, session: Session, round_: Round, position: int, message: Message, digest: str) -> None:
        body = self._body(session, position, message, digest)
        try:
            self.rows.post(session, round_, position, facts_of(message, digest), body)
        except Conflict:
            standing = self.rows.message(session, round_, position)
            if standing is None:
                raise Unavailable("the message was being taken back: send it again") from None
            if standing["digest"] != digest:
                self._drop(session, round_, position, digest)
                raise another(session, round_, position) from None

    def _body(self, session: Session, position: int, message: Message, digest: str) -> str:
        """What is kept of it in its row. A masked input is durable as an object by then."""
        if isinstance(message, MaskedInput):
            key = masked_key(session, position, digest)
            self.objects.put(key, message.words)
            return key
        return packed(message) if isinstance(message, Shares) else message.model_dump_json()

    def _drop(self, session: Session, round_: Round, position: int, digest: str) -> None:
        if round_ == "mask":
            self.objects.delete(masked_key(session, position, digest))

    def _check_included(self, session: Session, round_: Round, position: int, digest: str) -> None:
        """Raises Conflict where the round went on without the message that has just been entered, which then goes."""
        if position in session.members.get(round_, ()):
            return
        self._drop(session, round_, position, digest)
        self.rows.withdraw(session, round_, position)
        if session.state != "FAILED":
            raise late(session, round_, position)

    def _check_standing(self, session: Session, round_: Round, position: int, digest: str) -> None:
        """A message for a closed round is only ever one that was taken already."""
        if position not in session.members.get(round_, ()):
            raise late(session, round_, position)
        standing = self.rows.message(session, round_, position)
        if standing is not None and standing["digest"] != digest:
            raise another(session, round_, position)


def check_turn(session: Session, round_: Round, message: Message) -> None:
    """Raises Conflict where it is not this round's or this owner's turn, or the vector is not of the right size."""
    if ROUNDS.index(round_) > ROUNDS.index(session.round):
        raise Conflict(f"the round {round_} has not begun: the session is in the round {session.round}")
    if not session.takes_part(message.client):
        raise Conflict(f"{message.client} has no part in it any more: {session.why_not(message.client)}")
    wanted = session.size or session.terms.size
    if isinstance(message, Advertisement) and wanted and message.size != wanted:
        raise Conflict(f"the vector of {message.client} has {message.size} elements; the session's have {wanted}")
    if isinstance(message, MaskedInput) and wanted and len(message.words) != wanted * WORD_BYTES:
        got = len(message.words) // WORD_BYTES
        raise InvalidInput(f"the masked vector of {message.client} has {got} elements instead of {wanted}")


def check(session: Session, round_: Round, message: Message, key: bytes) -> None:
    """Raises InvalidInput or PermissionDenied where it is not what its owner would send."""
    among = session.members["share"] if round_ == "unmask" else session.awaited
    survivors = session.members["mask"] if round_ == "unmask" else ()
    server.check(
        message,
        session.terms,
        round_,
        key,
        members=session.names(among),
        survivors=session.names(survivors),
        size=session.size,
    )


def facts_of(message: Message, digest: str) -> dict[str, Any]:
    """What closing a round asks of all its messages."""
    size = message.size if isinstance(message, Advertisement) else 0
    return {"digest": digest, "size": size}


def digest_of(message: Message) -> str:
    return sha256(message.model_dump_json().encode()).hexdigest()


def another(session: Session, round_: Round, position: int) -> Conflict:
    client = session.terms.clients[position]
    return Conflict(f"another message of {client} stands in the round {round_}: it can't be replaced")


def late(session: Session, round_: Round, position: int) -> Conflict:
    client = session.terms.clients[position]
    reason = session.out.get(position) or session.reason or "the round was closed before the message came"
    return Conflict(f"the message of {client} in the round {round_} is late: {reason}")
