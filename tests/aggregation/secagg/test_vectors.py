"""The published vectors: ours to the byte, and what an implementation with none of our code makes of them."""

import hmac
import json
from base64 import b64decode
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tests.aggregation.secagg.vectors import make

PRIME = 2**256 + 297
Vectors = dict[str, Any]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    read: Vectors = json.loads(make.FILE.read_text())
    return read


def test_they_are_ours_to_the_byte() -> None:
    assert make.FILE.read_text() == make.text(), "the protocol changed: other implementations no longer understand it"


def frames(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def name_of(purpose: str, digest: bytes, *parts: str | bytes) -> bytes:
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"quintet.secagg.1/" + purpose.encode() + b"\0" + digest + frames(*raw)


def derived(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, without salt."""
    key, block, out = hmac.digest(bytes(32), secret, "sha256"), b"", b""
    for place in range(1, 3):
        block = hmac.digest(key, block + info + bytes([place]), "sha256")
        out += block
    return out[:length]


def exchanged(private: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def words_of(key: bytes, count: int) -> list[int]:
    counters = b"".join(block.to_bytes(16, "big") for block in range(-(-count // 2)))
    return words(Cipher(AES(key), ECB()).encryptor().update(counters))[:count]  # noqa: S305 - block by block


def words(raw: bytes) -> list[int]:
    return [int.from_bytes(raw[place : place + 8], "little") for place in range(0, len(raw), 8)]


def combined(shares: dict[int, int]) -> int:
    total = 0
    for point, value in shares.items():
        part = value
        for other in shares.keys() - {point}:
            part = part * other * pow(other - point, -1, PRIME) % PRIME
        total += part
    return total % PRIME


def test_shares(vectors: Vectors) -> None:
    for one in vectors["primitives"]["shamir"]:
        shares = [int(share, 16) for share in one["shares"]]
        chosen = dict(list(zip(one["points"], shares, strict=True))[-one["threshold"] :])
        assert combined(chosen) == int(one["secret"], 16)
        assert all(len(share) == 66 for share in one["shares"])


def test_mask_streams(vectors: Vectors) -> None:
    for one in vectors["primitives"]["mask_stream"]:
        stream = words_of(bytes.fromhex(one["key"]), one["count"])
        assert [f"{word:016x}" for word in stream[:5]] == one["first_words"]
        assert sha256(b"".join(word.to_bytes(8, "little") for word in stream)).hexdigest() == one["sha256"]


def test_agreements(vectors: Vectors) -> None:
    one = {name: bytes.fromhex(text) for name, text in vectors["primitives"]["agreement"].items() if name != "clients"}
    secret = exchanged(one["private"], one["public_of_the_other"])
    info = name_of("mask", one["digest"], *vectors["primitives"]["agreement"]["clients"])
    assert (secret, info) == (one["exchanged"], one["info"])
    assert derived(secret, info, 32) == one["mask_key"]


def test_boxes(vectors: Vectors) -> None:
    one = vectors["primitives"]["box"]
    name = name_of("box", bytes.fromhex(one["digest"]), one["sender"], one["recipient"])
    secret = exchanged(bytes.fromhex(one["private"]), bytes.fromhex(one["public_of_the_other"]))
    material = derived(secret, name, 44)
    plain = ChaCha20Poly1305(material[:32]).decrypt(material[32:], bytes.fromhex(one["box"]), name)
    assert (name.hex(), plain.hex()) == (one["name"], one["seed_share"] + one["key_share"])


def test_numbers(vectors: Vectors) -> None:
    for one in vectors["primitives"]["fixed_point"]:
        word = int((Decimal(float(one["float"])) * 10**9).quantize(Decimal(1)))
        assert f"{word % 2**64:016x}" == one["word"]
        assert Decimal(one["text"]) * 10**9 == word


def canonical(terms: Vectors) -> bytes:
    return json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def content(round_: str, message: Vectors, survivors: list[str]) -> bytes:
    """The SHA-256 that is signed."""
    raw = {name: b64decode(text) for name, text in message.items() if isinstance(text, str) and name != "client"}
    if round_ == "advertise":
        parts = [message["size"].to_bytes(8, "big"), raw["encryption_key"], raw["masking_key"]]
    elif round_ == "share":
        parts = [raw["commitment"], *entries(message["boxes"])]
    elif round_ == "mask":
        parts = [raw["words"]]
    elif round_ == "confirm":
        parts = [name.encode() for name in survivors]
    else:
        both = (message["seed_shares"], message["key_shares"])
        parts = [part for shares in both for part in (len(shares).to_bytes(8, "big"), *entries(shares))]
    return sha256(frames(*parts)).digest()


def entries(shares: dict[str, str]) -> list[bytes]:
    return [part for name in sorted(shares) for part in (name.encode(), b64decode(shares[name]))]


def test_every_message_is_signed_by_its_owner(vectors: Vectors) -> None:
    session = vectors["session"]
    digest = sha256(canonical(session["terms"])).digest()
    assert digest.hex() == session["digest"]
    signed = 0
    for round_, said in session["messages"].items():
        for client, message in said.items():
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(session["identities"][client]))
            assert key.public_key().public_bytes_raw().hex() == session["public_keys"][client]
            about = name_of(round_, digest, client, content(round_, message, session["survivors"]))
            assert key.sign(about) == b64decode(message["signature"])
            signed += 1
    assert signed == 3 + 3 + 2 + 2 + 2


def secret_of(session: Vectors, which: str, client: str) -> bytes:
    points = {name: place for place, name in enumerate(session["terms"]["clients"], start=1)}
    given = session["messages"]["unmask"].items()
    shares = {points[name]: int.from_bytes(b64decode(said[which][client]), "big") for name, said in given}
    return combined(shares).to_bytes(32, "big")


def test_the_sum_comes_out_of_the_messages_alone(vectors: Vectors) -> None:
    session = vectors["session"]
    said, digest = session["messages"], bytes.fromhex(session["digest"])
    total = [
        sum(column) for column in zip(*(words(b64decode(one["words"])) for one in said["mask"].values()), strict=True)
    ]
    assert words(bytes.fromhex(session["masked_sum"])) == [word % 2**64 for word in total]
    for client in session["survivors"]:
        seed = secret_of(session, "seed_shares", client)
        bond = sha256(name_of("seed", digest, client, seed)).digest()
        assert seed.hex() == session["seeds"][client]
        assert bond.hex() == session["commitments"][client] == b64decode(said["share"][client]["commitment"]).hex()
        total = [word - mask for word, mask in zip(total, words_of(seed, 3), strict=True)]
    dropped = secret_of(session, "key_shares", "c")
    for client in session["survivors"]:  # both come before `c`, and so have added what is taken away here
        secret = exchanged(dropped, b64decode(said["advertise"][client]["masking_key"]))
        mask = words_of(derived(secret, name_of("mask", digest, client, "c"), 32), 3)
        total = [word - one for word, one in zip(total, mask, strict=True)]
    assert [word % 2**64 for word in total] == words(bytes.fromhex(session["sum"]))
    assert session["texts"] == ["1001.000000001", "-0.5", "0"]


def test_what_an_owner_draws_is_what_is_said_of_it(vectors: Vectors) -> None:
    session = vectors["session"]
    for client, said in session["messages"]["advertise"].items():
        label = f"session {client}|".encode()
        drawn = b"".join(sha256(label + block.to_bytes(8, "big")).digest() for block in range(3))
        for private, field in ((drawn[:32], "encryption_key"), (drawn[32:64], "masking_key")):
            public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
            assert public == b64decode(said[field])
        assert drawn[64:].hex() == session["seeds"][client]
        assert sha256(f"identity {client}|".encode() + bytes(8)).hexdigest() == session["identities"][client]
