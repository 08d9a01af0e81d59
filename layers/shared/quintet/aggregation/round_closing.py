"""Whether a round is closed, by whom it is left, and when a session can't go on: a pure judgement.

A round is closed when everybody who is awaited has sent its message, or at its end by those who have, if they are
enough. An owner whose vector is of another size than that of the most is sent away with the first round.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from quintet.aggregation.secagg.terms import Round
from quintet.aggregation.session import Session

NAMED = 20
"""So many clients a reason names at most."""


@dataclass(frozen=True)
class Closed:
    """`members` go on; `size` is that of their vectors, `out` why others do not."""

    members: tuple[int, ...]
    size: int | None = None
    out: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    reason: str


def verdict(session: Session, sizes: Mapping[int, int], now: datetime) -> Closed | Failed | None:
    """What becomes of the present round; None: it goes on. `sizes`: of the vectors, by who has sent a message."""
    there = tuple(position for position in session.awaited if position in sizes)
    if len(there) < len(session.awaited) and now < session.closes_at:
        return None
    if len(there) < needed(session):
        return Failed(too_few(session, there))
    if session.round != "unmask" and now >= session.ends_at:
        return Failed(f"the session's time was over in the round {session.round}")
    if session.round == "advertise":
        return largest_group(session, {position: sizes[position] for position in there})
    return Closed(there, session.size)


def needed(session: Session) -> int:
    """How many owners must be left. Those of the round `mask` are summed; later ones put their secrets together."""
    return session.terms.threshold if session.round in ("confirm", "unmask") else session.terms.quorum


def largest_group(session: Session, sizes: Mapping[int, int]) -> Closed | Failed:
    """Those whose vectors are of the size that most have; of two such sizes the one that the first client has."""
    counts = Counter(sizes.values())
    if not counts:
        return Failed(too_few(session, ()))
    size, count = counts.most_common(1)[0]
    members = tuple(position for position, own in sizes.items() if own == size)
    if count < needed(session):
        return Failed(f"the owners' vectors differ in size: {told_sizes(session, sizes)}; {needed(session)} must agree")
    out = {
        position: f"its vector has {own} elements, that of {count} others {size}"
        for position, own in sizes.items()
        if own != size
    }
    return Closed(members, size, out)


def too_few(session: Session, there: Sequence[int]) -> str:
    missing = [position for position in session.awaited if position not in set(there)]
    return (
        f"{len(there)} of {len(session.awaited)} owners sent their message of the round {session.round} in time, "
        f"{needed(session)} are needed; missing: {listed(session.names(missing))}"
    )


def told_sizes(session: Session, sizes: Mapping[int, int]) -> str:
    groups: dict[int, list[int]] = {}
    for position, size in sizes.items():
        groups.setdefault(size, []).append(position)
    return ", ".join(f"{size} ({listed(session.names(members))})" for size, members in sorted(groups.items()))


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def following(round_: Round) -> Round | None:
    """
    >>> following("advertise"), following("unmask")
    ('share', None)
    """
    after: dict[Round, Round] = {"advertise": "share", "share": "mask", "mask": "confirm", "confirm": "unmask"}
    return after.get(round_)
