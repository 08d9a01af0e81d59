"""The mask stream is AES-256 in counter mode, however it is cut; what it masks looks like nothing at all."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.secagg.masks import CHUNK, add, stream
from tests.aggregation.secagg.cohort import Cohort, drawn, played
from tests.aggregation.secagg.uniformity import evenly


def by_blocks(key: bytes, count: int) -> list[int]:
    """The same, block by block: the cipher of 0, 1, 2 … as 16 bytes, big-endian, two words each."""
    blocks = b"".join(block.to_bytes(16, "big") for block in range(-(-count // 2)))
    stream = Cipher(AES(key), ECB()).encryptor().update(blocks)  # noqa: S305 - a reference, block by block
    return [int.from_bytes(stream[8 * place : 8 * place + 8], "little") for place in range(count)]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 50))
def test_a_stream_is_the_cipher_of_the_counter(key: bytes, count: int) -> None:
    assert stream(key, count).tolist() == by_blocks(key, count)


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_adding_in_pieces_is_adding_the_whole_stream(count: int) -> None:
    key, total = drawn("masks")(32), np.arange(count, dtype=np.uint64)
    add(total, key, 1)
    assert np.array_equal(total, np.arange(count, dtype=np.uint64) + stream(key, count))
    assert total[-1] == (count - 1 + by_blocks(key, count)[-1]) % 2**64
    add(total, key, -1)
    assert total.tolist() == list(range(count))


def test_a_shorter_stream_is_the_beginning_of_a_longer_one() -> None:
    key = drawn("prefix")(32)
    assert np.array_equal(stream(key, 3 * CHUNK)[:7], stream(key, 7))


def test_a_stream_is_even_and_another_key_gives_another() -> None:
    one, other = (stream(drawn(name)(32), 50_000) for name in "ab")
    assert evenly(one.tobytes())
    assert evenly((one - other).tobytes())


def test_a_masked_vector_of_zeros_and_one_of_ones_look_equally_even() -> None:
    for value in (0.0, 1.0, -123456.789):
        cohort = Cohort(4, size=20_000)
        cohort.values = dict.fromkeys(cohort.clients, np.full(20_000, value))
        masked = played(cohort).advertise().share().mask().masked
        words = [np.frombuffer(said.words, dtype=np.uint64) for said in masked.values()]
        assert all(evenly(one.tobytes()) for one in words)
        assert evenly((words[0] + words[1]).tobytes())
        assert evenly((words[0] - words[1]).tobytes())
        assert evenly((words[0] + words[1] + words[2]).tobytes())
        assert evenly(sum(words[1:], start=words[0]).tobytes())  # their own masks are still on
