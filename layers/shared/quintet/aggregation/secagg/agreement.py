"""What two owners share without ever having met: X25519 (RFC 7748), then HKDF with SHA-256 (RFC 5869)."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from quintet.aggregation.secagg.binding import bound
from quintet.kernel.errors import InvalidInput

MASK_KEY_BYTES = 32


def agreed(private: X25519PrivateKey, public: bytes, info: bytes, length: int) -> bytes:
    """`length` bytes for the use that `info` names. Raises InvalidInput where the other's key is of low order."""
    return derived(exchanged(private, public), info, length)


def exchanged(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise InvalidInput("a key of low order, with which every secret agrees alike, can't be used") from None


def derived(secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def mask_key(private: X25519PrivateKey, public: bytes, digest: bytes, one: str, other: str) -> bytes:
    """The key of the mask that one of the two adds and the other takes away."""
    first, second = sorted((one, other))
    return agreed(private, public, bound("mask", digest, first, second), MASK_KEY_BYTES)


def added(client: str, other: str) -> bool:
    """Whether `client` adds the mask it has with `other`; the other then takes it away."""
    return client < other


def usable(public: bytes) -> bool:
    """Whether two owners' secrets with this key would differ."""
    try:
        exchanged(X25519PrivateKey.from_private_bytes(b"\x01" * 32), public)
    except InvalidInput:
        return False
    return True
