"""What an owner must keep to itself during a session, and forgets as soon as it can."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from quintet.aggregation.secagg.boxes import Held
from quintet.aggregation.secagg.identity import KEY_BYTES, Random
from quintet.aggregation.secagg.shamir import SECRET_BYTES


class SessionSecrets:
    """Two X25519 keys, the seed of the owner's own mask, and what it holds of the others. Never printed."""

    def __init__(self, random: Random) -> None:
        self.encryption = X25519PrivateKey.from_private_bytes(random(KEY_BYTES))
        self.masking = X25519PrivateKey.from_private_bytes(random(KEY_BYTES))
        self.seed = bytearray(SECRET_BYTES)
        self.held: dict[str, Held] = {}

    def forget_masks(self) -> None:
        """Overwrites what can be overwritten; the keys' memory is OpenSSL's, which cleans it."""
        self.seed[:] = bytes(len(self.seed))
        del self.encryption, self.masking

    def forget_shares(self) -> None:
        self.held.clear()

    def __repr__(self) -> str:
        return "SessionSecrets(…)"
