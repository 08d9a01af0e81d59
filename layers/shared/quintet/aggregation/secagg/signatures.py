"""What exactly an owner signs: the round, the session's terms, who it is, and the SHA-256 of its message's content."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from quintet.aggregation.secagg.binding import bound
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, MaskedInput, Message, Shares, Unmasking
from quintet.aggregation.secagg.terms import Round


def statement(round_: Round, digest: bytes, client: str, content: bytes) -> bytes:
    return bound(round_, digest, client, content)


def content(message: Message, survivors: Sequence[str] = ()) -> bytes:
    """32 bytes. `survivors` are needed for a confirmation alone, which does not carry them."""
    match message:
        case Advertisement():
            return of_advertisement(message.size, message.encryption_key, message.masking_key)
        case Shares():
            return of_shares(message.commitment, message.boxes)
        case MaskedInput():
            return of_words(message.words)
        case Confirmation():
            return of_survivors(survivors)
        case Unmasking():
            return of_unmasking(message.seed_shares, message.key_shares)
    raise TypeError(type(message).__name__)


def of_advertisement(size: int, encryption_key: bytes, masking_key: bytes) -> bytes:
    return hashed([number(size), encryption_key, masking_key])


def of_shares(commitment: bytes, boxes: Mapping[str, bytes]) -> bytes:
    return hashed([commitment, *entries(boxes)])


def of_words(words: bytes) -> bytes:
    return hashed([words])


def of_survivors(survivors: Sequence[str]) -> bytes:
    return hashed(client.encode() for client in sorted(survivors))


def of_unmasking(seed_shares: Mapping[str, bytes], key_shares: Mapping[str, bytes]) -> bytes:
    return hashed([number(len(seed_shares)), *entries(seed_shares), number(len(key_shares)), *entries(key_shares)])


def entries(shares: Mapping[str, bytes]) -> Iterable[bytes]:
    for client in sorted(shares):
        yield client.encode()
        yield shares[client]


def number(count: int) -> bytes:
    return count.to_bytes(8, "big")


def hashed(parts: Iterable[bytes]) -> bytes:
    """SHA-256 of the framed parts, without a copy of a long one."""
    digest = sha256()
    for part in parts:
        digest.update(number(len(part)))
        digest.update(part)
    return digest.digest()
