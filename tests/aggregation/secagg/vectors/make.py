"""Writes the test vectors of the protocol, by which another implementation can check itself.

    python -m tests.aggregation.secagg.vectors.make

Everything follows from the labels of the random streams (see `random` in the file).
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from quintet.aggregation.secagg import boxes, masks, shamir
from quintet.aggregation.secagg.agreement import mask_key
from quintet.aggregation.secagg.binding import bound, commitment
from quintet.aggregation.secagg.fixed_point import decode, encode
from quintet.aggregation.secagg.server import survivors_sum
from quintet.aggregation.secagg.terms import ROUNDS
from tests.aggregation.secagg.cohort import Cohort, Played, drawn, played, said

FILE = Path(__file__).with_name("secagg.json")
RANDOM = (
    "A stream is SHA-256(label, a '|', a counter of 8 bytes, big-endian, from 0), block after block; whoever draws from"
    " it takes the next bytes. Identities are the first 32 bytes of 'identity NAME'. An owner draws from 'session NAME'"
    " its encryption key (32), its masking key (32), its seed (32), the seed's coefficients (48 each, modulo the prime,"
    " from the linear one on), then the masking key's."
)
VALUES: dict[str, list[float]] = {"a": [1, -0.5, 2.5], "b": [1000.000000001, 0, -2.5], "c": [7, 7, 7]}


def text() -> str:
    vectors = {"random": RANDOM, "primitives": primitives(), "session": session()}
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


def primitives() -> dict[str, Any]:
    return {
        "shamir": list(splits()),
        "mask_stream": list(streams()),
        "agreement": agreement(),
        "box": box(),
        "fixed_point": list(numbers()),
    }


def splits() -> Iterator[dict[str, Any]]:
    for count, threshold in ((1, 1), (3, 2), (5, 4)):
        label = f"shamir {count} {threshold}"
        secret, points = sha256(label.encode()).digest(), list(range(1, count + 1))
        shares = shamir.split(secret, points, threshold, drawn(label))
        yield {
            "label": label,
            "secret": secret.hex(),
            "threshold": threshold,
            "points": points,
            "shares": [share.hex() for share in shares],
        }


def streams() -> Iterator[dict[str, Any]]:
    for key in (bytes(32), drawn("mask stream")(32)):
        words = masks.stream(key, 20_000)
        yield {
            "key": key.hex(),
            "first_words": [f"{word:016x}" for word in words[:5].tolist()],
            "count": len(words),
            "sha256": sha256(words.tobytes()).hexdigest(),
        }


def pair() -> tuple[X25519PrivateKey, X25519PrivateKey, bytes]:
    one, other, digest = drawn("one")(32), drawn("other")(32), drawn("digest")(32)
    return X25519PrivateKey.from_private_bytes(one), X25519PrivateKey.from_private_bytes(other), digest


def agreement() -> dict[str, Any]:
    one, other, digest = pair()
    public = other.public_key().public_bytes_raw()
    return {
        "private": one.private_bytes_raw().hex(),
        "public_of_the_other": public.hex(),
        "digest": digest.hex(),
        "clients": ["a", "ü"],
        "exchanged": one.exchange(other.public_key()).hex(),
        "info": bound("mask", digest, "a", "ü").hex(),
        "mask_key": mask_key(one, public, digest, "ü", "a").hex(),
    }


def box() -> dict[str, Any]:
    one, other, digest = pair()
    held = boxes.Held(drawn("seed share")(33), drawn("key share")(33))
    public = other.public_key().public_bytes_raw()
    return {
        "private": one.private_bytes_raw().hex(),
        "public_of_the_other": public.hex(),
        "digest": digest.hex(),
        "sender": "a",
        "recipient": "ü",
        "name": bound("box", digest, "a", "ü").hex(),
        "seed_share": held.seed.hex(),
        "key_share": held.key.hex(),
        "box": boxes.sealed(one, public, digest, sender="a", recipient="ü", held=held).hex(),
    }


def numbers() -> Iterator[dict[str, Any]]:
    """Each float is written as the shortest decimal that reads as it; the word is that of its exact value."""
    for value in (0.0, 1.0, -1.0, 0.1, 2.0**-10 * 3, 2.0**-10 * 5, 5e-10, 1.5e-9, -(2.0**-9), 4294967295.5):
        word = int(encode([value], decimals=9, owners=2)[0])
        yield {
            "float": repr(value),
            "decimals": 9,
            "word": f"{word:016x}",
            "text": decode(encode([value], decimals=9, owners=2), 9)[0],
        }


def session() -> dict[str, Any]:
    """Three owners, any two of whom are enough; `c` drops out after having shared."""
    play = three()
    cohort, total = play.cohort, survivors_sum((said.words for said in play.masked.values()), 3)
    return {
        "identities": {name: key.to_bytes().hex() for name, key in cohort.identities.items()},
        "public_keys": {name: key.hex() for name, key in cohort.roster.items()},
        "terms": cohort.terms.model_dump(mode="json"),
        "digest": cohort.terms.digest.hex(),
        "values": {name: list(map(repr, values)) for name, values in VALUES.items()},
        "seeds": {name: seed(name).hex() for name in cohort.clients},
        "commitments": {name: commitment(cohort.terms.digest, name, seed(name)).hex() for name in cohort.clients},
        "messages": messages(play),
        "survivors": sorted(play.masked),
        "masked_sum": total.tobytes().hex(),
        "sum": play.sum().tobytes().hex(),
        "texts": decode(play.sum(), 9),
    }


def three() -> Played:
    cohort = Cohort(3, threshold=2)
    cohort.values = {name: np.array(values) for name, values in VALUES.items()}
    return played(cohort).advertise().share().mask(["a", "b"]).confirm().unmask()


def seed(name: str) -> bytes:
    return drawn(f"session {name}")(96)[64:]


def messages(play: Played) -> dict[str, Any]:
    return {
        round_: {name: message.model_dump(mode="json") for name, message in said(play, round_).items()}
        for round_ in ROUNDS
    }


if __name__ == "__main__":
    FILE.write_text(text())
