"""Who an owner is: an Ed25519 key, known to the others by another way than through the server."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from secrets import token_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from quintet.kernel.errors import InvalidInput

Random = Callable[[int], bytes]
"""So many unpredictable bytes."""

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class SigningKey:
    """What an owner signs its messages with. Never printed."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls, random: Random = token_bytes) -> "SigningKey":
        return cls.from_bytes(random(KEY_BYTES))

    @classmethod
    def from_bytes(cls, raw: bytes) -> "SigningKey":
        """Raises InvalidInput unless there are 32 bytes."""
        if len(raw) != KEY_BYTES:
            raise InvalidInput(f"a signing key has {KEY_BYTES} bytes, not {len(raw)}")
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def to_bytes(self) -> bytes:
        """The secret itself, to be kept in a file that only its owner can read."""
        return self._key.private_bytes_raw()

    def sign(self, statement: bytes) -> bytes:
        return self._key.sign(statement)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def verified(key: bytes, signature: bytes, statement: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


class Roster(Mapping[str, bytes]):
    """The clients an owner knows, each with its public key of 32 bytes, as agreed out of band."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        for client, key in keys.items():
            if len(key) != KEY_BYTES:
                raise InvalidInput(f"the roster's key of {client} has {len(key)} bytes instead of {KEY_BYTES}")
        if len(set(keys.values())) < len(keys):
            raise InvalidInput("the roster gives two clients the same key")
        self._keys = dict(keys)

    def __getitem__(self, client: str) -> bytes:
        return self._keys[client]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Roster":
        """Of an object: client → base64. Raises InvalidInput."""
        try:
            return cls({client: b64decode(key, validate=True) for client, key in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError):
            raise InvalidInput("a roster is a JSON object of clients, each with its public key in base64") from None

    def to_json(self) -> str:
        keys = {client: b64encode(key).decode() for client, key in sorted(self._keys.items())}
        return json.dumps(keys, indent=2, ensure_ascii=False) + "\n"
