"""What the server refuses to take in, each with what is wrong about it."""

from collections.abc import Collection, Iterable, Sequence

from quintet.aggregation.secagg.agreement import usable
from quintet.aggregation.secagg.identity import verified
from quintet.aggregation.secagg.messages import (
    MESSAGES,
    WORD_BYTES,
    Advertisement,
    MaskedInput,
    Message,
    Shares,
    Unmasking,
)
from quintet.aggregation.secagg.signatures import content, statement
from quintet.aggregation.secagg.terms import Round, Terms
from quintet.kernel.errors import InvalidInput, PermissionDenied


def check(
    message: Message,
    terms: Terms,
    round_: Round,
    key: bytes,
    *,
    members: Sequence[str],
    survivors: Sequence[str] = (),
    size: int | None = None,
) -> None:
    """Raises InvalidInput or PermissionDenied, with the reason, unless the message belongs into the round.

    `key`: the sender's public key. `members`: who may send it: all clients advertise, those who advertised (U1)
    share, those who shared (U2) mask, the survivors (U3) confirm. Of unmask `members` are U2 and `survivors` U3; the
    latter send it. `size`: of the vectors, as advertised.
    """
    sender = message.client
    if not isinstance(message, MESSAGES[round_]):
        raise InvalidInput(f"round {round_} has no {type(message).__name__}")
    if sender not in terms.clients:
        raise PermissionDenied(f"{sender} is not a client of this session")
    if sender not in (survivors if isinstance(message, Unmasking) else members):
        raise PermissionDenied(f"{sender} does not take part in round {round_}: it has missed an earlier one")
    fitting(message, terms, members, survivors, size)
    listed = members if round_ == "confirm" else ()
    if not verified(key, message.signature, statement(round_, terms.digest, sender, content(message, listed))):
        raise PermissionDenied(f"the message of {sender} is not signed by it for round {round_} of this session")


def fitting(message: Message, terms: Terms, members: Sequence[str], survivors: Sequence[str], size: int | None) -> None:
    match message:
        case Advertisement():
            advertisement(message, size or terms.size)
        case Shares():
            boxes(message, members)
        case MaskedInput():
            words(message, size or terms.size)
        case Unmasking():
            shares(message, members, survivors)


def advertisement(message: Advertisement, size: int | None) -> None:
    if size not in (None, message.size):
        raise InvalidInput(f"{message.client} has {message.size} values, this session is about {size}")
    if message.encryption_key == message.masking_key:
        raise InvalidInput(f"{message.client} advertises the same key twice")
    if not (usable(message.encryption_key) and usable(message.masking_key)):
        raise InvalidInput(f"a key of {message.client} is no X25519 key that can be used")


def boxes(message: Shares, members: Sequence[str]) -> None:
    """One for each other member, and for nobody else."""
    if message.client in message.boxes:
        raise InvalidInput(f"{message.client} has sealed a box for itself")
    named(message.boxes, members, f"{message.client} has sealed a box for", "who has not advertised")
    missing = sorted(set(members) - {message.client} - message.boxes.keys())
    if missing:
        raise InvalidInput(f"{message.client} has sealed no box for {', '.join(missing)}")


def words(message: MaskedInput, size: int | None) -> None:
    count = len(message.words) // WORD_BYTES
    if size not in (None, count):
        raise InvalidInput(f"{message.client} has masked {count} values, this session is about {size}")


def shares(message: Unmasking, members: Sequence[str], survivors: Sequence[str]) -> None:
    """Seeds of survivors and keys of the others: an owner whose both shares came together would be unmasked."""
    dropped = set(members) - set(survivors)
    named(message.seed_shares, survivors, f"{message.client} gives a share of the seed of", "who has not survived")
    named(message.key_shares, dropped, f"{message.client} gives a share of the key of", "who has not dropped out")


def named(given: Iterable[str], allowed: Collection[str], what: str, why: str) -> None:
    if wrong := sorted(set(given) - set(allowed)):
        raise InvalidInput(f"{what} {', '.join(wrong)}, {why}")
