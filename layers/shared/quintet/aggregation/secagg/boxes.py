"""Shares on their way through the server: sealed by one owner so that only the other can open them."""

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from quintet.aggregation.secagg.agreement import agreed
from quintet.aggregation.secagg.binding import bound
from quintet.aggregation.secagg.shamir import SHARE_BYTES

KEY_BYTES = 32
NONCE_BYTES = 12


class Held(NamedTuple):
    """What an owner holds of another: a share of its seed and one of its masking key, 33 bytes each."""

    seed: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Held(…)"


def sealed(
    private: X25519PrivateKey, public: bytes, digest: bytes, *, sender: str, recipient: str, held: Held
) -> bytes:
    """ChaCha20-Poly1305 (RFC 8439). Key and nonce come from the agreement and serve this one box alone."""
    name = bound("box", digest, sender, recipient)
    material = agreed(private, public, name, KEY_BYTES + NONCE_BYTES)
    return ChaCha20Poly1305(material[:KEY_BYTES]).encrypt(material[KEY_BYTES:], held.seed + held.key, name)


def opened(
    private: X25519PrivateKey, public: bytes, digest: bytes, *, sender: str, recipient: str, box: bytes
) -> Held | None:
    """None where the box is not what the sender sealed for the recipient in this session."""
    name = bound("box", digest, sender, recipient)
    material = agreed(private, public, name, KEY_BYTES + NONCE_BYTES)
    try:
        plain = ChaCha20Poly1305(material[:KEY_BYTES]).decrypt(material[KEY_BYTES:], box, name)
    except InvalidTag:
        return None
    return Held(plain[:SHARE_BYTES], plain[SHARE_BYTES:]) if len(plain) == 2 * SHARE_BYTES else None
