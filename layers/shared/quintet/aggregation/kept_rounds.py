"""What a closed round has for its members: written once when it is closed, then read by each of them.

An object's name holds the digest of its content: two who close a round at once, with different members, write two, and
the session names that of the one who won. All lie under the session's prefix, and go with it.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from quintet.aggregation.box_table import boxes_of, column, commitments_of, table
from quintet.aggregation.ports import Objects
from quintet.aggregation.round_closing import Closed
from quintet.aggregation.secagg.messages import COMMITMENT_BYTES, Advertisement
from quintet.aggregation.secagg.terms import Round
from quintet.aggregation.session import Session
from quintet.aggregation.session_rows import SessionRows
from quintet.kernel.errors import Conflict, InvalidInput, NotFound

LISTS: Mapping[Round, str] = {"advertise": "advertisements", "confirm": "confirmations"}


@dataclass(frozen=True)
class KeptRounds:
    rows: SessionRows
    objects: Objects

    def keep(self, session: Session, closed: Closed) -> dict[Round, str]:
        """Write what the present round gives to those who closed it; the names of all that is kept."""
        if session.round == "share":
            packets = self.rows.bodies(session, "share")
            body = table(session.members["advertise"], closed.members, packets)
        elif session.round in LISTS:
            members = set(closed.members)
            texts = (text for position, text in self.rows.bodies(session, session.round) if position in members)
            body = f"[{','.join(texts)}]".encode()
        else:
            return session.kept
        key = f"{prefix_of(session)}{session.round}/{sha256(body).hexdigest()}"
        self.objects.put(key, body)
        return {**session.kept, session.round: key}

    def given(self, session: Session, round_: Round, client: str) -> dict[str, Any]:
        """What `client` takes from a closed round into the next. Raises Conflict and InvalidInput."""
        position = session.positions[client]
        if round_ == "unmask":
            raise InvalidInput("the last round gives nothing: ask for the job's result")
        if session.ended:
            raise Conflict(f"the session is {session.state}. {session.reason}".strip())
        if round_ not in session.members:
            raise Conflict(f"the round {round_} is not closed yet")
        if position not in session.members[round_]:
            raise Conflict(f"{client} has no part in it any more: {session.why_not(client)}")
        try:
            return self._given(session, round_, position)
        except NotFound:
            raise Conflict("the session has ended meanwhile") from None

    def advertisements(self, session: Session) -> dict[str, Advertisement]:
        body, _ = self.objects.get(session.kept["advertise"])
        read = [Advertisement.model_validate(one) for one in json.loads(body)]
        return {one.client: one for one in read}

    def commitments(self, session: Session) -> dict[str, bytes]:
        senders = session.members["share"]
        beginning = self.objects.part(session.kept["share"], 0, len(senders) * COMMITMENT_BYTES)
        found = commitments_of(senders, beginning)
        return {session.terms.clients[position]: commitment for position, commitment in found.items()}

    def _given(self, session: Session, round_: Round, position: int) -> dict[str, Any]:
        if round_ == "share":
            return {"boxes": self._boxes(session, position)}
        if round_ == "mask":
            return {"survivors": session.names(session.members["mask"])}
        body, _ = self.objects.get(session.kept[round_])
        return {LISTS[round_]: json.loads(body)}

    def _boxes(self, session: Session, position: int) -> dict[str, str]:
        senders = session.members["share"]
        start, length = column(senders, position)
        found = boxes_of(senders, position, self.objects.part(session.kept["share"], start, length))
        return {session.terms.clients[sender]: b64encode(box).decode() for sender, box in found.items()}


def prefix_of(session: Session) -> str:
    return f"aggregation/sessions/{session.terms.session}/"


def masked_key(session: Session, position: int, digest: str) -> str:
    return f"{prefix_of(session)}masked/{position:04d}/{digest}"


def outcome_key(session: Session) -> str:
    """The sum is not among what goes with the session."""
    return f"aggregation/outcomes/{session.terms.session}.json"
