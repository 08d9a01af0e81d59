"""Taking the masks off the sum of the masked vectors: all there is to see of a vector is its part in that sum."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from quintet.aggregation.secagg import masks
from quintet.aggregation.secagg.agreement import added, mask_key
from quintet.aggregation.secagg.binding import commitment
from quintet.aggregation.secagg.masks import WORD, Words
from quintet.aggregation.secagg.messages import Advertisement, Unmasking
from quintet.aggregation.secagg.recovery import Recovery
from quintet.aggregation.secagg.terms import Terms
from quintet.kernel.errors import InvalidInput


def survivors_sum(masked: Iterable[bytes], size: int) -> Words:
    """The sum modulo 2^64 of masked vectors, each of `size` little-endian words. Raises InvalidInput."""
    total = np.zeros(size, dtype=WORD)
    for words in masked:
        if len(words) != size * WORD.itemsize:
            raise InvalidInput(f"a masked vector has {len(words)} bytes instead of {size * WORD.itemsize}")
        total += np.frombuffer(words, dtype=WORD)
    return total


def unmasked(
    terms: Terms,
    advertisements: Mapping[str, Advertisement],
    commitments: Mapping[str, bytes],
    survivors: Sequence[str],
    total: Words,
    unmaskings: Sequence[Unmasking],
) -> Words:
    """The sum of the survivors' vectors, as words (see `fixed_point.decode`).

    `advertisements`: of U1; `commitments`: of U2; `survivors`: U3; `total`: the sum of their masked vectors. Raises
    InvalidInput, which names whose seed or key can't be put together.
    """
    session = Session(terms, terms.digest, advertisements, commitments, frozenset(survivors), unmaskings)
    session.insist()
    recovery, clear = Recovery(terms), total.copy()
    for client in sorted(session.survivors):
        masks.add(clear, session.seed(client, recovery), -1)
    for client in sorted(set(commitments) - session.survivors):
        session.take_back(clear, client, session.masking_key(client, recovery))
    return clear


@dataclass(frozen=True)
class Session:
    """What the server has of a session when its last round is over."""

    terms: Terms
    digest: bytes
    advertisements: Mapping[str, Advertisement]
    commitments: Mapping[str, bytes]
    survivors: frozenset[str]
    unmaskings: Sequence[Unmasking]

    def insist(self) -> None:
        """Raises InvalidInput where there are too few survivors, or one that has not shared."""
        if strangers := sorted(self.survivors - self.commitments.keys()):
            raise InvalidInput(f"{', '.join(strangers)} survived without having shared anything")
        if len(self.survivors) < self.terms.quorum:
            count, need = len(self.survivors), self.terms.quorum
            raise InvalidInput(f"{count} owners survived, {need} are needed: nothing is summed")

    def seed(self, client: str, recovery: Recovery) -> bytes:
        """The key of a survivor's own mask."""
        shares = {one.client: one.seed_shares[client] for one in self.unmaskings if client in one.seed_shares}
        bond = self.commitments[client]
        return recovery.secret(
            f"the seed of {client}", shares, lambda seed: commitment(self.digest, client, seed) == bond
        )

    def masking_key(self, client: str, recovery: Recovery) -> X25519PrivateKey:
        """With it go the masks that a dropped owner has left in the others' vectors."""
        shares = {one.client: one.key_shares[client] for one in self.unmaskings if client in one.key_shares}
        public = self.advertisements[client].masking_key
        secret = recovery.secret(f"the masking key of {client}", shares, lambda raw: public_of(raw) == public)
        return X25519PrivateKey.from_private_bytes(secret)

    def take_back(self, clear: Words, dropped: str, private: X25519PrivateKey) -> None:
        for client in self.survivors:
            public = self.advertisements[client].masking_key
            key = mask_key(private, public, self.digest, dropped, client)
            masks.add(clear, key, -1 if added(client, dropped) else 1)


def public_of(raw: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
