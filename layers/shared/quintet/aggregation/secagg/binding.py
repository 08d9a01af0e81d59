"""Every signature, key and sealed box says what it is for, in which session, and between whom."""

from collections.abc import Iterable
from hashlib import sha256

LABEL = b"quintet.secagg.1/"


def framed(parts: Iterable[bytes]) -> bytes:
    """Each part after its length (8 bytes, big-endian): no two lists of parts look alike.

    >>> framed([b"a", b"bc"]).hex()
    '00000000000000016100000000000000026263'
    """
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def bound(purpose: str, digest: bytes, *parts: bytes | str) -> bytes:
    """The label, the purpose, a zero byte, the digest of the session's terms, the framed parts (texts in UTF-8)."""
    raw = (part.encode() if isinstance(part, str) else part for part in parts)
    return LABEL + purpose.encode() + b"\0" + digest + framed(raw)


def commitment(digest: bytes, client: str, seed: bytes) -> bytes:
    """What binds a client to its seed before anybody has a share of it; the seed's 256 bits hide it."""
    return sha256(bound("seed", digest, client, seed)).digest()
