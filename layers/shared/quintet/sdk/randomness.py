"""Random bytes that come out again: all of an owner's part in a session hangs on one secret seed."""

import hashlib
import hmac
from itertools import count

from quintet.aggregation.secagg.identity import Random

SEED_BYTES = 32


def stream(seed: bytes, session: str) -> Random:
    """What `secrets.token_bytes` is, but the same bytes again for the same seed, session and order of asking.

    Each answer is SHAKE-256 of a key of its own, by HMAC-SHA-256 from the seed.

    >>> first, again, other = (stream(bytes(32), session) for session in ("a", "a", "b"))
    >>> drawn = [first(32), first(5)]
    >>> drawn == [again(32), again(5)], other(32) == drawn[0], len(drawn[1])
    (True, False, 5)
    """
    numbers = count()

    def draw(length: int) -> bytes:
        asked = f"quintet owner {session} {next(numbers)}".encode()
        key = hmac.digest(seed, asked, "sha256")
        return hashlib.shake_256(key).digest(length)

    return draw
