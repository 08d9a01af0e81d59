"""Counting is linearizable under many processes and a Redis that loses its keys; the original's was not."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import pytest

from tests.contract.job_histories import Operation, history, is_linearizable, processes

HISTORIES = 4


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with processes() as pool:
        yield pool


def of(operations: list[Operation], job: str) -> list[Operation]:
    return [operation for operation in operations if operation.job == job]


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_every_history_of_the_script_has_an_order(pool: ProcessPoolExecutor, redis_url: str, seed: int) -> None:
    told = history(pool, redis_url, seed, "script")
    assert is_linearizable(of(told, "a"))
    assert is_linearizable(of(told, "b"))
    seen = Counter((operation.kind, operation.told[0:4:3] if operation.told else None) for operation in told)
    assert seen["record", (True, False)], "some were counted"
    assert seen["record", (False, False)], "some were known"
    assert seen["record", (False, True)], "some found all seats taken"
    assert seen["lose", None], "keys were lost"
    assert overlapping(told), "some were at the same time"


@pytest.mark.no_cover
def test_the_originals_way_to_count_has_none(pool: ProcessPoolExecutor, redis_url: str) -> None:
    told = history(pool, redis_url, 0, "original")
    assert not (is_linearizable(of(told, "a")) and is_linearizable(of(told, "b")))


def overlapping(operations: list[Operation]) -> bool:
    ordered = sorted(operations, key=lambda operation: operation.began)
    return any(one.ended > other.began for one, other in pairwise(ordered))


def record(began: int, ended: int, client: str, *told: object, total: int = 2) -> Operation:
    return Operation("record", "a", began, ended, client, total=total, told=told)


def test_an_order_is_found_where_times_allow_it() -> None:
    second_first = [record(0, 9, "x", True, 2, 2, False, False), record(1, 8, "y", True, 1, 2, False, True)]
    assert is_linearizable(second_first)
    lost = Operation("lose", "a", 2, 3)
    again = record(4, 5, "x", True, 1, 2, False, True)
    assert is_linearizable([record(0, 1, "x", True, 1, 2, False, True), lost, again])


@pytest.mark.parametrize(
    "told",
    [
        [record(0, 1, "x", True, 2, 2, False, False), record(2, 3, "y", True, 1, 2, False, True)],
        [record(0, 9, "x", True, 1, 2, False, True), record(1, 8, "y", True, 1, 2, False, False)],
        [record(0, 9, "x", True, 1, 2, False, True), record(1, 8, "x", True, 2, 2, False, False)],
        [record(0, 1, "x", True, 1, 2, False, True), Operation("read", "a", 2, 3, told=None)],
        [record(0, 1, "x", True, 1, 1, False, True, total=1), record(2, 3, "y", True, 2, 1, False, False, total=1)],
    ],
    ids=["against their times", "two were first", "counted twice", "forgotten", "one too many"],
)
def test_none_is_found_where_there_is_none(told: list[Operation]) -> None:
    assert not is_linearizable(told)
