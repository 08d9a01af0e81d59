"""When a round is closed, by whom, and when a session can't go on: every pattern of six owners."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from quintet.aggregation.round_closing import Closed, Failed, following, listed, verdict
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.aggregation.session import Session

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ENDS = NOW + timedelta(seconds=60)
PATTERNS = list(product([False, True], repeat=6))


def session(round_: Round = "advertise", **other: Any) -> Session:
    terms = Terms(session="0" * 32, job="j", clients=tuple("abcdef"), threshold=4, minimum=5)
    earlier = {one: tuple(range(6)) for one in ROUNDS[: ROUNDS.index(round_)]}
    fields = {"members": earlier, "created_at": NOW, "closes_at": ENDS, "ends_at": NOW + timedelta(hours=1)}
    return Session(terms=terms, keys=("",) * 6, round=round_, round_seconds=60, **{**fields, **other})


def sizes(there: tuple[bool, ...], size: int = 3) -> dict[int, int]:
    return {position: size for position, came in enumerate(there) if came}


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("there", PATTERNS)
def test_a_round_waits_for_all_until_its_end(round_: Round, there: tuple[bool, ...]) -> None:
    judgement = verdict(session(round_), sizes(there), ENDS - timedelta(microseconds=1))
    assert (judgement is None) == (not all(there))


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("there", PATTERNS)
def test_at_its_end_it_goes_on_with_enough(round_: Round, there: tuple[bool, ...]) -> None:
    judgement = verdict(session(round_), sizes(there), ENDS)
    enough = sum(there) >= (4 if round_ in ("confirm", "unmask") else 5)
    assert isinstance(judgement, Closed if enough else Failed)
    if isinstance(judgement, Closed):
        assert judgement.members == tuple(sizes(there))


def test_who_was_not_awaited_does_not_count() -> None:
    judgement = verdict(session("share", members={"advertise": (0, 1, 2, 3, 4)}), sizes((True,) * 6), NOW)
    assert judgement == Closed((0, 1, 2, 3, 4), None)


def test_of_two_sizes_that_as_many_have_none_is_enough() -> None:
    judgement = verdict(session(), {0: 3, 1: 3, 2: 3, 3: 4, 4: 4, 5: 4}, NOW)
    assert judgement == Failed("the owners' vectors differ in size: 3 (a, b, c), 4 (d, e, f); 5 must agree")


def test_the_size_of_the_most_is_the_sessions() -> None:
    judgement = verdict(session(), {0: 9, 1: 3, 2: 3, 3: 3, 4: 3, 5: 3}, NOW)
    assert judgement == Closed((1, 2, 3, 4, 5), 3, {0: "its vector has 9 elements, that of 5 others 3"})


@pytest.mark.parametrize("round_", ROUNDS[:4])
def test_no_round_begins_after_the_sessions_time(round_: Round) -> None:
    over = session(round_, ends_at=ENDS)
    assert verdict(over, sizes((True,) * 6), ENDS) == Failed(f"the session's time was over in the round {round_}")
    assert isinstance(verdict(session("unmask", ends_at=ENDS), sizes((True,) * 6), ENDS), Closed)


def test_nobody_came() -> None:
    judgement = verdict(session(), {}, ENDS)
    assert judgement == Failed(
        "0 of 6 owners sent their message of the round advertise in time, 5 are needed; missing: a, b, c, d, e, f"
    )


def test_a_reason_names_so_many_and_no_more() -> None:
    assert listed([f"c{number}" for number in range(25)]).endswith("c19 and 5 more")


def test_rounds_follow_each_other() -> None:
    assert [following(round_) for round_ in ROUNDS] == [*ROUNDS[1:], None]
