"""Who an owner is, and whom it believes: two files.

The identity is an Ed25519 private key (PKCS #8, PEM), as `openssl genpkey -algorithm ed25519` makes it, and its
owner's alone. The roster has every owner's public key; it comes from hand to hand, never from the server.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.kernel.errors import Conflict, InvalidInput, Misconfigured, NotFound
from quintet.sdk.private_files import create_private, read_private


def create_identity(path: Path) -> SigningKey:
    """A new one. Raises Conflict where there is one: what was pinned with others would be lost."""
    identity = SigningKey.generate()
    try:
        create_private(path, _pem(identity))
    except FileExistsError:
        raise Conflict(
            f"{path} is there already: a new identity has to be pinned anew by all; use another file"
        ) from None
    return identity


def load_identity(path: Path) -> SigningKey:
    """Raises Misconfigured where there is none, others may read it, or it is no such key."""
    try:
        content = read_private(path)
    except NotFound:
        raise Misconfigured(
            f"there is no identity in {path}: make one by python -m quintet.cli.aggregation keys {path}"
        ) from None
    return SigningKey.from_bytes(_key(content, path).private_bytes_raw())


def load_roster(path: Path) -> Roster:
    """Raises Misconfigured where there is none."""
    try:
        return Roster.from_json(path.read_text())
    except FileNotFoundError:
        raise Misconfigured(f"there is no roster in {path}: collect the owners' public keys by roster add") from None
    except (UnicodeDecodeError, InvalidInput) as error:
        raise Misconfigured(f"{path} can't be used: {error}") from None


def _key(content: bytes, path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise Misconfigured(f"{path} is no private key in PEM without a passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} holds another kind of key: it has to be Ed25519")
    return key


def _pem(identity: SigningKey) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(identity.to_bytes())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
