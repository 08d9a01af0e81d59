"""Masks: 64-bit words that nobody without the key can tell from random ones.

AES-256 in counter mode from a zero counter over zeros, read as little-endian words. Each key masks one vector of one
session, so no part of the stream is ever used twice.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Sign = Literal[1, -1]

WORD = np.dtype("<u8")
CHUNK = 8192  # words: what is made and added at once stays in a core's cache
SLACK = 15  # update_into asks for room for one block more

ZEROS = memoryview(bytes(CHUNK * WORD.itemsize))


def stream(key: bytes, count: int) -> Words:
    """The first `count` words of a key's mask."""
    made = np.empty(count, dtype=WORD)
    for place, words in chunks(key, count):
        made[place : place + len(words)] = words
    return made


def add(total: Words, key: bytes, sign: Sign) -> None:
    """Adds a key's mask to `total` modulo 2^64, or takes it away, in place."""
    change = np.add if sign == 1 else np.subtract
    for place, words in chunks(key, len(total)):
        part = total[place : place + len(words)]
        change(part, words, out=part)


def chunks(key: bytes, count: int) -> Iterator[tuple[int, Words]]:
    """The mask, piece by piece in one buffer: each with its place, to be used before the next is asked for."""
    cipher, buffer = keystream(key), bytearray(len(ZEROS) + SLACK)
    words = np.frombuffer(buffer, dtype=WORD, count=CHUNK)
    for place in range(0, count, CHUNK):
        length = min(CHUNK, count - place)
        cipher.update_into(ZEROS[: length * WORD.itemsize], buffer)
        yield place, words[:length]


def keystream(key: bytes) -> CipherContext:
    return Cipher(AES(key), CTR(bytes(16))).encryptor()
