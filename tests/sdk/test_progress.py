"""How far a job is, as an owner is told from the server's answers."""

from typing import Any

import pytest

from quintet.sdk.progress import Progress, of_status


def told(status: str, **more: Any) -> Progress:
    return of_status("job", {"status": status, "progress": {"doneCount": 2, "totalClients": 3}, **more})


@pytest.mark.parametrize(
    ("status", "stage"),
    [("WAITING", "waiting"), ("IN_PROGRESS", "waiting"), ("COMPLETED", "completed"), ("FAILED", "failed")],
)
def test_outside_the_rounds_those_who_have_reported_count(status: str, stage: Any) -> None:
    assert told(status) == Progress("job", stage, 2, 3)


@pytest.mark.parametrize(
    ("round_", "stage"),
    [
        ("advertise", "advertise"),
        ("unmask", "unmask"),
        ("COMPUTING", "computing"),
        ("COMPLETED", "computing"),
        ("FAILED", "aggregating"),
        ("of a later version", "aggregating"),
    ],
)
def test_within_them_the_rounds_own_count(round_: str, stage: Any) -> None:
    rounds = {"round": round_, "got": 1, "of": 3}
    assert told("AGGREGATING", aggregation=rounds) == Progress("job", stage, 1, 3)


def test_another_aggregator_tells_of_no_rounds() -> None:
    assert told("AGGREGATING") == Progress("job", "aggregating")


def test_in_words() -> None:
    assert str(Progress("job", "mask", 2, 3)) == "round 3 of 5: masked values 2/3"
    assert str(Progress("job", "mask", sent=True)) == "round 3 of 5: masked values, sent"
    assert str(Progress("job", "mask", of=3)) == "round 3 of 5: masked values"
