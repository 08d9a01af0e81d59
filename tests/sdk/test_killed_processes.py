"""Owners' processes that are killed in mid-round and started again: what is on their disk is enough."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sdk.hall import Hall, Household

pytestmark = pytest.mark.enable_socket

ROUNDS = ["advertise", "share", "mask", "confirm", "unmask"]


def process(url: str, household: Household, name: str, when: str = "after", end: str = "") -> tuple[int, str]:
    arguments = (url, str(household.place), name, when, end)
    done = subprocess.run(
        [sys.executable, "-m", "tests.sdk.dying_owner", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("round_", ["share", "mask", "unmask"])
def test_killed_with_a_rounds_message_it_goes_on_as_the_same(
    hall: Hall, household: Household, url: str, round_: str, when: str
) -> None:
    def dying() -> tuple[int, str]:
        code, _ = process(url, household, "o0", when, f"/{round_}")
        assert code == -signal.SIGKILL
        return process(url, household, "o0")

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(process, url, household, name) for name in ("o1", "o2")]
        done = [pool.submit(dying).result(), *(other.result() for other in others)]
    assert [(code, json.loads(told)) for code, told in done] == [(0, ["18", "9.5"])] * 3
    for name in ROUNDS:
        assert len({body for body in hall.sent(name) if json.loads(body)["client"] == "o0"}) == 1


def test_killed_in_every_round_it_goes_on_as_the_same(hall: Hall, household: Household, url: str) -> None:
    def dying() -> tuple[int, str]:
        for when, round_ in zip(("before", "after", "before", "after"), ROUNDS, strict=False):
            assert process(url, household, "o0", when, f"/{round_}")[0] == -signal.SIGKILL
        return process(url, household, "o0")

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(process, url, household, name) for name in ("o1", "o2")]
        done = [pool.submit(dying).result(), *(other.result() for other in others)]
    assert {told for _, told in done} == {'["18", "9.5"]\n'}
    assert len({body for body in hall.sent("mask") if json.loads(body)["client"] == "o0"}) == 1
