"""What counts as a handover."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from quintet.handover.history import EMPTY, Handover, Stay, history_of
from tests.handover.choosing.drawn import CELLS
from tests.handover.choosing.world import sight

TIMES = st.floats(0, 1000)


def test_another_cell_than_before_is_a_handover() -> None:
    history = history_of([], [Stay(0, "a"), Stay(10, "b"), Stay(12, "a")])
    assert history.handovers == (Handover(10, "a", "b"), Handover(12, "b", "a"))


def test_the_first_cell_that_is_seen_is_none() -> None:
    assert history_of([], [Stay(0, "a")]) == EMPTY


def test_advice_is_known_until_the_ue_is_elsewhere() -> None:
    advised = Handover(5, "a", "b", followed=False)
    assert history_of([], [Stay(0, "a")], advised).handovers == (advised,)
    followed = history_of([], [Stay(0, "a"), Stay(6, "b")], advised)
    assert followed.handovers == (Handover(6, "a", "b"),)
    elsewhere = history_of([], [Stay(0, "a"), Stay(6, "c")], advised)
    assert elsewhere.handovers == (Handover(6, "a", "c"),)


def test_advice_that_is_followed_in_the_same_moment_is_done() -> None:
    followed = history_of([], [Stay(0, "a"), Stay(5, "b")], Handover(5, "a", "b", followed=False))
    assert followed.handovers == (Handover(5, "a", "b"),)


def test_advice_is_no_handover_that_was_done() -> None:
    history = history_of([], [Stay(0, "b"), Stay(4, "a")], Handover(5, "a", "b", followed=False))
    assert history.done == (Handover(4, "b", "a"),)
    assert (history.count(6), history.since_last(6)) == (1, 1)


def test_of_nobody_nothing_is_known() -> None:
    assert (EMPTY.since_last(5), EMPTY.count(5)) == (None, 0)


def test_handovers_of_the_last_minute_are_counted() -> None:
    history = history_of([], [Stay(0, "a"), Stay(10, "b"), Stay(20, "a"), Stay(70, "b")])
    assert [history.count(now) for now in (69.9, 70, 80)] == [3, 2, 1]


def test_what_is_later_is_left_out() -> None:
    sights = [sight(at, "a", {"a": -80}) for at in (1.0, 3.0, 2.0, 9.0)]
    history = history_of(sights, [Stay(1, "a"), Stay(9, "b")], until=3.0)
    assert [one.at for one in history.sights] == [1.0, 2.0, 3.0]
    assert history.handovers == ()
    late = history_of([], [Stay(1, "a")], Handover(4, "a", "b", followed=False), until=3.0)
    assert late.handovers == ()


def test_the_last_ten_sights_are_known() -> None:
    assert [one.at for one in history_of([sight(at, "a", {"a": -80}) for at in range(13)], []).sights] == list(
        range(3, 13)
    )


@given(st.lists(st.builds(Stay, TIMES, CELLS), max_size=12, unique_by=lambda stay: stay.at), st.randoms())
def test_the_order_in_which_things_came_does_not_matter(stays: list[Stay], random: Random) -> None:
    other = list(stays)
    random.shuffle(other)
    assert history_of([], stays) == history_of([], other)


@given(st.lists(st.builds(Stay, TIMES, CELLS), max_size=12))
def test_handovers_follow_each_other(stays: list[Stay]) -> None:
    done = history_of([], stays).done
    assert all(one.source != one.target for one in done)
    assert all(one.target == other.source and one.at <= other.at for one, other in pairwise(done))
