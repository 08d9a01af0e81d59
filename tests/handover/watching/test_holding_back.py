"""Which samples a new model is judged by."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quintet.handover.holding_back import is_held_back, parted
from tests.handover.watching.feedback_room import sample

SHARE = 0.2


def test_about_a_fifth_is_held_back() -> None:
    told = [sample(number=number) for number in range(2000)]
    learn, held_back = parted(told, SHARE)
    assert len(learn) + len(held_back) == 2000
    assert 340 <= len(held_back) <= 460


def test_a_sample_is_on_the_same_side_whatever_comes_beside_it() -> None:
    told = [sample(number=number) for number in range(300)]
    _, held_back = parted(told, SHARE)
    order = np.random.default_rng(1).permutation(300)[:150]
    _, again = parted([told[number] for number in order], SHARE)
    assert {one.timestamp for one in again} == {one.timestamp for one in held_back} & {
        told[number].timestamp for number in order
    }


def test_how_it_turned_out_moves_nobody() -> None:
    told = [sample(True, number) for number in range(200)]
    assert [is_held_back(one, SHARE) for one in told] == [
        is_held_back(one.model_copy(update={"success": False}), SHARE) for one in told
    ]


def test_a_minute_of_a_ue_stays_together() -> None:
    for minute in range(50):
        drive = [sample(timestamp=60.0 * minute + second) for second in range(60)]
        assert len({is_held_back(one, SHARE) for one in drive}) == 1


def test_without_a_time_a_sample_that_is_sent_twice_is_on_one_side() -> None:
    told = [sample(timestamp=None, latitude=float(number // 2)) for number in range(400)]
    sides = [is_held_back(one, SHARE) for one in told]
    assert sides[::2] == sides[1::2]
    assert any(sides)


def test_a_drive_that_is_sent_twice_is_on_one_side_each_time() -> None:
    drive = [sample(timestamp=60.0 + second) for second in range(50)]
    learn, held_back = parted([*drive, *drive], SHARE)
    assert len(held_back) == 20
    assert not {one.timestamp for one in learn} & {one.timestamp for one in held_back}


def test_one_sample_again_and_again_is_on_both() -> None:
    """Else nothing could be learned, or nothing judged."""
    learn, held_back = parted([sample()] * 50, SHARE)
    assert (len(learn), len(held_back)) == (40, 10)


@given(st.integers(0, 60), st.sampled_from([0.1, 0.2, 0.5]))
def test_nothing_is_lost(count: int, share: float) -> None:
    told = [sample(number=number) for number in range(count)]
    learn, held_back = parted(told, share)
    assert sorted(float(one.timestamp or 0) for one in learn + held_back) == [
        1000.0 * number for number in range(count)
    ]
    assert count < 2 or learn
