"""Owners that fall silent for good: the others' sum is exact, and who comes back too late is told."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quintet.sdk import DroppedOut
from tests.sdk.hall import Hall, Household
from tests.sdk.test_crashes import Killed, Mortal


@pytest.mark.parametrize(
    ("ending", "sent", "counts"),
    [
        ("/share", False, False),
        ("/mask", False, False),
        ("/mask", True, True),
        ("/confirm", False, True),
        ("/unmask", False, True),
    ],
)
def test_a_silent_owner_is_in_the_sum_from_its_masked_input_on(
    tmp_path: Path, ending: str, sent: bool, counts: bool
) -> None:
    hall, household = Hall(round_seconds=1), Household(tmp_path, 5)

    def one(name: str) -> Any:
        silent = name == "o4"
        connect = Mortal(hall, "POST", ending, sent=sent).connect if silent else hall.connect
        owner = household.owner(name, connect)
        if silent:
            with pytest.raises(Killed):
                owner.contribute("job", [100], total_clients=5)
            return None
        return owner.contribute("job", [1], total_clients=5)["result"]

    with ThreadPoolExecutor(5) as pool:
        *results, _ = pool.map(one, household.names)
    assert results == [["104" if counts else "4"]] * 4

    late = household.owner("o4", hall.connect)
    if counts:
        assert late.contribute("job", [100], total_clients=5)["result"] == ["104"]
    else:
        hall.summed = household.names[:4]
        with pytest.raises(DroppedOut, match="without the values of o4"):
            late.contribute("job", [100], total_clients=5)


def test_who_comes_back_in_a_later_round_is_told_which_it_missed(tmp_path: Path) -> None:
    hall, household = Hall(round_seconds=1), Household(tmp_path, 5)

    def one(name: str) -> Any:
        if name != "o4":
            return household.owner(name, hall.connect).contribute("job", [1], total_clients=5)
        with pytest.raises(Killed):
            household.owner(name, Mortal(hall, "POST", "/share", sent=False).connect).contribute(
                "job", [100], total_clients=5
            )
        while not hall.sent("mask"):
            time.sleep(0.01)
        with pytest.raises(DroppedOut, match="round share") as caught:
            household.owner(name, hall.connect).contribute("job", [100], total_clients=5)
        return caught.value.message

    with ThreadPoolExecutor(5) as pool:
        *results, told = pool.map(one, household.names)
    assert results[0]["result"] == ["4"]
    assert "did not come before the round was closed" in told
